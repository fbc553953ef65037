"""Where an axis has its marks: at round numbers, or at round times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TICKS = 10
DAY = 86400
# Seconds between marks that a clock can tell; from days on, 1, 2 or 5 times a power of ten of days.
_CLOCK = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY)


def round_step(least: float) -> float:
    """The least of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def time_step(least: float) -> float:
    """The least step in seconds that a clock can tell and that is not below `least`."""
    if least < 1:
        return round_step(least)
    return next((step for step in _CLOCK if step >= least), DAY * round_step(max(least / DAY, 1)))


def ticks(
    highest: float,
    *,
    lowest: float = 0.0,
    least_step: float = 0.0,
    most: int = MOST_TICKS,
    step_of: Callable[[float], float] = round_step,
) -> list[float]:
    """Multiples of one step, from `lowest` or just below it to `highest` or just above it."""
    step = step_of(max((highest - lowest) / most, least_step))
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [step * number for number in range(first, last + 1)]


def time_ticks(start: float, end: float, most: int) -> list[float]:
    """Times between two times (Unix seconds) that are round in UTC."""
    step = time_step((end - start) / most)
    return [step * number for number in range(math.ceil(start / step), math.floor(end / step) + 1)]
