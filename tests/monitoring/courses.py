"""How a replayed series goes: as its table says, while nobody asks anything, in health, in a fault and after it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TABLE = Path(__file__).with_name("replayed.yaml")
IDLE, BEFORE, FAULT, AFTER = "idle", "before", "fault", "after"
SWING_SECONDS = 60  # from the lowest value to the highest and back


@dataclass(frozen=True)
class Entry:
    """One line of the table; `phases` has its value, rate or observations in each phase, None where it is absent."""

    name: str
    of: str
    labels: Mapping[str, str]
    faulty: bool
    """Whether only releases with faults have it."""
    edges: tuple[float, ...]
    phases: Mapping[str, Mapping[str, Any] | None]

    @property
    def kind(self) -> str:
        """As in the format of a page."""
        if self.edges:
            return "histogram"
        return "counter" if "rate" in (self.phases[BEFORE] or ()) else "gauge"


def table(path: Path = TABLE) -> list[Entry]:
    """The series that are replayed."""
    return [_entry(each) for each in yaml.safe_load(path.read_text(encoding="utf-8"))]


def _entry(each: dict[str, Any]) -> Entry:
    before = {key: each[key] for key in ("value", "rate", "observed") if key in each}
    fault = each.get("fault", before)
    idle = {key: 0 if key == "rate" else _nothing(told) for key, told in before.items()}
    in_fault = None if fault == "absent" else fault
    phases = {IDLE: idle, BEFORE: before, FAULT: in_fault, AFTER: each.get("after", before)}
    labels = each.get("labels", {})
    return Entry(
        each["name"], each["of"], labels, each.get("only") == "fault", tuple(each.get("edges", ())), phases
    )


@dataclass
class Course:
    """One series of an entry, with what it has counted; it only grows while somebody looks."""

    entry: Entry
    _since: float
    _counts: dict[float, float] = field(default_factory=dict)
    """Of a counter (at 0) or a histogram: how much, by value."""

    def lines(self, labels: Mapping[str, str], phase: str, now: float) -> Iterator[str]:
        """Its lines on the page at this moment of time.monotonic(); none while it is absent."""
        passed, self._since = now - self._since, now
        told = self.entry.phases[phase]
        if told is None:
            return
        for value, rate in _grows(told).items():
            self._counts[value] = self._counts.get(value, 0.0) + rate * passed
        name, kind = self.entry.name, self.entry.kind
        if kind == "gauge":
            yield sample(name, labels, _swing(told["value"], now))
        elif kind == "counter":
            yield sample(name, labels, math.floor(self._counts[0]))
        else:
            counts = {value: math.floor(count) for value, count in self._counts.items()}
            for edge in (*self.entry.edges, math.inf):
                below = sum(count for value, count in counts.items() if value <= edge)
                yield sample(f"{name}_bucket", {**labels, "le": _text(edge)}, below)
            yield sample(f"{name}_sum", labels, sum(value * count for value, count in counts.items()))
            yield sample(f"{name}_count", labels, sum(counts.values()))


def sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """A line of a page."""
    told = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value:.10g}"


def _grows(told: Mapping[str, Any]) -> Mapping[float, float]:
    """How much is counted in a second, by value."""
    observed: Mapping[float, float] = told.get("observed") or ({0: told["rate"]} if "rate" in told else {})
    return observed


def _swing(value: Any, now: float) -> float:
    if not isinstance(value, list):
        return float(value)
    low, high = value
    return float(low + (high - low) * (1 - math.cos(2 * math.pi * now / SWING_SECONDS)) / 2)


def _nothing(told: Any) -> Any:
    """A gauge without load; of a histogram, the same values at the rate 0."""
    if isinstance(told, dict):
        return dict.fromkeys(told, 0)
    return told[0] if isinstance(told, list) else told


def _text(edge: float) -> str:
    return "+Inf" if edge == math.inf else str(float(edge))
