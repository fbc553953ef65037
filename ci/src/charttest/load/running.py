"""A load that runs: a process in the pod whose stdin is held open."""

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


class LoadProcess:
    """The process of one load: it says when it has begun, and its report at its end."""

    def __init__(self, process: subprocess.Popen[str], what: str, *, end_seconds: float) -> None:
        """`end_seconds`: how long its report may take once it was told to stop."""
        self._process = process
        self._what = what
        self._end_seconds = end_seconds

    def has_begun(self, seconds: float) -> bool:
        """Wait until it has; False when it has not in time. LoadError when it ended instead."""
        assert self._process.stdout is not None  # noqa: S101 - every caller makes pipes
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return False
        if self._process.stdout.readline():
            return True
        _, err = self._process.communicate()
        raise LoadError(f"load on {self._what}: {err.strip()}", "correct what it names")

    def tell(self, line: str) -> None:
        """Write a line to its stdin, which stays open."""
        assert self._process.stdin is not None  # noqa: S101 - every caller makes pipes
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def report(self, word: str, wait_seconds: float = 0.0) -> str:
        """Tell it to end; its report, which may take so long beside its `end_seconds`. LoadError when none comes."""
        try:
            out, err = self._process.communicate(f"{word}\n", timeout=wait_seconds + self._end_seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise LoadError(f"load on {self._what}: no report: {error}", "see the pod it ran in") from error
        if self._process.returncode or not out:
            said = err.strip() or f"exit code {self._process.returncode}"
            raise LoadError(f"load on {self._what}: no report: {said}", "see the pod it ran in")
        return out

    def kill(self) -> None:
        """Without a report."""
        self._process.kill()
        self._process.communicate()


class Load:
    """Requests that go on until `stop`; in a `with` statement until its end. Then `tally` says what came."""

    def __init__(
        self, process: subprocess.Popen[str], what: str, *, start_seconds: float, end_seconds: float
    ) -> None:
        """Wait until every client has had an answer. LoadError with what happened instead."""
        self._process = LoadProcess(process, what, end_seconds=end_seconds)
        self._what = what
        self._tally: Tally | None = None
        try:
            self._wait_for_start(start_seconds)
        except BaseException:
            self._process.kill()
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
            self._tally = tally_of(self._what, self._process.report("stop"))
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
            self._process.kill()

    def _wait_for_start(self, seconds: float) -> None:
        if not self._process.has_begun(seconds):
            told = self.stop()
            message = f"load on {self._what}: not every client had an answer in {seconds} s: {told}"
            raise LoadError(message, "start the load when the target is ready")


def tally_of(what: str, report: str) -> Tally:
    """The tally of a client's report."""
    document = json.loads(report)
    document.pop("total")
    return Tally(what, **document)
