"""What is replayed is what programs export, and goes as its table says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.monitoring.courses import AFTER, BEFORE, FAULT, IDLE, Course, Entry, table
from tests.monitoring.told import Told
from tests.render.test_queries import OTHERS

if TYPE_CHECKING:
    from charttest.cluster.api import Api

# Each line a name and its labels, as a running vLLM told them.
PAGE = Path(__file__).parents[1] / "charttest/vllm_page.txt"
KNOWN = {name for names in OTHERS.values() for name in names} | {"wva_optimization_duration_seconds_count"}
OBJECT = {"metadata": {"name": "x", "uid": "1"}}
LISTS: dict[str, dict[str, Any]] = {
    "deployments": {"spec": {"replicas": 2}, "status": {"availableReplicas": 1}},
    "horizontalpodautoscalers": {
        "spec": {"maxReplicas": 4},
        "status": {
            "currentReplicas": 1,
            "desiredReplicas": 2,
            "conditions": [{"type": "ScalingActive", "status": "False"}],
        },
    },
    "pods": {"status": {"containerStatuses": [{"name": "engine", "restartCount": 3}]}},
}


def recorded() -> dict[str, set[str]]:
    """The labels of every name on the page of a running vLLM."""
    lines = [line.split() for line in PAGE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: set(labels) for name, *labels in lines}


@pytest.mark.parametrize(
    "entry", table(), ids=lambda entry: f"{entry.name} {' '.join(entry.labels.values())}"
)
def test_a_replayed_series_is_one_that_is_exported(entry: Entry) -> None:
    if entry.of != "engine":
        assert entry.name in KNOWN
        return
    page = recorded()
    assert page[entry.name if not entry.edges else f"{entry.name}_count"] == set(entry.labels)


def test_the_objects_are_told_by_names_that_kube_state_metrics_has() -> None:
    def get(path: str) -> dict[str, Any]:
        return {"items": [{**OBJECT, **LISTS[path.partition("?")[0].rpartition("/")[2]]}]}

    page = Told(cast("Api", SimpleNamespace(get=get)), "llm").objects()
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    names = {line.partition("{")[0] for line in lines}
    assert names == {name for name in OTHERS["kube-state-metrics"] if "statefulset" not in name}
    hpa = 'namespace="llm",horizontalpodautoscaler="x"'
    assert f"kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}} 1" in lines
    for answer, value in (("true", 0), ("false", 1), ("unknown", 0)):
        told = f'{{{hpa},condition="ScalingActive",status="{answer}"}} {value}'
        assert f"kube_horizontalpodautoscaler_status_condition{told}" in lines


def of(name: str, **labels: str) -> Entry:
    (found,) = [each for each in table() if each.name == name and labels.items() <= each.labels.items()]
    return found


def numbers(course: Course, phase: str, now: float) -> list[float]:
    return [float(line.rpartition(" ")[2]) for line in course.lines({}, phase, now)]


def test_a_counter_stands_while_nobody_asks_and_never_falls() -> None:
    course = Course(of("http_requests_total", status="5xx"), 0)
    assert numbers(course, IDLE, 10) == [0]
    assert numbers(course, BEFORE, 20) == [0]
    assert numbers(course, FAULT, 30) == [200]
    assert numbers(course, AFTER, 40) == [200]


def test_a_histogram_counts_what_was_observed_up_to_each_edge() -> None:
    entry = of("vllm:time_to_first_token_seconds")
    course = Course(entry, 0)
    assert set(numbers(course, IDLE, 10)) == {0}
    *buckets, total, count = numbers(course, BEFORE, 20)
    assert (buckets, total, count) == ([0, *[200] * 10], 40, 200)
    *buckets, total, count = numbers(course, FAULT, 30)
    assert (buckets, total, count) == ([0, *[200] * 8, 400, 400], 3040, 400)


def test_what_is_absent_in_a_fault_is_back_after_it() -> None:
    course = Course(of("wva_desired_replicas"), 0)
    assert [numbers(course, phase, 0) for phase in (BEFORE, FAULT, AFTER)] == [[1], [], [1]]
