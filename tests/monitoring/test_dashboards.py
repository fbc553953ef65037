"""Under load every recording rule yields samples, and every query of every dashboard returns data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.monitoring import grafana
from tests.monitoring.alerts import rules
from tests.monitoring.live import MODEL

if TYPE_CHECKING:
    from tests.monitoring.live import Live, Window

NAMES = ("autoscaling", "fleet", "gpu", "model")
# Queries that return nothing here, and why: dashboard, panel and reference.
EMPTY: dict[tuple[str, str, str], str] = {}


def values(window: Window) -> dict[str, str]:
    """What a user chooses; of the custom variables, what is chosen at first."""
    chosen = {"datasource": "main", "gpu_namespace": "namespace", "gpu_pod": "pod"}
    return {**chosen, "namespace": window.namespace, "release": window.release, "model": window.model}


def test_every_recording_rule_yields_samples(running: Live) -> None:
    server, release = running.driver.scaling.prometheus, running.release
    names = {rule["name"] for rule in rules(server, release) if rule["type"] == "recording"}
    assert names

    scope = f'{{namespace="{release.namespace}",release="{release.name}",model="{MODEL}"}}'
    asked = {name: f"{name}{scope}" for name in names}
    assert grafana.without_data(server, asked, running.begin) == set()


def test_prometheus_runs_every_rule_without_an_error(running: Live) -> None:
    found = rules(running.driver.scaling.prometheus, running.release)
    assert {rule["name"]: rule.get("lastError") for rule in found if rule["health"] != "ok"} == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_of_a_dashboard_offer_the_release(running: Live, name: str) -> None:
    window = running.window
    server = running.driver.scaling.prometheus
    chosen = values(window)
    offered = grafana.choices(server, window.dashboards[name], window.begin, window.end, chosen)
    assert offered.keys() >= {"namespace", "release"}
    assert {variable for variable, choice in offered.items() if chosen[variable] not in choice} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_a_dashboard_returns_data_or_has_its_reason(running: Live, name: str) -> None:
    window = running.window
    server = running.driver.scaling.prometheus
    found = grafana.queries(name, window.dashboards[name], values(window))
    asked = {query.name: query.asked for query in found}
    assert asked
    reasons = {query for query in EMPTY if query[0] == name}
    assert reasons <= asked.keys()
    assert grafana.without_data(server, asked, window.begin, but=reasons) == reasons


def test_all_dashboards_are_looked_at(window: Window) -> None:
    assert set(window.dashboards) == set(NAMES)
