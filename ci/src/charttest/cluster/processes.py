"""The cluster's processes: started with a mark in their environment, found and killed by that mark.

The mark is the cluster's directory, which no other process carries. So a stop needs no record of pids, finds
what was started a moment before a crash, and never touches a process that merely has a reused pid.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.errors import ClusterError
from charttest.signals import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CLUSTER = "CHARTTEST_CLUSTER"
_PART = "CHARTTEST_PART"
_TAIL_LINES = 12
_KILL_SECONDS = 10.0


def start(
    directory: Path, part: str, command: Sequence[str | Path], *, detached: bool
) -> subprocess.Popen[bytes]:
    """Start one part; unless `detached`, the kernel kills it when this process ends in any way."""
    with log_file(directory, part).open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(directory),
                "TMPDIR": str(directory),
                _CLUSTER: str(directory),
                _PART: part,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the parent, which stops the parts in order
            preexec_fn=None if detached else die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # prctl only
        )


def log_file(directory: Path, part: str) -> Path:
    """Return where a part's output goes."""
    return directory / "logs" / f"{part}.log"


def tail(directory: Path, part: str) -> str:
    """Return the last lines of a part's log, indented."""
    try:
        lines = log_file(directory, part).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:] or ["(the log is empty)"])


def died(directory: Path, part: str) -> ClusterError:
    """Return the error for a part that ended on its own."""
    return ClusterError(
        f"{part} ended; the last lines of {log_file(directory, part)}:\n{tail(directory, part)}",
        "stop the cluster (charttest cluster down) and start it again; the lines above say why it ended",
    )


def running(directory: Path) -> dict[str, int]:
    """Return part -> pid of every process that carries the cluster's mark."""
    return {part: pid for pid in _pids() if (part := _marked(pid, directory))}


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _marked(pid: int, directory: Path) -> str:
    """Return the part that a process is, or "" when it is none of this cluster (or a zombie)."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return ""
    if f"{_CLUSTER}={directory}".encode() not in entries:
        return ""
    prefix = f"{_PART}=".encode()
    return next((entry.removeprefix(prefix).decode() for entry in entries if entry.startswith(prefix)), "")


def kill(directory: Path) -> None:
    """End every process of the cluster and wait until none is left; ClusterError if one cannot be ended.

    SIGKILL at once: the data goes with them, so there is nothing to close in good order.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    while found := running(directory):
        for pid in found.values():
            _kill_one(pid, directory, deadline)
        if time.monotonic() > deadline:
            left = ", ".join(f"{part} ({pid})" for part, pid in running(directory).items())
            raise ClusterError(f"{left} did not end", "end them by hand (kill -9) and run the command again")


def _kill_one(pid: int, directory: Path, deadline: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _marked(pid, directory):  # asked again: the handle now pins the process
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(handle)
