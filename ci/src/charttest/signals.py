"""SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that every `finally` and fixture runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminated(SystemExit, KeyboardInterrupt):
    """A signal asks the program to end.

    As a KeyboardInterrupt it ends a pytest session, which would swallow a mere SystemExit; as a SystemExit
    that nobody handles it ends Python with the exit code 128 + signal and no traceback.
    """


@contextlib.contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and SIGHUP inside the block, where nobody else handles them.

    Python allows signal handlers in the main thread only; elsewhere this does nothing.
    """
    mine: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        mine = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: object) -> NoReturn:
    raise Terminated(128 + number)
