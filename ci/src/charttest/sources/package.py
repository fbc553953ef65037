"""The Python files of a release of vLLM: of a folder, or of the archive that the package index has."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import sys
import tarfile
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charttest import programs
from charttest.errors import PartError, UsageError
from charttest.parts.cache import cache_folder, lock, make_folder
from charttest.parts.go import without_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "vllm"
FOREIGN = "third_party/"  # of the package: sources of others, which its own do not register metrics with
_FIX = (
    "give uv a package index that it reaches (UV_DEFAULT_INDEX), or name a folder: `charttest drift --source`"
)


@dataclass(frozen=True)
class Source:
    """The text of each Python file, by its path inside the package."""

    version: str
    files: Mapping[str, str]

    def paths(self, pattern: str) -> Iterator[str]:
        """The files in which the regular expression is found."""
        sought = re.compile(pattern)
        return (path for path, text in self.files.items() if sought.search(text))


def of_folder(folder: Path) -> Source:
    """Of an unpacked package: the folder `vllm`, or the one that holds it. UsageError if it is neither."""
    inside = folder / NAME if (folder / NAME).is_dir() else folder
    paths = sorted(path for path in inside.rglob("*.py") if path.is_file())
    if not (inside / "__init__.py").is_file():
        raise UsageError(f"{folder}: holds no source of vLLM", "name the folder that has vllm/__init__.py")
    files = {str(path.relative_to(inside)): path.read_text(encoding="utf-8") for path in paths}
    said = re.search(r"__version__ = version = '([^']+)'", files.get("_version.py", ""))
    return Source(said[1] if said else folder.name, _own(files))


def of_release(version: str) -> Source:
    """Of a release: its source archive, fetched once into the cache folder; PartError if it cannot be had."""
    archive = _archive(version)
    files = {}
    with tarfile.open(archive) as members:
        for member in members:
            path = Path(member.name)
            if path.suffix == ".py" and path.parts[1:2] == (NAME,) and (file := members.extractfile(member)):
                files["/".join(path.parts[2:])] = file.read().decode()
    return Source(version, _own(files))


def _own(files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if not path.startswith(FOREIGN)}


def _archive(version: str) -> Path:
    path = cache_folder() / "sources" / f"{NAME}-{version}.tar.gz"
    make_folder(path.parent)
    with lock(path.name, waiting=lambda: None):
        if not path.is_file():
            release = _release(version)
            partial = path.with_suffix(".partial")
            try:
                _download(release, partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    return path


def _release(version: str) -> dict[str, Any]:
    """The source archive of a version as uv finds it in the index it is set to: `url` and `hashes`."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise PartError("uv is not there", "run this from the environment that `make venv` makes")
    command = [uv, "pip", "compile", "-", "--no-deps", "--format", "pylock.toml", "--no-header", "--quiet"]
    done = programs.run(command, stdin=f"{NAME}=={version}\n")
    if done.returncode != 0:
        why = " ".join(without_addresses(done.stderr).split())
        raise PartError(f"the package index has no source of vLLM {version} ({why[-500:]})", _FIX)
    [package] = tomllib.loads(done.stdout)["packages"]
    if "sdist" not in package:
        raise PartError(f"vLLM {version} has no source archive in the package index", _FIX)
    found: dict[str, Any] = package["sdist"]
    return found


def _download(release: Mapping[str, Any], path: Path) -> None:
    try:
        with urllib.request.urlopen(release["url"], timeout=60) as answer, path.open("wb") as file:  # noqa: S310 - uv's
            shutil.copyfileobj(answer, file)
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        raise PartError(
            f"the source archive cannot be fetched ({without_addresses(str(error))})", _FIX
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != release["hashes"]["sha256"]:
        raise PartError("the source archive is not the one that the package index names", "fetch it again")
