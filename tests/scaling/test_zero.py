"""A model without pods is woken by what exists without them, and sleeps again."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("course", ["schedule"], indirect=True)
def test_a_schedule_wakes_a_model_and_ends(course: list[tuple[int, int]]) -> None:
    assert course == [(0, 0), (2, 2), (0, 0)]
