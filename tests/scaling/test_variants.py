"""Two variants of one model at different prices, and what the Workload Variant Autoscaler makes of them."""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import pytest
from tests.scaling.variants import CHEAP, COSTLY, DECIDED, MOST

from charttest.load.sources import DESIRED, QUEUE, READY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.scaling.course import Course

BY_CAPACITY = pytest.mark.parametrize("course", ["by_capacity"], indirect=True)
BY_PERCENTAGES = pytest.mark.parametrize("course", ["by_percentages"], indirect=True)
BOTH = pytest.mark.parametrize("course", ["by_capacity", "by_percentages"], indirect=True)


def decisions(course: Course) -> list[tuple[float, float]]:
    """What was decided for the cheap and the costly one, second by second."""
    both = zip(course.series[f"{CHEAP}: {DECIDED}"], course.series[f"{COSTLY}: {DECIDED}"], strict=True)
    return [(cheap, costly) for cheap, costly in both if cheap is not None and costly is not None]


@BY_CAPACITY
def test_by_capacity_the_costly_one_grows_only_after_the_cheap_one_is_at_its_maximum(course: Course) -> None:
    found = decisions(course)
    assert found.index((MOST, 1)) < found.index((MOST, MOST))
    # A scrape may come between two writes of one decision; it does not come twice in a row.
    wrong = [cheap < MOST and costly > 1 for cheap, costly in found]
    assert not any(first and second for first, second in pairwise(wrong)), found


@BY_CAPACITY
def test_by_capacity_the_costly_one_shrinks_first(course: Course) -> None:
    cheap, costly = zip(*reversed(decisions(course)), strict=True)
    assert at_one(costly) >= at_one(cheap) > 0


def at_one(values: Iterable[float]) -> int:
    """For how many of the first values one replica was decided."""
    return len(list(takewhile(lambda value: value == 1, values)))


@BY_CAPACITY
def test_by_capacity_both_variants_have_the_replicas_that_were_decided(course: Course) -> None:
    for variant in (CHEAP, COSTLY):
        assert max(course.known(f"{variant}: {READY}")) == MOST


@BY_CAPACITY
def test_a_controller_that_is_killed_under_load_loses_nothing(course: Course) -> None:
    killed, back = course.notes["killed"], course.notes["back"]
    for variant in (CHEAP, COSTLY):
        assert set(course.known(f"{variant}: {DESIRED}", killed, back)) == {MOST}


@BY_PERCENTAGES
def test_by_percentages_nothing_goes_over_to_the_costly_one(course: Course) -> None:
    """What docs/scaling.md warns of: the cheap one is full, requests wait, and the costly one stays as it is."""
    assert max(course.known(f"{CHEAP}: {READY}")) == MOST
    assert set(course.known(f"{COSTLY}: {DESIRED}")) == {1}
    assert min(course.known(QUEUE, course.notes["full"], course.notes["end"])) > 0


@BOTH
def test_variants_fall_to_their_minimum_when_the_load_ends(course: Course) -> None:
    assert [course.known(f"{variant}: {DESIRED}")[-1] for variant in (CHEAP, COSTLY)] == [1, 1]


@BOTH
def test_no_request_is_lost_between_variants(course: Course) -> None:
    assert course.timeline.lost == 0, course.timeline
