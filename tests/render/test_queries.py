"""What the chart asks Prometheus for: the check `queries` reads each query; here is what it cannot know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from charttest.checks import Manifests
from charttest.checks.queries import queries
from charttest.exporters import exporters
from charttest.lint import Scenario
from charttest.promql import World, read
from valuegen.checks.scaling_target import LARGEST_BUCKET

if TYPE_CHECKING:
    from charttest.checks.model import Manifest
    from charttest.plugin import Chart

# Of programs without a table, each with where it comes from: the check takes such a name for right.
DEVICE = "ECC_DBE_VOL_TOTAL FB_FREE FB_USED GPU_TEMP GPU_UTIL POWER_USAGE ROW_REMAP_FAILURE SM_CLOCK"
DEVICE += " UNCORRECTABLE_REMAPPED_ROWS XID_ERRORS"
SCALER = (
    "spec_max_replicas spec_min_replicas status_condition status_current_replicas status_desired_replicas"
)
OTHERS = {
    "Prometheus itself": ["up"],
    "dcgm-exporter, default counters": [f"DCGM_FI_DEV_{name}" for name in DEVICE.split()],
    "Workload Variant Autoscaler 0.9": ["wva_desired_replicas"],
    "Triton": ["nv_inference_pending_request_count"],
    "SGLang": ["sglang:num_queue_reqs", "sglang:num_running_reqs", "sglang:token_usage"],
    "Text Generation Inference": ["tgi_batch_current_size", "tgi_queue_size"],
    "KEDA 2.21": ["keda_scaled_object_errors_total", "keda_scaler_metrics_value"],
    "kube-state-metrics": [
        "kube_deployment_spec_replicas",
        "kube_deployment_status_replicas_available",
        "kube_pod_container_status_restarts_total",
        "kube_statefulset_replicas",
        "kube_statefulset_status_replicas_ready",
        *(f"kube_horizontalpodautoscaler_{name}" for name in SCALER.split()),
    ],
}


def recorded(rules: Manifest) -> list[dict[str, Any]]:
    """The rules that record what others ask for."""
    return [rule for group in rules.spec["groups"] for rule in group["rules"] if "record" in rule]


@pytest.mark.parametrize("name", ["keda", "keda-scale-to-zero", "monitoring", "wva"])
def test_a_scenario_asks_for_known_metrics_only(chart: Chart, name: str) -> None:
    path = chart.path / "ci" / f"{name}-values.yaml"
    rendered = chart.render(path, external=Scenario.of(path).external)
    asked = list(queries(Manifests(rendered.objects)))
    assert asked
    known = {series for each in exporters() for series in (*each.series, *each.shared_series)}
    known |= {series for others in OTHERS.values() for series in others}
    known |= {rule["record"] for rules in rendered.find("PrometheusRule") for rule in recorded(rules)}
    for query in asked:
        assert read(query.text, World(exporters())).names <= known, query.text


# A quantile is interpolated inside of a bucket: a threshold is best an edge of one. In docs/monitoring.md they are named
# by their sentence's parts.
HISTOGRAMS = {
    "timeToFirstTokenSeconds": ("timeToFirstToken", "for the first token"),
    "interTokenSeconds": ("interToken", "between tokens"),
    "requestSeconds": ("requestLatency", "for a whole answer and the queue"),
    "queueSeconds": ("queueTime", "for a whole answer and the queue"),
}


def edges(chart: Chart, series: str) -> set[float]:
    """The upper bounds of a histogram that vLLM's data file names."""
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())["metrics"]
    [vllm] = [each for each in exporters() if each.program == "vLLM"]
    return set(vllm.metrics[engine[series]].buckets or ())


@pytest.mark.parametrize("threshold", HISTOGRAMS)
def test_a_threshold_of_a_quantile_is_an_edge_of_the_engines_buckets(chart: Chart, threshold: str) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    series, words = HISTOGRAMS[threshold]
    default = values["monitoring"]["rules"]["thresholds"][threshold]
    assert default is None or default in edges(chart, series)
    text = " ".join((Path(__file__).parents[2] / "docs/monitoring.md").read_text().split())
    [listed] = re.findall(rf"((?:[\d.]+, )+[\d.]+) s {words}", text)
    named = {float(each) for each in listed.split(", ")}
    assert len(named) > 5
    assert named <= edges(chart, series)


def test_valuegen_knows_where_the_buckets_of_the_first_token_end(chart: Chart) -> None:
    assert max(edges(chart, "timeToFirstToken")) == LARGEST_BUCKET
