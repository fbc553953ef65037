"""From one scaler to another and back: no pod is restarted, and never are fewer ready than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scaling.handovers import Handover

TO_KEDA = pytest.mark.parametrize("course", ["hpa_to_keda_helm3", "hpa_to_keda_helm4"], indirect=True)
FROM_FIXED = pytest.mark.parametrize("course", ["fixed_to_keda_helm3", "fixed_to_keda_helm4"], indirect=True)


@TO_KEDA
def test_admission_refuses_a_scaled_object_beside_an_hpa(course: Handover) -> None:
    assert "already managed by the hpa" in course.refusal


@TO_KEDA
def test_the_documented_way_from_an_hpa_to_keda_and_back_keeps_every_pod(course: Handover) -> None:
    assert set(course.ready) == {2}
    first, with_keda, back = course.pods
    assert first == with_keda == back


@FROM_FIXED
def test_the_documented_way_from_fixed_replicas_to_keda_and_back_never_has_fewer_ready(
    course: Handover,
) -> None:
    assert min(course.ready) >= 2
    fixed, with_keda, back = course.pods
    assert fixed.isdisjoint(with_keda)
    assert with_keda == back
