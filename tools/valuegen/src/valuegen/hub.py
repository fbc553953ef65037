"""The one door to the network: a Hub repository's small files and the starts of its weight files.

Weights are never downloaded. HF_ENDPOINT, HF_TOKEN (HF_TOKEN_PATH), HF_HOME, HF_HUB_CACHE and
HF_HUB_OFFLINE mean what they mean to huggingface_hub, which is not needed: with what it brings along
it is larger than valuegen may be.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from valuegen import download
from valuegen.checkpoint import INDEX_FILE, SINGLE_FILE
from valuegen.errors import ModelError
from valuegen.folder import LARGEST_SMALL_FILE
from valuegen.hubcache import COMMIT, Cache, home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from valuegen.download import Answer

T = TypeVar("T")

OFFLINE_FIX = "give a directory with its config.json, or a name of `valuegen models`"
DEFAULT_ENDPOINT = "https://huggingface.co"
TRUE = {"1", "on", "yes", "true"}
REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]*")
REQUESTS_AT_ONCE = 8
OPTIONAL = ("hf_quant_config.json", INDEX_FILE, SINGLE_FILE)
TOO_MANY = 429


class Repository:
    """A model's repository at one revision.

    Every method raises ModelError when the Hub refuses, cannot be reached, or is not to be asked and
    the cache does not have the file.
    """

    def __init__(self, repo_id: str, revision: str | None = None) -> None:
        """Asks nothing yet; ModelError for a revision that can be none."""
        if revision is not None and not REVISION.fullmatch(revision):
            raise ModelError(f"{repo_id}: {revision!r} is no name of a revision", "check --revision")
        self._repo_id = repo_id
        self._asked = revision or "main"
        self._cache = Cache(repo_id)
        # A commit never changes, so what is cached of it is enough; a branch is asked for first.
        self._commit = self._cache.commit(self._asked) if self._offline or self._is_commit else None

    @property
    def _offline(self) -> bool:
        return any(
            os.environ.get(name, "").lower() in TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        )

    @property
    def _is_commit(self) -> bool:
        return COMMIT.fullmatch(self._asked) is not None

    def place(self, name: str) -> str:
        """The file for a message."""
        return f"{self._repo_id}/{name}"

    def each(self, function: Callable[[str], T], names: Iterable[str]) -> Iterable[T]:
        """Several requests at once."""
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return list(pool.map(function, names))

    def read(self, name: str) -> bytes | None:
        """A small file; None if the repository has none of that name."""
        known, content = self._cached(name)
        if known:
            return content
        answer = self._ask(name, LARGEST_SMALL_FILE)
        if answer is None:  # the Hub is out of reach, but the cache knows the commit
            known, content = self._cached(name)
            if known or self._absent_as_cached(name):
                return content
            raise self._unreachable(f"its cache does not have {name}")
        if answer.status == 404:
            self._keep(name, None)
            return None
        if len(answer.body) == LARGEST_SMALL_FILE:
            raise ModelError(f"{self.place(name)}: larger than 16 MiB, no {name} is", OFFLINE_FIX)
        self._keep(name, answer.body)
        return answer.body

    def start(self, name: str, size: int) -> tuple[bytes, int] | None:
        """The first `size` bytes of a file and its length; None if there is no such file."""
        cached = self._cached_start(name, size)
        if cached is not None:
            return cached
        if self._commit and self._cache.is_absent(self._commit, name):
            return None
        answer = self._ask(name, size)
        if answer is None:
            cached = self._cached_start(name, size)
            if cached is None and not self._absent_as_cached(name):
                raise self._unreachable(f"its cache does not have the header of {name}")
            return cached
        if answer.status == 404:
            self._keep(name, None)
            return None
        if answer.total is None:
            raise ModelError(f"{self.place(name)}: the server does not say how long it is", OFFLINE_FIX)
        if self._commit:
            self._cache.keep_start(self._commit, name, answer.body, answer.total)
        return answer.body, answer.total

    def _cached(self, name: str) -> tuple[bool, bytes | None]:
        """(whether the cache knows the file, its content)."""
        if self._commit is None:
            return False, None
        if self._cache.is_absent(self._commit, name):
            return True, None
        content = self._cache.snapshot(self._commit).read(name)
        return content is not None, content

    def _absent_as_cached(self, name: str) -> bool:
        """Whether a file that need not be there is none, as far as the snapshot in the cache tells.

        vLLM without a network decides the same: what downloaded the snapshot left out only what is not there.
        """
        return name in OPTIONAL and self._cached("config.json")[1] is not None

    def _cached_start(self, name: str, size: int) -> tuple[bytes, int] | None:
        if self._commit is None:
            return None
        whole = self._cache.snapshot(self._commit).start(name, size)
        return whole or self._cache.start(self._commit, name, size)

    def _keep(self, name: str, content: bytes | None) -> None:
        if self._commit is not None:
            self._cache.keep(self._commit, name, content)

    def _ask(self, name: str, size: int) -> Answer | None:
        """The Hub's answer, 200, 206 or 404 for the file; None if only the cache can help."""
        if self._offline:
            if self._commit is None:
                raise self._unreachable("HF_HUB_OFFLINE is set and it is not in the cache")
            return None
        endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        if not re.match(r"https?://[^/]", endpoint):
            raise ModelError(f"HF_ENDPOINT {endpoint}: is no http:// or https:// address", "correct it")
        revision = quote(self._commit or self._asked, safe="")
        url = f"{endpoint}/{self._repo_id}/resolve/{revision}/{quote(name)}"
        try:
            answer = download.get(url, at_most=size, token=_token())
        except download.Unreachable as error:
            self._commit = self._commit or self._cache.commit(self._asked)
            if self._commit is None:
                raise self._unreachable(str(error)) from None
            return None
        self._judge(answer)
        commit = answer.headers.get("x-repo-commit", "")
        if self._commit is None and COMMIT.fullmatch(commit):
            self._commit = commit
            self._cache.remember(self._asked, commit)
        if answer.status == download.UNSATISFIABLE:  # an empty file has no first byte
            return download.Answer(200, b"", 0, answer.headers)
        return answer

    def _judge(self, answer: Answer) -> None:
        """ModelError for an answer that is neither the file nor its absence."""
        status, code = answer.status, answer.headers.get("x-error-code", "")
        if status in (200, download.PARTIAL, download.UNSATISFIABLE):
            return
        if status == 404 and code in ("", "EntryNotFound"):
            return
        if code == "GatedRepo":
            raise ModelError(
                f"{self._repo_id}: the repository is gated", "accept its licence on the Hub and set HF_TOKEN"
            )
        if code == "RevisionNotFound":
            raise ModelError(f"{self._repo_id}: no revision {self._asked}", "check --revision")
        if status in (401, 403) and _token():
            raise ModelError(
                f"{self._repo_id}: the Hub refuses the token ({status}), or there is no such repository",
                "check the name and HF_TOKEN",
            )
        if status in (401, 403, 404):
            raise ModelError(
                f"{self._repo_id}: no such repository on the Hugging Face Hub, or it is private",
                f"check the name, set HF_TOKEN, or {OFFLINE_FIX}",
            )
        if status == TOO_MANY:
            wait = download.retry_after(answer.headers)
            later = f"try again in {wait:.0f} s" if wait else "try again later"
            raise ModelError(f"{self._repo_id}: the Hub limits requests (429)", f"{later}, or set HF_TOKEN")
        raise ModelError(
            f"{self._repo_id}: the Hugging Face Hub answers {status}", f"try later, or {OFFLINE_FIX}"
        )

    def _unreachable(self, why: str) -> ModelError:
        return ModelError(f"{self._repo_id}: the Hugging Face Hub cannot be reached ({why})", OFFLINE_FIX)


def _token() -> str | None:
    """The user's token: HF_TOKEN, or the file that `hf auth login` writes."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(name, "").strip():
            return token if token.isprintable() and token.isascii() else None
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in TRUE:
        return None
    path = Path(os.environ.get("HF_TOKEN_PATH") or home() / "token").expanduser()
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return token if token.isprintable() else None
