"""What the chart asks Prometheus for: the check `queries` reads each query; here is what it cannot know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charttest.checks import Manifests
from charttest.checks.queries import queries
from charttest.exporters import exporters
from charttest.lint import Scenario
from charttest.promql import World, read

if TYPE_CHECKING:
    from charttest.plugin import Chart

# Of programs without a table, each with where it comes from: the check takes such a name for right.
OTHERS = {
    "DCGM_FI_DEV_GPU_UTIL": "dcgm-exporter, default counters",
    "wva_desired_replicas": "Workload Variant Autoscaler 0.9",
    "nv_inference_pending_request_count": "Triton",
    "sglang:num_queue_reqs": "SGLang",
    "sglang:num_running_reqs": "SGLang",
    "sglang:token_usage": "SGLang",
    "tgi_batch_current_size": "Text Generation Inference",
    "tgi_queue_size": "Text Generation Inference",
}


@pytest.mark.parametrize("name", ["keda", "keda-scale-to-zero", "wva"])
def test_a_scenario_asks_for_known_metrics_only(chart: Chart, name: str) -> None:
    path = chart.path / "ci" / f"{name}-values.yaml"
    rendered = chart.render(path, external=Scenario.of(path).external)
    asked = list(queries(Manifests(rendered.objects)))
    assert asked
    known = {series for each in exporters() for series in (*each.series, *each.shared_series)}
    for query in asked:
        assert read(query.text, World(exporters())).names <= known | set(OTHERS), query.text
