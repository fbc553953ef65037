"""A series that is missing is no series of zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.scaling.missing import HELD, MODES

if TYPE_CHECKING:
    from tests.scaling.missing import Missing

NO_SERIES = pytest.mark.parametrize("course", ["missing_series"], indirect=True)


@NO_SERIES
def test_replicas_stay_when_the_series_are_gone(course: Missing) -> None:
    assert course.without == {mode: {HELD} for mode in MODES}


@NO_SERIES
def test_replicas_fall_once_the_series_are_back(course: Missing) -> None:
    assert course.after == dict.fromkeys(MODES, 1)
