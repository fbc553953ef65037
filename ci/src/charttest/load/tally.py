"""What a load counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tally:
    """The outcomes of all requests of one load; see `client.py` for their names."""

    what: str  # the target and the way to it
    seconds: float
    outcomes: dict[str, int]
    streaming: dict[str, int]
    plain: dict[str, int]
    latency: dict[str, float | None]  # p50, p99, max in seconds, of requests answered whole
    reconnects: int  # connections that the server ended between two requests, noticed before the second
    failures: list[dict[str, Any]]  # the first 20: at, after (seconds), streaming, outcome, text
    changes: list[tuple[float, float, list[str]]] = field(default_factory=list)
    """Of the endpoints: when it came, when the clients saw it (seconds), which were ready."""
    watch_errors: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.outcomes.values())

    @property
    def ok(self) -> int:
        """Requests answered whole."""
        return self.outcomes.get("ok", 0)

    @property
    def lost(self) -> int:
        """All others, `lost_idle` among them."""
        return self.total - self.ok

    @property
    def lost_idle(self) -> int:
        """Lost on a kept connection before anything of the answer came."""
        return self.outcomes.get("lost_idle", 0)

    @property
    def truncated(self) -> int:
        """Answers that began and did not become whole."""
        return self.outcomes.get("truncated", 0)

    def __str__(self) -> str:
        """For an assertion's message: the counts, then each of the first failures."""
        kinds = ", ".join(f"{number} {name}" for name, number in self.outcomes.items() if name != "ok")
        lines = [
            f"{self.what}: lost {self.lost} of {self.total} in {self.seconds:.1f} s ({kinds or 'none'}); "
            f"latency p50/p99/max {'/'.join(str(self.latency[name]) for name in ('p50', 'p99', 'max'))} s; "
            f"{self.reconnects} reconnects, {len(self.changes)} endpoint changes"
        ]
        lines += [
            f"  at {entry['at']:.2f} s, after {entry['after']:.3f} s, "
            f"{'streaming' if entry['streaming'] else 'plain'}, {entry['outcome']}: {entry['text']}"
            for entry in self.failures
        ]
        lines += [f"  endpoints seen at {seen:.2f} s: {', '.join(ready)}" for _, seen, ready in self.changes]
        lines += [f"  watch: {text}" for text in self.watch_errors]
        return "\n".join(lines)
