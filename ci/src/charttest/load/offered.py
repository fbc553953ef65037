"""A load that is offered: requests at the times of a shape, which wait for no answer."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

from charttest.load.running import LoadError, LoadProcess
from charttest.load.timeline import Timeline, timeline

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from types import TracebackType


class OpenLoad:
    """Requests at given times; `wait` until all are answered, or `stop` early. Then `timeline` says what came.

    Leaving its `with` statement waits; when the block failed, it ends without a word.
    """

    begin: float
    """Second 0 of its timeline in time.monotonic(); late by as much as one line takes from the pod."""

    def __init__(
        self,
        process: subprocess.Popen[str],
        what: str,
        arrivals: Sequence[float],
        *,
        start_seconds: float,
        end_seconds: float,
    ) -> None:
        """Begin. LoadError when the process does not; `end_seconds`: how long the last answer may take."""
        self._process = LoadProcess(process, what, end_seconds=end_seconds)
        self._what = what
        self._timeline: Timeline | None = None
        self._last = arrivals[-1] if arrivals else 0.0
        try:
            self._start(arrivals, start_seconds)
        except BaseException:
            self._process.kill()
            raise

    @property
    def timeline(self) -> Timeline:
        """What came, second by second; the load must have ended."""
        if self._timeline is None:
            raise LoadError(
                f"load on {self._what}: still running", "call wait(), or leave the with statement"
            )
        return self._timeline

    def wait(self) -> Timeline:
        """Until the last request is answered. LoadError when no report comes."""
        if self._timeline is None:
            left = max(0.0, self.begin + self._last - time.monotonic())
            self._timeline = _timeline_of(self._what, self._process.report("end", left))
        return self._timeline

    def stop(self) -> Timeline:
        """Offer no more, and let running requests finish. LoadError when no report comes."""
        if self._timeline is None:
            self._timeline = _timeline_of(self._what, self._process.report("stop"))
        return self._timeline

    def __enter__(self) -> OpenLoad:
        """The load, which runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for its end; when the block failed, its own error is the one to see."""
        if kind is None:
            self.wait()
        elif self._timeline is None:
            self._process.kill()

    def _start(self, arrivals: Sequence[float], seconds: float) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended: what it said comes now
            self._process.tell(json.dumps([round(at, 4) for at in arrivals]))
        if not self._process.has_begun(seconds):
            raise LoadError(f"load on {self._what}: not begun in {seconds} s", "see the pod it runs in")
        self.begin = time.monotonic()


def _timeline_of(what: str, report: str) -> Timeline:
    document = json.loads(report)
    return timeline(what, [tuple(entry) for entry in document["requests"]], document["failures"])
