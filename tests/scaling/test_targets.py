"""Load rises and replicas rise to what the targets say; it ends and they fall to the minimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from tests.scaling.scenarios import BUSY, TARGETS

from charttest.load.sources import DESIRED, READY

if TYPE_CHECKING:
    from tests.scaling.course import Course

BY_TARGET = pytest.mark.parametrize("course", ["keda", "hpa"], indirect=True)
# Requests that are answered at a time, by Little's law: what arrives a second, times the two that each takes.
AT_A_TIME = BUSY.rate(BUSY.seconds - 1) * 2
STEADY = 25  # the last seconds of the load, long after the step


@BY_TARGET
def test_replicas_rise_to_what_the_targets_say(course: Course) -> None:
    wanted = math.ceil(AT_A_TIME / TARGETS["runningRequests"])
    steady = course.known(READY, BUSY.seconds - STEADY, BUSY.seconds)
    assert set(steady) == {wanted}


@BY_TARGET
def test_replicas_do_not_oscillate_under_a_steady_load(course: Course) -> None:
    assert course.changes(DESIRED, BUSY.seconds - STEADY, BUSY.seconds) == 0


@BY_TARGET
def test_replicas_fall_to_the_minimum_when_the_load_ends(course: Course) -> None:
    assert course.known(DESIRED)[-1] == 1
    after = course.known(DESIRED, BUSY.seconds + 1)
    assert after == sorted(after, reverse=True)


@BY_TARGET
def test_no_request_is_lost_on_the_way_up_or_down(course: Course) -> None:
    assert course.timeline.lost == 0, course.timeline
