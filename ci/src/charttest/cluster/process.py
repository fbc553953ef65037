"""One part of the cluster as a process: start, watch, end.

A pid is never trusted alone: what is recorded has its start time, and every process carries a mark in its
environment, by which those are found whose starter was killed before it could record them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.node.requirements import search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MARK = "CHARTTEST_CLUSTER"  # in a part's environment: the cluster's folder
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
    folder = str(log.parent)
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": search_path(), "HOME": folder, "TMPDIR": folder, MARK: folder},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_tie(os.getpid()) if tied else None,  # noqa: PLW1509  (no thread of ours holds a lock here)
        )
    popen.returncode = 0  # ended by pid (`end`), so Popen's finaliser has nothing to warn about
    return Process(name, popen.pid, start_time(popen.pid) or 0, log)


def marked(folder: Path) -> list[int]:
    """Pids of every process that carries the mark of the cluster in `folder`."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if _has_mark(entry, folder)]


def end(folder: Path, timeout_seconds: float = 60) -> list[int]:
    """Kill the processes of the cluster in `folder` until none is left; returns those that would not end.

    SIGKILL at once: everything that they hold is about to be deleted. One that writes to a slow disk ends when
    the kernel has written.
    """
    deadline = time.monotonic() + timeout_seconds
    while (left := marked(folder)) and time.monotonic() < deadline:
        for pid in left:
            if not _waits_for_its_child(pid):
                _kill(pid, folder, deadline)
        time.sleep(0.005)
    return left


def _has_mark(proc: Path, folder: Path) -> bool:
    try:
        return proc.name.isdecimal() and f"{MARK}={folder}".encode() in (proc / "environ").read_bytes().split(
            b"\0"
        )
    except OSError:  # ended meanwhile, or another user's
        return False


def _waits_for_its_child(pid: int) -> bool:
    """Whether it is one that enters namespaces for another: killed first, it would leave a zombie to process 1."""
    proc = Path(f"/proc/{pid}")
    try:
        waits = (proc / "comm").read_text().strip() in ("unshare", "nsenter")
        return waits and bool((proc / "task" / str(pid) / "children").read_text().strip())
    except OSError:  # ended meanwhile
        return False


def _kill(pid: int, folder: Path, deadline: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _has_mark(Path(f"/proc/{pid}"), folder):  # asked again, now that the handle pins the process
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(handle)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reap it if it is a child of ours


def start_time(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command's name in parentheses and may hold anything.
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else int(after_name[19])


_libc = ctypes.CDLL(None)


def _tie(parent: int) -> Callable[[], None]:
    def ask_kernel() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel
