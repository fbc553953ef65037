"""Samples what a cluster does beside a load, every second, on the load's time axis."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from charttest.errors import CharttestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

Source = Callable[[], Mapping[str, float]]
"""Reads one place once: the value of each series it knows now. It must come back by itself."""


class Recorder:
    """Asks each source every second, in a thread of its own so that a slow one holds up no other.

    It records inside a `with` statement. Place N of a series is the second N after `begin`; None is a second in
    which nothing was learnt: the source did not answer, did not know the series, or was still busy.
    """

    def __init__(self, sources: Sequence[Source], *, begin: float) -> None:
        """`begin` is second 0 of time.monotonic(), such as the `begin` of an open load."""
        self._sources = sources
        self._begin = begin
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._samples: dict[str, dict[int, float]] = {}
        self._errors: list[tuple[int, str]] = []

    @property
    def series(self) -> dict[str, list[float | None]]:
        """Every series, all of one length."""
        with self._lock:
            length = max((second + 1 for each in self._samples.values() for second in each), default=0)
            return {
                name: [each.get(second) for second in range(length)] for name, each in self._samples.items()
            }

    @property
    def errors(self) -> list[tuple[int, str]]:
        """Second and text of every answer that did not come."""
        with self._lock:
            return list(self._errors)

    def __enter__(self) -> Recorder:
        """Begin with the next whole second."""
        self._pool = ThreadPoolExecutor(max(1, len(self._sources)))
        self._followed = [self._pool.submit(self._follow, source) for source in self._sources]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; a source that is broken, not only silent, fails here unless the block failed itself."""
        self._stop.set()
        self._pool.shutdown()
        if kind is None:
            for followed in self._followed:
                followed.result()

    def _follow(self, source: Source) -> None:
        second = max(0, math.ceil(self._offset()))
        while not self._stop.wait(max(0.0, second - self._offset())):
            try:
                values = source()
            except (CharttestError, OSError, ValueError) as error:
                with self._lock:
                    self._errors.append((second, f"{type(error).__name__}: {error}"))
            else:
                with self._lock:
                    for name, value in values.items():
                        self._samples.setdefault(name, {})[second] = value
            second = max(second, math.floor(self._offset())) + 1

    def _offset(self) -> float:
        return time.monotonic() - self._begin
