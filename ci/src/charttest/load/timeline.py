"""What came of a load, second by second."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Entry = tuple[float, float | None, float, str]
"""When a request was due, began and ended (seconds), and its outcome; one that was not sent did not begin."""


@dataclass(frozen=True)
class Timeline:
    """An open loop's requests; place N of a list is the second from N to N + 1 after the load began."""

    what: str  # the target and the load's shape
    offered: list[int]  # were due, sent or not
    started: list[int]
    completed: list[int]  # were answered whole
    failed: list[int]  # were not, `unsent` among them
    in_flight: list[int]  # at the second's end
    latency: list[float | None]  # the median in seconds of those completed, from when they were due
    latency_p99: list[float | None]
    late_seconds: float  # the longest that a request began after it was due: the generator's own fault
    outcomes: dict[str, int]  # see `traffic` for their names
    failures: list[dict[str, Any]]  # the first 20: at, after (seconds), streaming, outcome, text

    @property
    def seconds(self) -> int:
        """Until the last answer."""
        return len(self.offered)

    @property
    def total(self) -> int:
        """All requests that were due."""
        return sum(self.offered)

    @property
    def lost(self) -> int:
        """Those that were not answered whole."""
        return sum(self.failed)

    def __str__(self) -> str:
        """For an assertion's message: the counts, then each of the first failures."""
        kinds = ", ".join(f"{number} {name}" for name, number in self.outcomes.items() if name != "ok")
        slowest = max((entry for entry in self.latency_p99 if entry is not None), default=None)
        lines = [
            f"{self.what}: lost {self.lost} of {self.total} in {self.seconds} s ({kinds or 'none'}); "
            f"at most {max(self.in_flight, default=0)} in flight, worst p99 of a second {slowest} s, "
            f"sent at most {self.late_seconds} s late"
        ]
        lines += [
            f"  at {entry['at']:.2f} s, after {entry['after']:.3f} s, "
            f"{'streaming' if entry['streaming'] else 'plain'}, {entry['outcome']}: {entry['text']}"
            for entry in self.failures
        ]
        return "\n".join(lines)


def timeline(what: str, requests: Iterable[Entry], failures: list[dict[str, Any]]) -> Timeline:
    """The timeline of these requests, in any order."""
    entries = list(requests)
    seconds = max((math.floor(ended) + 1 for _, _, ended, _ in entries), default=0)
    begun = [began for _, began, _, _ in entries if began is not None]
    ok = [(due, ended) for due, _, ended, outcome in entries if outcome == "ok"]
    latencies: list[list[float]] = [[] for _ in range(seconds)]
    for due, ended in ok:
        latencies[int(ended)].append(round(ended - due, 3))
    started = _per_second(begun, seconds)
    ended_after_begin = _per_second((ended for _, began, ended, _ in entries if began is not None), seconds)
    in_flight, now = [], 0
    for more, less in zip(started, ended_after_begin, strict=True):
        now += more - less
        in_flight.append(now)
    return Timeline(
        what=what,
        offered=_per_second((due for due, _, _, _ in entries), seconds),
        started=started,
        completed=_per_second((ended for _, ended in ok), seconds),
        failed=_per_second((ended for _, _, ended, outcome in entries if outcome != "ok"), seconds),
        in_flight=in_flight,
        latency=[_rank(each, 0.5) for each in latencies],
        latency_p99=[_rank(each, 0.99) for each in latencies],
        late_seconds=max(
            (round(began - due, 3) for due, began, _, _ in entries if began is not None), default=0.0
        ),
        outcomes=dict(sorted(Counter(outcome for _, _, _, outcome in entries).items())),
        failures=failures,
    )


def _per_second(moments: Iterable[float], seconds: int) -> list[int]:
    counts = Counter(math.floor(moment) for moment in moments)
    return [counts[second] for second in range(seconds)]


def _rank(values: Sequence[float], rank: float) -> float | None:
    return sorted(values)[math.ceil(len(values) * rank) - 1] if values else None
