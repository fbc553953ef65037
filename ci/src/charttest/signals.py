"""SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that every `finally` and fixture runs."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN_SECONDS = 0.05  # a finaliser is over by then


class Terminated(SystemExit, KeyboardInterrupt):
    """A signal asks the program to end.

    As a KeyboardInterrupt it ends a pytest session, which would swallow a mere SystemExit; as a SystemExit
    that nobody handles it ends Python with the exit code 128 + signal and no traceback.
    """

    def __init__(self, number: int) -> None:
        """`number`: the signal's."""
        super().__init__(128 + number)
        self.number = number


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
        with _none_ignored():
            yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: object) -> NoReturn:
    raise Terminated(number)


@contextlib.contextmanager
def _none_ignored() -> Iterator[None]:
    """Send a signal again, Ctrl-C as well, whose exception was raised where Python ignores exceptions.

    That is in a finaliser, in a weak reference's callback (every import runs one) and in what `logging` runs
    around a fork (every part that is started).
    """
    previous = sys.unraisablehook

    def hook(ignored: sys.UnraisableHookArgs) -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            previous(ignored)
            return
        number = ignored.exc_value.number if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        main = threading.main_thread().ident
        again = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, number))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous
