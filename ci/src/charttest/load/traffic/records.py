"""The outcomes of a closed loop."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from charttest.load.traffic.asking import LostError

MOST_FAILURES = 20  # told with their text


class Records:
    """Every request's outcome. Safe to use from all clients."""

    def __init__(self, clients: int, started: Callable[[], object]) -> None:
        """`started` is called once, when every client has had an answer."""
        self.begin = time.monotonic()
        self.reconnects = 0
        self._started = started
        self._lock = threading.Lock()
        self._waiting = set(range(clients))
        self._counts: Counter[tuple[bool, str]] = Counter()
        self._latencies: list[float] = []
        self._failures: list[dict[str, object]] = []

    def ok(self, client: int, streaming: bool, seconds: float) -> None:
        """Count a request that was answered whole."""
        with self._lock:
            self._counts[streaming, "ok"] += 1
            self._latencies.append(seconds)
            if self._waiting == {client}:
                self._started()
            self._waiting.discard(client)

    def lost(self, streaming: bool, seconds: float, where: str, error: LostError) -> None:
        """Count a request that was lost."""
        with self._lock:
            self._counts[streaming, error.kind] += 1
            if len(self._failures) < MOST_FAILURES:
                self._failures.append(
                    {
                        "at": self.offset(),
                        "after": round(seconds, 3),
                        "streaming": streaming,
                        "outcome": error.kind,
                        "text": f"{where}: {error}",
                    }
                )

    def reopened(self) -> None:
        """Count a connection that the server had ended between two requests, noticed before the second."""
        with self._lock:
            self.reconnects += 1

    def offset(self) -> float:
        """Seconds since the beginning."""
        return round(time.monotonic() - self.begin, 3)

    def report(self) -> dict[str, object]:
        """All counts; latencies in seconds, of requests that were answered whole."""
        outcomes: Counter[str] = Counter()
        kinds: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for (streaming, outcome), number in sorted(self._counts.items()):
            outcomes[outcome] += number
            kinds[streaming][outcome] = number
        ordered = sorted(self._latencies)
        ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {
            "seconds": self.offset(),
            "total": outcomes.total(),
            "outcomes": outcomes,
            "streaming": kinds[True],
            "plain": kinds[False],
            "latency": {
                name: round(ordered[math.ceil(len(ordered) * rank) - 1], 3) if ordered else None
                for name, rank in ranks.items()
            },
            "reconnects": self.reconnects,
            "failures": self._failures,
        }
