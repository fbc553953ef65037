"""A model's files in a local directory."""

from __future__ import annotations

import os
from stat import S_ISREG
from typing import TYPE_CHECKING, TypeVar

from valuegen.errors import ModelError
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T")

LARGEST_SMALL_FILE = 16 * 1024**2  # bytes; the largest config.json or index in use is far below
FIX = "give the directory of a checkpoint, or its config.json"


@dataclass(frozen=True)
class Folder:
    """A directory; ModelError names the file that cannot be read and why."""

    path: Path

    def read(self, name: str) -> bytes | None:
        """A small file; None if there is none of that name."""
        answer = self.start(name, LARGEST_SMALL_FILE)
        if answer is None:
            return None
        text, size = answer
        if size > LARGEST_SMALL_FILE:
            limit = LARGEST_SMALL_FILE // 1024**2
            raise ModelError(f"{self.place(name)}: larger than {limit} MiB, no {name} is", FIX)
        return text

    def start(self, name: str, size: int) -> tuple[bytes, int] | None:
        """The first `size` bytes and the whole length; None if there is no such file."""
        where = self.path / name
        try:
            # Without O_NONBLOCK a pipe would block here.
            with os.fdopen(os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
                status = os.fstat(stream.fileno())
                if not S_ISREG(status.st_mode):
                    raise ModelError(f"{where}: is no regular file", FIX)
                return stream.read(size), status.st_size
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise ModelError(f"{where}: is no regular file", FIX) from None
        except OSError as error:
            raise ModelError(f"{where}: cannot be read ({error.strerror})", FIX) from None

    def place(self, name: str) -> str:
        """The file's path."""
        return str(self.path / name)

    def each(self, function: Callable[[str], T], names: Iterable[str]) -> Iterable[T]:
        """One after the other."""
        return map(function, names)
