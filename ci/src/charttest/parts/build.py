"""Builds one component from its pinned module, once for all processes of this user."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from charttest.errors import PartError
from charttest.parts.cache import cache_folder, lock, make_folder
from charttest.parts.go import environment, find_go, without_addresses
from charttest.parts.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from charttest.parts.registry import Part

_LAST_LINES = 3

_REASONS = (
    (
        r"checksum mismatch|SECURITY ERROR",
        "does not have the content that go.sum pins",
        "do not use that source: run `go clean -modcache` and try again from another one (GOPROXY)",
    ),
    (
        r"no space left on device",
        "cannot be built: the disk is full",
        "free some: all components with their build cache take about 6 GB",
    ),
    (
        r"GOPROXY=off|dial tcp|connection re|i/o timeout|no such host|TLS handshake|x509|unexpected EOF"
        r"|proxyconnect|: [45]\d\d |unknown revision|unrecognized import path|GOVCS",
        "cannot be had from the module source that GOPROXY names",
        "check the network and what `go env GOPROXY GOMODCACHE` says",
    ),
)
_BROKEN = ("cannot be built", "check `go version` and `go env GOFLAGS`, or put a finished one on PATH")


def built_path(part: Part) -> Path:
    """Return where `part` lies once it is built."""
    return cache_folder() / "bin" / part.file_name


def build(part: Part, say: Callable[[str], None]) -> Path:
    """Build `part` if it is not in the cache and return its path; `say` gets pieces of one line.

    PartError if Go, a module, or the compilation fails.
    """
    target = built_path(part)
    make_folder(target.parent)
    start = time.monotonic()
    say(f"{part.name} {part.version}: ")
    try:
        with lock(part.file_name, waiting=lambda: say("waiting for another process that builds it … ")):
            if not target.is_file():
                say(f"building, about {part.seconds} s … ")
                _go_build(part, target)
    except BaseException:
        say("failed\n")
        raise
    say(f"done in {time.monotonic() - start:.0f} s\n")
    return target


def _go_build(part: Part, target: Path) -> None:
    go = find_go()
    # One name, under the lock: what a killed process left is removed by the next one.
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    ldflags = f"-s -w {part.ldflags}".strip()
    flags = ["-mod=readonly", "-trimpath", "-ldflags", ldflags, "-o", str(temporary)]
    flags += ["-tags", part.tags] if part.tags else []
    try:
        result = run([str(go), "build", *flags, part.package], cwd=part.folder, env=environment(go))
        if result.returncode != 0:
            raise failure(f"{part.name} {part.version}", result.stderr)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def failure(what: str, output: str) -> PartError:
    """Return the error for `what`, told from the `output` of go: the module, the rule, the last lines."""
    reason, fix = next((each[1:] for each in _REASONS if re.search(each[0], output)), _BROKEN)
    modules = re.findall(r"([\w.~/-]+\.[\w.~/-]+)@(v\d[\w.+-]*)", output) or re.findall(
        r"go: downloading (\S+) (v\S+)", output
    )
    subject = f"{what}: module {'@'.join(modules[-1])}" if modules and (reason, fix) != _BROKEN else what
    lines = [line for line in output.splitlines() if line and not line.startswith("go: downloading")]
    told = without_addresses(" / ".join(lines[-_LAST_LINES:]))
    return PartError(f"{subject} {reason} (go says: {told})", fix)
