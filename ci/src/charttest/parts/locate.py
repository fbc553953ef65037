"""Where a component is now, without building it: PATH, the cache, or nowhere yet."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from charttest.parts.build import built_path

if TYPE_CHECKING:
    from charttest.parts.registry import Part

Source = Literal["PATH", "built", "cache", "missing"]


@dataclass(frozen=True)
class Status:
    """Where one component is; `version` is the one found, or the pinned one where none is."""

    name: str
    version: str
    source: Source
    path: Path | None


def locate(part: Part) -> Status:
    """Return where `part` is: a fitting program on PATH goes before the cache."""
    on_path = shutil.which(part.binary) if part.on_path else None
    version = on_path and _version(on_path, part)
    if on_path and version and _fits(version, part):
        return Status(part.name, version, "PATH", Path(on_path).absolute())
    built = built_path(part)
    if built.is_file():
        return Status(part.name, part.version, "cache", built)
    return Status(part.name, part.version, "missing", None)


def _version(program: str, part: Part) -> str | None:
    try:
        answer = subprocess.run(
            [program, *part.version_command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=20,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv?(\d+\.\d+\.\d+(?:-[\w.]+)?)", answer)
    return found[1] if found else None


def _fits(version: str, part: Part) -> bool:
    if part.oldest_on_path is None or "-" in version:
        return version == part.version
    numbers, oldest = _numbers(version), _numbers(part.oldest_on_path)
    return numbers[0] == oldest[0] and numbers >= oldest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
