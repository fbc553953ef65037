"""A load that runs: a client process whose stdin is held open."""

from __future__ import annotations

import json
import select
import subprocess
from typing import TYPE_CHECKING

from charttest.errors import ClusterError
from charttest.load.tally import Tally

if TYPE_CHECKING:
    from types import TracebackType


class LoadError(ClusterError):
    """The load could not begin, or its report did not come."""


class Load:
    """Requests that go on until `stop`; in a `with` statement until its end. Then `tally` says what came."""

    def __init__(
        self, process: subprocess.Popen[str], what: str, *, start_seconds: float, end_seconds: float
    ) -> None:
        """Wait until every client has had an answer. LoadError with what happened instead."""
        self._process = process
        self._what = what
        self._end_seconds = end_seconds
        self._tally: Tally | None = None
        try:
            self._wait_for_start(start_seconds)
        except BaseException:
            self._end()
            raise

    @property
    def tally(self) -> Tally:
        """What was counted; the load must have ended."""
        if self._tally is None:
            raise LoadError(
                f"load on {self._what}: still running", "call stop(), or leave the with statement"
            )
        return self._tally

    def stop(self) -> Tally:
        """Let running requests finish; what was counted. LoadError when no report comes."""
        if self._tally is None:
            try:
                out, err = self._process.communicate("stop\n", timeout=self._end_seconds)
            except subprocess.TimeoutExpired as error:
                self._end()
                raise LoadError(
                    f"load on {self._what}: no report: {error}", "see the pod it ran in"
                ) from error
            if self._process.returncode or not out:
                said = err.strip() or f"exit code {self._process.returncode}"
                raise LoadError(f"load on {self._what}: no report: {said}", "see the pod it ran in")
            self._tally = tally_of(self._what, out)
        return self._tally

    def __enter__(self) -> Load:
        """The load, which runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it; when the block failed, its own error is the one to see."""
        if kind is None:
            self.stop()
        else:
            self._end()

    def _wait_for_start(self, seconds: float) -> None:
        assert self._process.stdout is not None  # noqa: S101 - every caller makes pipes
        if select.select([self._process.stdout], [], [], seconds)[0]:
            if self._process.stdout.readline():
                return
            _, err = self._process.communicate()
            raise LoadError(f"load on {self._what}: {err.strip()}", "correct what it names")
        told = self.stop()
        message = f"load on {self._what}: not every client had an answer in {seconds} s: {told}"
        raise LoadError(message, "start the load when the target is ready")

    def _end(self) -> None:
        """Without a report."""
        self._process.kill()
        self._process.communicate()


def tally_of(what: str, report: str) -> Tally:
    """The tally of a client's report."""
    document = json.loads(report)
    document.pop("total")
    return Tally(what, **document)
