"""A series that is missing is no series of zero, and a Prometheus that does not answer is no idle one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.scaling.missing import HELD

if TYPE_CHECKING:
    from tests.scaling.missing import Missing

MISSING = pytest.mark.parametrize("course", ["missing_series", "prometheus_gone"], indirect=True)


@MISSING
def test_replicas_stay_when_what_they_go_by_is_gone(course: Missing) -> None:
    for wanted in course.without.values():
        assert len(wanted) == 1
        # Not HELD itself: had the machine stood still just before, more requests ran at a time.
        assert min(wanted) >= HELD


@MISSING
def test_replicas_fall_once_it_is_back(course: Missing) -> None:
    assert course.after == dict.fromkeys(course.without, 1)
