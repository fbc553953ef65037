"""Find a part on PATH or in the cache, else build it: one builder per part, nothing half-written."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from charttest import cache
from charttest.errors import PartError
from charttest.parts import modules, toolchain
from charttest.parts.registry import PARTS, Part, select
from charttest.signals import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Found:
    """Where a part is and how it came there: `PATH`, `cached`, `built`, or `missing`."""

    name: str
    version: str
    source: str
    path: Path | None

    def to_dict(self) -> dict[str, str | None]:
        """Return what --json prints."""
        return {**asdict(self), "path": str(self.path) if self.path else None}


def find(name: str, version: str | None = None) -> Path:
    """Return the binary of a part, built first when it is nowhere; PartError when that cannot be done."""
    found = ensure([select(name, version)])[0]
    assert found.path is not None  # noqa: S101  # ensure() returns no missing part
    return found.path


def listing() -> list[Found]:
    """Say where every known part is, without building any."""
    return [look(part) for part in PARTS]


def ensure(parts: Sequence[Part], out: TextIO | None = None) -> list[Found]:
    """Find or build each part; a line per part that has to be built goes to `out` (default stderr)."""
    out = out or sys.stderr
    result = []
    for position, part in enumerate(parts, 1):
        found = look(part)
        result.append(found if found.path else build(part, f"[{position}/{len(parts)}] {part.label}", out))
    return result


def look(part: Part) -> Found:
    """Look on PATH, then in the cache."""
    on_path = _on_path(part)
    if on_path:
        return Found(part.name, on_path[1], "PATH", on_path[0])
    cached = _cached(part)
    return Found(part.name, part.version, "cached" if cached.exists() else "missing", _if_there(cached))


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _cached(part: Part) -> Path:
    return cache.directory() / "bin" / part.file_name


@functools.cache
def _on_path(part: Part) -> tuple[Path, str] | None:
    path = shutil.which(part.binary)
    if path is None:
        return None
    try:
        answer = subprocess.run(
            [path, *part.version_args], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # no program, or one that waits: not what is wanted
        return None
    version = re.search(r"\bv?(\d+\.\d+\.\d+)\b", answer.stdout)
    return (Path(path), version[1]) if version and part.fits(version[1]) else None


def build(part: Part, title: str, out: TextIO) -> Found:
    """Build one part into the cache; a second process that wants it waits for the first."""
    target = _cached(part)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(part, title, out):
        if target.exists():
            return Found(part.name, part.version, "cached", target)
        go = toolchain.find_go()
        started = time.monotonic()
        print(f"{title}: building (about {part.cold_seconds} s cold) … ", end="", file=out, flush=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)  # of a builder that was killed
        try:
            _go_build(go, part, partial)
            partial.rename(target)
        except BaseException:
            print("stopped", file=out, flush=True)
            raise
        finally:
            partial.unlink(missing_ok=True)
        print(f"done in {time.monotonic() - started:.0f} s", file=out, flush=True)
    return Found(part.name, part.version, "built", target)


@contextlib.contextmanager
def _alone(part: Part, title: str, out: TextIO) -> Iterator[None]:
    with cache.lock_file(part.file_name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{title}: another process is building it, waiting", file=out, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_build(go: str, part: Part, target: Path) -> None:
    """Run `go build`; an interrupt reaches Go and its compilers before it goes on."""
    flags = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", part.linker_flags]
    process = subprocess.Popen(
        [go, "build", *flags, "-o", target, part.package],
        cwd=part.directory,
        env=toolchain.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # one group to signal: go and the compilers it runs
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  # calls prctl only
    )
    try:
        _, said = process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode:
        raise modules.unavailable(f"{part.name} {part.version}", said)
    if not target.exists():
        raise PartError(f"{part.package} builds to nothing: it is no main package", "correct the registry")
