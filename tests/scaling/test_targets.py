"""Load rises and replicas rise to what the targets say; it ends and they fall to the minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.scaling.course import STEADY_SECONDS
from tests.scaling.scenarios import WANTED

from charttest.load.sources import DESIRED, READY

if TYPE_CHECKING:
    from tests.scaling.course import Course

# For so long after the end the last requests count, and until BEHAVIOR's window is over nothing falls.
COUNTED_SECONDS = 15
BY_TARGET = pytest.mark.parametrize("course", ["keda", "hpa"], indirect=True)


@BY_TARGET
def test_replicas_rise_to_what_the_targets_say_and_stay_there(course: Course) -> None:
    begin, end = course.notes["steady"] + 1, course.notes["end"]
    assert end - begin >= STEADY_SECONDS - 1
    assert set(course.known(READY, begin, end)) == {WANTED}
    assert course.changes(DESIRED, begin, end) == 0


@BY_TARGET
def test_replicas_fall_to_the_minimum_when_the_load_ends(course: Course) -> None:
    after = course.known(DESIRED, course.notes["end"] + COUNTED_SECONDS)
    assert after == sorted(after, reverse=True)
    assert after[-1] == 1


@BY_TARGET
def test_no_request_is_lost_on_the_way_up_or_down(course: Course) -> None:
    assert course.timeline.lost == 0, course.timeline
