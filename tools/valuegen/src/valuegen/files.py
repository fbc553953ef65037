"""Files are replaced as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from valuegen.errors import OutputError


def replace_file(path: Path, text: str) -> None:
    """Write `text` to `path` through a temporary file beside it; OutputError leaves everything as it was.

    An existing file keeps its mode, and a symbolic link stays one.
    """
    try:
        target = path.resolve()
    except (OSError, RuntimeError):  # RuntimeError before Python 3.13
        raise OutputError(
            f"{path}: cannot be resolved, its links lead back to it", "remove the link"
        ) from None
    if target.is_dir():
        raise OutputError(f"{path}: is a directory", "name a file in it")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: is no regular file", "leave -o out to print the values")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: its directory does not exist", f"mkdir -p {target.parent}")
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from None
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written ({error.strerror})", "choose another path or correct its permissions"
    )
