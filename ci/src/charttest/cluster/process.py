"""One part of the cluster as a process: start, watch, end. A pid is never trusted without its start time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Process:
    """A started process. `started` is its start time in clock ticks since boot."""

    name: str
    pid: int
    started: int
    log: Path

    @property
    def alive(self) -> bool:
        """Whether this very process still runs: a reused pid or a zombie does not count."""
        return start_time(self.pid) == self.started

    def log_tail(self) -> str:
        """The last lines that the process wrote."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])


def start(name: str, command: Sequence[str], log: Path, *, tied: bool) -> Process:
    """Start `command` in a session of its own, so that a Ctrl-C at the terminal does not reach it.

    `tied`: the kernel ends the process when this one dies, however it dies (Linux).
    """
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_tie if tied else None,  # noqa: PLW1509  (no thread of ours holds a lock here)
        )
    popen.returncode = 0  # ended by pid (`end`), so Popen's finaliser has nothing to warn about
    return Process(name, popen.pid, start_time(popen.pid) or 0, log)


def end(processes: Sequence[Process], timeout_seconds: float = 10) -> list[Process]:
    """Kill the processes and wait until they are gone; returns those that are still there.

    SIGKILL at once: everything that they hold is about to be deleted.
    """
    for process in processes:
        if process.alive:
            os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout_seconds
    left = list(processes)
    while True:
        left = [process for process in left if not _gone(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def start_time(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command's name in parentheses and may hold anything.
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else int(after_name[19])


def _gone(process: Process) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)  # reap it if it is a child of ours
    return not process.alive


_libc = ctypes.CDLL(None)


def _tie() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
