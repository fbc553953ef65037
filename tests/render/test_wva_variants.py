"""vllm-stack with version 0.7 of the Workload Variant Autoscaler: a VariantAutoscaling for every variant it decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.render import wva
from tests.render.test_notes import advice

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.render import Rendered

ADDRESS = {"prometheus": {"serverAddress": "http://prometheus:9090"}}
OBJECTS = {"scaling": {"wvaApi": "variantautoscaling", **ADDRESS}}
H100, L40S = "NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S"
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
MODEL: dict[str, Any] = {
    "source": {"uri": "hf://Qwen/Qwen3-8B"},
    "servedNames": ["Qwen/Qwen3-8B", "qwen"],
    "accelerator": {"product": H100},
    "cost": "4.10",
    "autoscaling": {"mode": "wva", "minReplicas": 2, "maxReplicas": 3},
    "variants": {
        "l40s": {
            "accelerator": {"product": [L40S, "NVIDIA-L40"]},
            "cost": "1.20",
            "autoscaling": {"minReplicas": 0, "maxReplicas": 6},
        },
        "fixed": {"autoscaling": {"mode": "none"}},
    },
}


def stack(chart: Chart, actuator: str = "keda", **values: Any) -> Rendered:
    model = {**MODEL, "autoscaling": {**MODEL["autoscaling"], "actuator": actuator}}
    if actuator == "hpa":  # which stops at 1
        model["variants"] = {**MODEL["variants"], "l40s": {"autoscaling": {"minReplicas": 1}}}
    return chart.render({"models": {"m": model}, **OBJECTS, **values})


def test_every_scaled_variant_has_an_object_with_model_target_limits_cost_and_accelerator(
    chart: Chart,
) -> None:
    found = {item.name: item for item in stack(chart).find("VariantAutoscaling")}
    expected = {
        "r-m": (H100, "4.10", 2, 3),
        "r-m-l40s": (L40S, "1.20", 0, 6),
    }
    assert found.keys() == expected.keys()
    for name, (accelerator, cost, least, most) in expected.items():
        assert found[name].spec == {
            "modelID": "Qwen/Qwen3-8B",
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "variantCost": cost,
            "minReplicas": least,
            "maxReplicas": most,
        }
        labels = found[name]["metadata"]["labels"]
        assert labels["inference.optimization/acceleratorName"] == accelerator


@pytest.mark.parametrize("actuator", ["keda", "hpa"])
def test_the_scaler_follows_the_metric_of_the_object_with_its_name(chart: Chart, actuator: str) -> None:
    rendered = stack(chart, actuator)
    objects = {item.name: item.spec["scaleTargetRef"] for item in rendered.find("VariantAutoscaling")}
    scalers = [item for kind in SCALERS for item in rendered.find(kind)]
    assert {item.name: item.spec["scaleTargetRef"] for item in scalers} == objects
    for item in scalers:
        said = str(item.spec.get("triggers") or item.spec["metrics"])
        assert f'variant_name="{item.name}"' in said or f"'variant_name': '{item.name}'" in said
        # Version 0.7 reads neither annotations nor this label of the pods.
        assert not [key for key in item["metadata"].get("annotations", {}) if key.startswith("llm-d.ai/")]
    for deployment in rendered.find("Deployment"):
        assert "llm-d.ai/variant" not in deployment.spec["template"]["metadata"]["labels"]


def test_a_group_over_nodes_is_a_target_too(chart: Chart) -> None:
    body = {
        **MODEL,
        "variants": {},
        "parallelism": {"tensor": 2, "pipeline": 2, "nodes": 2},
    }
    rendered = chart.render({"models": {"m": body}, **OBJECTS})
    target = rendered.one("VariantAutoscaling").spec["scaleTargetRef"]
    assert target["kind"] == "LeaderWorkerSet"
    assert rendered.one("LeaderWorkerSet", target["name"])


def test_a_product_in_the_node_selector_names_the_accelerator(chart: Chart) -> None:
    body = {
        "source": {"uri": "hf://org/model"},
        "scheduling": {"nodeSelector": {"cloud.google.com/gke-accelerator": "nvidia-l4"}},
        "autoscaling": {"mode": "wva"},
    }
    item = chart.render({"models": {"m": body}, **OBJECTS}).one("VariantAutoscaling")
    assert "inference.optimization/acceleratorName" not in item["metadata"]["labels"]


def test_what_the_controller_of_the_release_reads_need_not_be_said_again(chart: Chart) -> None:
    controller = {"enabled": True, "controllerInstance": "gold", **wva.OLD}
    rendered = stack(chart, scaling=ADDRESS, wva=controller)
    for item in rendered.find("VariantAutoscaling"):
        assert item["metadata"]["labels"]["wva.llmd.ai/controller-instance"] == "gold"
    assert len(rendered.find("VariantAutoscaling")) == 2
    switched_off = stack(chart, scaling=ADDRESS, wva={**controller, "enabled": False})
    assert switched_off.find("VariantAutoscaling") == []
    assert not [item for item in switched_off.objects if "controller-instance" in str(item)]


def test_an_instance_is_a_label_of_the_scalers_that_version_0_9_reads(chart: Chart) -> None:
    rendered = stack(chart, scaling={"wvaInstance": "gold", **ADDRESS})
    assert rendered.find("VariantAutoscaling") == []
    scalers = rendered.find("ScaledObject")
    assert len(scalers) == 2
    for item in scalers:
        assert item["metadata"]["labels"]["wva.llmd.ai/controller-instance"] == "gold"
        assert item["metadata"]["annotations"]["llm-d.ai/managed"] == "true"


def test_without_the_controller_nothing_of_it_is_rendered(chart: Chart) -> None:
    plain = {"models": {"m": {"source": {"uri": "hf://org/model"}}}}
    off = chart.render({**plain, "wva": {"enabled": False, "prometheus": {"url": "http://p"}}})
    assert off.names() == chart.render(plain).names()


def test_the_advice_about_a_missing_accelerator_is_that_of_version_0_9(chart: Chart) -> None:
    body = {"autoscaling": {"mode": "wva"}}
    assert "unresolved" in advice(chart, {**body, "accelerator": {"product": ""}}, scaling=ADDRESS)
    assert "unresolved" not in advice(chart, body, **OBJECTS)
