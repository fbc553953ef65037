"""SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that every `finally` runs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Terminated(KeyboardInterrupt):
    """A signal that asks the program to end; pytest and click clean up as for Ctrl-C."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


@contextlib.contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and SIGHUP inside the block, where nobody else handles them.

    Python allows signal handlers in the main thread only; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    mine = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: object) -> NoReturn:
    raise Terminated(number)


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn`: the kernel sends `number` to the child when its parent's thread ends.

    libc is loaded before the fork, so the child calls nothing but prctl and getppid.
    """
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the kernel knew
            os.kill(os.getpid(), number)

    return ask
