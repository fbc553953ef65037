"""Arrivals are the integral of a rate, exactly: their number, their order, their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charttest.errors import UsageError
from charttest.load.shapes import Shape, arrivals, burst, day, ramp, step

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = st.floats(0, 20)
LENGTHS = st.floats(1, 30)
PART = st.floats(0, 1)
SHAPES = st.one_of(
    st.builds(lambda a, b, at, n: step(a, b, at=at * n, seconds=n), RATES, RATES, PART, LENGTHS),
    st.builds(lambda a, b, n: ramp(a, b, seconds=n), RATES, RATES, LENGTHS),
    st.builds(
        lambda a, b, at, length, n: burst(
            a, b, begin=at * n, end=min(n, at * n + length * (1 - at) * n), seconds=n
        ),
        RATES,
        RATES,
        PART,
        PART,
        LENGTHS,
    ),
    st.builds(lambda a, b, n: day(a, b, seconds=n), RATES, RATES, LENGTHS),
)


@settings(deadline=None)
@given(SHAPES, st.none() | st.integers(0, 2**32))
def test_arrivals_are_in_order_and_none_is_outside_of_the_load(shape: Shape, seed: int | None) -> None:
    times = arrivals(shape, seed=seed)
    assert times == sorted(times)
    assert all(0 <= at <= shape.seconds for at in times)


@settings(deadline=None)
@given(SHAPES, PART, PART)
def test_as_many_arrive_in_any_span_of_time_as_the_integral_of_the_rate(
    shape: Shape, one: float, other: float
) -> None:
    times = arrivals(shape)
    assert abs(len(times) - shape.total(shape.seconds)) <= 0.5 + 1e-6
    begin, end = sorted((one * shape.seconds, other * shape.seconds))
    inside = sum(begin <= at < end for at in times)
    assert abs(inside - (shape.total(end) - shape.total(begin))) <= 1 + 1e-6


@settings(deadline=None)
@given(SHAPES, PART)
def test_the_total_is_the_integral_of_the_rate(shape: Shape, part: float) -> None:
    end, slices = part * shape.seconds, 2000
    width = end / slices
    summed = sum(shape.rate((number + 0.5) * width) * width for number in range(slices))
    assert shape.total(0) == 0
    # A jump of the rate falls inside a slice: at most two of them, of at most 20 requests per second.
    assert shape.total(end) == pytest.approx(summed, abs=2 * 20 * width + 1e-3)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_random_times(shape: Shape, seed: int) -> None:
    assert arrivals(shape, seed=seed) == arrivals(shape, seed=seed)


def test_random_times_keep_the_rate_and_differ_from_even_ones() -> None:
    shape = step(1, 9, at=500, seconds=1000)
    times = arrivals(shape, seed=7)
    assert abs(len(times) - 5000) < 5 * 5000**0.5  # five standard deviations of a Poisson process
    assert abs(sum(at < 500 for at in times) - 500) < 5 * 500**0.5
    assert times != arrivals(shape, seed=8) != arrivals(shape)


def test_rates_are_what_their_names_say() -> None:
    assert [step(1, 5, at=10, seconds=20).rate(t) for t in (0, 9.9, 10, 20)] == [1, 1, 5, 5]
    assert [ramp(0, 10, seconds=20).rate(t) for t in (0, 10, 20)] == [0, 5, 10]
    assert [burst(1, 9, begin=5, end=6, seconds=9).rate(t) for t in (4.9, 5, 5.9, 6)] == [1, 9, 9, 1]
    assert [round(day(2, 10, seconds=24).rate(t), 9) for t in (0, 6, 12, 24)] == [2, 6, 10, 2]


def test_even_arrivals_stand_where_the_integral_is_halfway_to_the_next() -> None:
    assert arrivals(step(2, 2, at=0, seconds=2)) == pytest.approx([0.25, 0.75, 1.25, 1.75])
    assert arrivals(burst(0, 1, begin=3, end=5, seconds=9)) == pytest.approx([3.5, 4.5])
    assert arrivals(step(0, 0, at=0, seconds=5)) == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: step(1, 1, at=1, seconds=0), "step: seconds=0 is no length of a load; set more than 0"),
        (lambda: ramp(-1, 1, seconds=9), "ramp: begin=-1 is no rate; set 0 or more requests per second"),
        (lambda: day(1, float("inf"), seconds=9), "day: noon=inf is no rate; set 0 or more"),
        (lambda: step(1, 1, at=10, seconds=9), "step: at=10 is outside of the load; set 0 to 9 seconds"),
        (
            lambda: burst(1, 2, begin=5, end=4, seconds=9),
            "burst: begin=5 is after end=4; let it end after it begins",
        ),
    ],
    ids=["seconds", "negative", "infinite", "outside", "order"],
)
def test_a_shape_that_is_none_is_refused(make: Callable[[], Shape], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make()
