"""The folder that built components are kept in, and the locks of those who write to it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.errors import PartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vllm-stack`, or `~/.cache/vllm-stack`; a relative XDG_CACHE_HOME does not count."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "vllm-stack"


def make_folder(folder: Path) -> Path:
    """Create `folder` and return it; PartError if that is not allowed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PartError(
            f"the cache folder {folder} cannot be created ({error.strerror})",
            "set XDG_CACHE_HOME to a folder that you can write to",
        ) from error
    return folder


@contextmanager
def lock(name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock `name` against other processes; `waiting` is called if one of them has it.

    The kernel drops the lock of a process that dies. Lock files stay: removing one would let two
    processes lock different files of the same name.
    """
    path = make_folder(cache_folder() / "locks") / name
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` so that no reader ever sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
