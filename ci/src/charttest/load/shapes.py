"""Load over time: rates in requests per second, and the exact moments at which requests arrive."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_HALVINGS = 45  # of a span of hours, to far below a microsecond


@dataclass(frozen=True)
class Shape:
    """A load of `seconds`: its `rate` (requests per second) and its `total` (requests since 0) at a time."""

    name: str
    seconds: float
    rate: Callable[[float], float]
    total: Callable[[float], float]


def step(before: float, after: float, *, at: float, seconds: float) -> Shape:
    """One rate until `at`, another from then on."""
    _check("step", seconds, before=before, after=after)
    _check_within("step", seconds, at=at)
    return Shape(
        f"step from {before:g} to {after:g} requests/s",
        seconds,
        lambda t: before if t < at else after,
        lambda t: before * min(t, at) + after * max(0.0, t - at),
    )


def ramp(begin: float, end: float, *, seconds: float) -> Shape:
    """From one rate to another in a straight line."""
    _check("ramp", seconds, begin=begin, end=end)
    slope = (end - begin) / seconds
    return Shape(
        f"ramp from {begin:g} to {end:g} requests/s",
        seconds,
        lambda t: begin + slope * t,
        lambda t: begin * t + slope * t * t / 2,
    )


def burst(base: float, peak: float, *, begin: float, end: float, seconds: float) -> Shape:
    """A base rate, but for a peak between two moments."""
    _check("burst", seconds, base=base, peak=peak)
    _check_within("burst", seconds, begin=begin, end=end)
    if begin > end:
        raise UsageError(f"burst: begin={begin:g} is after end={end:g}", "let it end after it begins")
    return Shape(
        f"burst of {peak:g} over {base:g} requests/s",
        seconds,
        lambda t: peak if begin <= t < end else base,
        lambda t: base * t + (peak - base) * (min(max(t, begin), end) - begin),
    )


def day(night: float, noon: float, *, seconds: float) -> Shape:
    """A day from midnight to midnight in `seconds`: a cosine, lowest at both ends, highest in the middle."""
    _check("day", seconds, night=night, noon=noon)
    middle, swing, turn = (night + noon) / 2, (noon - night) / 2, 2 * math.pi / seconds
    return Shape(
        f"day between {night:g} and {noon:g} requests/s",
        seconds,
        lambda t: middle - swing * math.cos(turn * t),
        lambda t: middle * t - swing * math.sin(turn * t) / turn,
    )


def arrivals(shape: Shape, *, seed: int | None = None) -> list[float]:
    """The times of all requests in seconds, in order, none after the end.

    By default as even as can be: as many as the integral of the rate, to half a request, over any span of time
    to one. With a seed, a Poisson process of this rate (a unit process, its time changed by `total`): the same
    times for the same seed.
    """
    whole = shape.total(shape.seconds)
    return [_when(shape, count) for count in itertools.takewhile(lambda count: count < whole, _counts(seed))]


def _counts(seed: int | None) -> itertools.accumulate[float]:
    """The integral of the rate at each arrival."""
    if seed is None:
        return itertools.accumulate(itertools.repeat(1.0), initial=0.5)
    chance = random.Random(seed)  # noqa: S311 - repeatable, no secret
    gaps = (chance.expovariate(1.0) for _ in itertools.count())
    return itertools.accumulate(gaps)


def _when(shape: Shape, count: float) -> float:
    """The moment at which the integral of the rate reaches this count."""
    low, high = 0.0, shape.seconds
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if shape.total(middle) < count:
            low = middle
        else:
            high = middle
    return high


def _check(name: str, seconds: float, **rates: float) -> None:
    if not 0 < seconds < math.inf:
        raise UsageError(f"{name}: seconds={seconds:g} is no length of a load", "set more than 0")
    for key, rate in rates.items():
        if not 0 <= rate < math.inf:
            raise UsageError(f"{name}: {key}={rate:g} is no rate", "set 0 or more requests per second")


def _check_within(name: str, seconds: float, **moments: float) -> None:
    for key, moment in moments.items():
        if not 0 <= moment <= seconds:
            raise UsageError(
                f"{name}: {key}={moment:g} is outside of the load", f"set 0 to {seconds:g} seconds"
            )
