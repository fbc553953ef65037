"""The Hub's cache on disk, laid out as huggingface_hub and vLLM lay it out, so that each reads the others'.

models--ORG--NAME/refs/REVISION holds a commit, snapshots/COMMIT/ its files, .no_exist/COMMIT/ the names of
files that it does not have. The starts of weight files go to a folder of their own beside it: a
snapshot holds whole files only.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from valuegen.folder import Folder
from valuegen.frozen import dataclass

COMMIT = re.compile(r"[0-9a-f]{40}")


def home() -> Path:
    """HF_HOME, or its default."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HOME") or default).expanduser()


@dataclass(frozen=True)
class Cache:
    """What is kept of one repository. A cache that cannot be written is no error: it is only asked again."""

    repo_id: str

    @property
    def _name(self) -> str:
        return "models--" + self.repo_id.replace("/", "--")

    @property
    def _hub(self) -> Path:
        own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
        return (Path(own).expanduser() if own else home() / "hub") / self._name

    def commit(self, revision: str) -> str | None:
        """The commit that a revision was when it was last asked for."""
        if COMMIT.fullmatch(revision):
            return revision
        try:
            text = (self._hub / "refs" / revision).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return text if COMMIT.fullmatch(text) else None

    def remember(self, revision: str, commit: str) -> None:
        """Keep what a revision is."""
        if revision != commit:
            _write(self._hub / "refs" / revision, commit.encode())

    def snapshot(self, commit: str) -> Folder:
        """The files of a commit."""
        return Folder(self._hub / "snapshots" / commit)

    def is_absent(self, commit: str, name: str) -> bool:
        """Whether the commit is known to have no such file."""
        return (self._hub / ".no_exist" / commit / name).is_file()

    def keep(self, commit: str, name: str, content: bytes | None) -> None:
        """Keep a whole file, or that there is none."""
        folder = ".no_exist" if content is None else "snapshots"
        _write(self._hub / folder / commit / name, content or b"")

    def start(self, commit: str, name: str, size: int) -> tuple[bytes, int] | None:
        """The first `size` bytes of a file and its length; None if fewer are kept."""
        kept = Folder(self._starts(commit)).start(name, 8 + size)
        if kept is None or len(kept[0]) < 8:
            return None
        total, content = int.from_bytes(kept[0][:8], "little"), kept[0][8:]
        return (content, total) if len(content) >= min(size, total) else None

    def keep_start(self, commit: str, name: str, content: bytes, total: int) -> None:
        """Keep the first bytes of a file of `total` bytes."""
        _write(self._starts(commit) / name, total.to_bytes(8, "little") + content)

    def _starts(self, commit: str) -> Path:
        return home() / "valuegen" / self._name / commit


def _write(path: Path, content: bytes) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
