"""Every alert fires on its fault and ends with it; none does in health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.monitoring.alerts import firing
from tests.monitoring.faults import CRASHES, HANGS, MODEL, STUCK, alerts_of_the_chart

if TYPE_CHECKING:
    from tests.monitoring.faults import Faults
    from tests.monitoring.live import Live

# What each alert must say of whom: a label, and the end of its value.
WHOM: dict[str, tuple[str, str]] = {
    **dict.fromkeys(alerts_of_the_chart(), ("model", MODEL)),
    "VllmEngineDead": ("model", HANGS),
    "VllmModelUnavailable": ("model", HANGS),
    "VllmEngineCrashLooping": ("model", CRASHES),
    "VllmStartupStuck": ("model", STUCK),
    "VllmReplicasNotReady": ("workload", f"-{STUCK}"),
    "VllmScalerAtMaximum": ("horizontalpodautoscaler", f"-{MODEL}"),
    "VllmScalerWithoutMetrics": ("scaler", f"-{HANGS}"),
    "VllmNotScraped": ("alertname", "VllmNotScraped"),
}


def test_the_release_has_every_alert_of_the_chart(injected: Faults) -> None:
    assert injected.known == set(alerts_of_the_chart())


@pytest.mark.parametrize("name", alerts_of_the_chart())
def test_an_alert_fires_on_its_fault(injected: Faults, name: str) -> None:
    label, end = WHOM[name]
    found = [alert for alert in injected.raised if alert["labels"]["alertname"] == name]
    assert any(alert["labels"].get(label, "").endswith(end) for alert in found), found
    for alert in found:
        told = alert["annotations"]
        assert told["summary"]
        assert "<no value>" not in str(told)
        assert "<error" not in str(told)


def test_both_kinds_of_scalers_without_metrics_are_told(injected: Faults) -> None:
    name = "VllmScalerWithoutMetrics"
    found = [alert["labels"] for alert in injected.raised if alert["labels"]["alertname"] == name]
    assert {labels["kind"] for labels in found} == {"HorizontalPodAutoscaler", "ScaledObject"}


def test_every_alert_ends_with_its_fault(injected: Faults) -> None:
    assert injected.left == []


def test_no_alert_fires_in_a_release_that_is_well_idle_or_busy(running: Live) -> None:
    assert running.watch.looks > 0
    assert running.watch.seen == []
    assert firing(running.driver.scaling.prometheus, running.release) == []
