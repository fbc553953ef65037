"""How far an axis goes, and where its marks are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from charttest.picture.units import marked
from charttest.ticks import DAY, round_step, ticks, time_step, time_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from charttest.picture.dashboard import Panel
    from charttest.picture.window import Window

HEADROOM = 1.02  # the highest line is not the frame


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, with marks and their names."""

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`; what is outside lies on the edge."""
        return min(max((value - self.low) / (self.high - self.low), 0), 1)


def of_values(panel: Panel, values: Iterable[float], most: int) -> Scale:
    """Between the panel's limits; where it has none, from 0 or below it to a mark above the highest value."""
    values = list(values)
    low = min([0.0, *values]) if panel.low is None else panel.low
    high = HEADROOM * max([0.0, *values]) if panel.high is None else panel.high
    if high <= low:  # nothing but zeros, or nothing at all
        high = low + 1
    marks = ticks(high, lowest=low, most=most, step_of=time_step if panel.unit == "s" else round_step)
    low = marks[0] if panel.low is None else low
    high = marks[-1] if panel.high is None else high
    inside = (mark for mark in marks if low <= mark <= high)
    return Scale(low, high, tuple((mark, marked(mark, panel.unit)) for mark in inside))


def of_time(window: Window, most: int) -> Scale:
    """The window, with marks that are round in UTC."""
    form = "%H:%M" if time_step(window.seconds / most) >= 60 else "%H:%M:%S"
    if window.seconds > DAY:
        form = "%m-%d %H:%M"
    marks = time_ticks(window.start, window.end, most)
    return Scale(
        window.start,
        window.end,
        tuple((mark, datetime.fromtimestamp(mark, UTC).strftime(form)) for mark in marks),
    )
