"""One description, three scalers: what they measure, how fast they go, and that nothing else decides the replicas."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.render.test_notes import advice, notes

from valuegen import Gpu, Model, plan
from valuegen.autoscaling import Scaler
from valuegen.values import render
from valuegen.variants import variants_of

if TYPE_CHECKING:
    from charttest.checks import Manifest
    from charttest.plugin import Chart
    from charttest.render import Rendered
    from valuegen.autoscaling import Mode

    from .conftest import RenderModel

ADDRESS = "http://prometheus:9090"
SCALING: dict[str, Any] = {"scaling": {"prometheus": {"serverAddress": ADDRESS}}}
METRICS = {
    "waitingRequests": 5,
    "runningRequests": 50,
    "kvCacheUsage": 0.8,
    "timeToFirstTokenSeconds": 1.5,
    "gpuUtilization": 90,
}
CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 7 * * *", "end": "0 9 * * *", "desiredReplicas": 1},
}
MODES: dict[str, dict[str, Any]] = {
    "hpa": {"mode": "hpa", "metrics": METRICS},
    "keda": {"mode": "keda", "metrics": METRICS},
    "wva with keda": {"mode": "wva"},
    "wva with hpa": {"mode": "wva", "actuator": "hpa"},
}
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def scaler(rendered: Rendered) -> Manifest:
    """The only scaler of a render."""
    (found,) = [item for kind in SCALERS for item in rendered.find(kind)]
    return found


def keda(render_model: RenderModel, body: dict[str, Any] | None = None, **autoscaling: Any) -> dict[str, Any]:
    """The spec of the ScaledObject of one model."""
    values = {
        "autoscaling": {"mode": "keda", "metrics": {"waitingRequests": 5}, **autoscaling},
        **(body or {}),
    }
    return render_model(values, SCALING).one("ScaledObject").spec


def queries(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked of Prometheus, by the name of the trigger."""
    triggers = [trigger for trigger in spec["triggers"] if trigger["type"] == "prometheus"]
    return {trigger["name"]: trigger["metadata"]["query"] for trigger in triggers}


# Who owns the replicas


@pytest.mark.parametrize("mode", MODES)
def test_a_scaler_owns_the_replicas_and_points_at_the_workload(render_model: RenderModel, mode: str) -> None:
    rendered = render_model({"autoscaling": MODES[mode]}, SCALING)
    assert "replicas" not in rendered.one("Deployment").spec
    target = scaler(rendered).spec["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "r-m"}


def test_without_a_scaler_nothing_of_it_is_rendered(render_model: RenderModel) -> None:
    metrics = {"autoscaling": {"metrics": METRICS, "maxReplicas": 9}}
    assert render_model(metrics, SCALING).objects == render_model().objects


@pytest.mark.parametrize("mode", MODES)
def test_turning_a_scaler_on_changes_no_pod_but_for_the_label_that_wva_needs(
    render_model: RenderModel, mode: str
) -> None:
    before = render_model().one("Deployment").spec
    after = render_model({"autoscaling": MODES[mode]}, SCALING).one("Deployment").spec
    labels = after["template"]["metadata"]["labels"]
    assert labels.pop("llm-d.ai/variant", None) == ("r-m" if mode.startswith("wva") else None)
    assert after["template"] == before["template"]
    assert after["selector"] == before["selector"]


def test_every_variant_has_a_scaler_of_its_own(render_model: RenderModel) -> None:
    body = {"autoscaling": {"mode": "wva"}, "variants": {"b": {}, "c": {"autoscaling": {"mode": "none"}}}}
    rendered = render_model(body, SCALING)
    assert {item.spec["scaleTargetRef"]["name"] for item in rendered.find("ScaledObject")} == {"r-m", "r-m-b"}
    assert rendered.one("Deployment", "r-m-c").spec["replicas"] == 1


@pytest.mark.parametrize(
    ("limits", "budget"), [({"maxReplicas": 1}, False), ({"maxReplicas": 2}, True)], ids=str
)
def test_a_disruption_budget_follows_the_most_pods(
    render_model: RenderModel, limits: dict[str, int], budget: bool
) -> None:
    rendered = render_model({"autoscaling": {**MODES["hpa"], **limits}})
    assert bool(rendered.find("PodDisruptionBudget")) == budget


def test_zero_and_null_are_not_the_defaults(render_model: RenderModel) -> None:
    spec = keda(render_model, minReplicas=0, triggers=[CRON], cooldownSeconds=0, fallback=None)
    assert (spec["minReplicaCount"], spec["cooldownPeriod"]) == (0, 0)
    assert "fallback" not in spec
    spec = keda(render_model, minReplicas=None, maxReplicas=None)
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 4)


# What is measured


def test_every_query_is_a_total_of_this_workload_by_what_the_engine_exports(
    chart: Chart, render_model: RenderModel
) -> None:
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())["metrics"]
    asked = queries(keda(render_model, metrics=METRICS, minReplicas=2))
    assert len(asked) == len(METRICS)
    for name, query in asked.items():
        selectors = re.findall(r"([A-Za-z_][\w:]*)\{([^}]*\{[^}]*\}[^}]*\{[^}]*\}[^}]*)\}", query)
        assert selectors, query
        for series, selector in selectors:
            labels = dict(re.findall(r'(\w+)=~?"([^"]*)"', selector))
            assert labels["namespace"] == "default"
            assert labels["pod"].startswith("r-m-")
            if series.startswith("vllm:"):
                assert re.sub(r"_bucket$", "", series) in engine["exported"].split()
                assert set(labels) == {"namespace", "model_name", "pod"}
        # Aggregated away: one series without labels is left.
        assert re.match(r"sum\(|\(histogram_quantile\(", query), name


def test_a_latency_is_not_summed_over_the_pods(render_model: RenderModel) -> None:
    (query,) = queries(
        keda(render_model, metrics={"waitingRequests": None, "timeToFirstTokenSeconds": 2})
    ).values()
    assert query.startswith(
        "(histogram_quantile(0.95, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket{"
    )
    pods = re.escape("count(count by (pod) (vllm:num_requests_running{")
    assert re.search(rf">= 0\) \* {pods}.* or 0 \* {pods}", query)


def test_metrics_of_an_hpa_are_averages_by_the_names_of_the_documented_adapter_rules(
    chart: Chart, render_model: RenderModel
) -> None:
    spec = scaler(render_model({"autoscaling": MODES["hpa"]})).spec
    names = {metric["pods"]["metric"]["name"] for metric in spec["metrics"]}
    text = (chart.path.parents[1] / "docs/scaling.md").read_text()
    rules = yaml.safe_load(re.search(r"```yaml\n(# prometheus-adapter.*?)```", text, re.S)[1])  # type: ignore[index]
    assert {rule["name"]["as"] for rule in rules["rules"]["custom"]} == names
    assert {metric["pods"]["target"]["type"] for metric in spec["metrics"]} == {"AverageValue"}


MODEL = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)
# Of a template hash and of the end of a pod's name.
ENDING = st.text("bcdfghjklmnpqrstvwxz2456789", min_size=10, max_size=10)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    release=st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True),
    models=st.lists(MODEL, min_size=1, max_size=3, unique=True),
    variant=MODEL.filter(lambda name: name != "main"),
    ending=ENDING,
)
def test_a_query_counts_the_pods_of_its_workload_and_of_no_other(
    chart: Chart, release: str, models: list[str], variant: str, ending: str
) -> None:
    body = {
        "source": {"uri": "hf://org/model"},
        "autoscaling": {"mode": "keda", "metrics": {"waitingRequests": 5}},
        "variants": {variant: {}},
    }
    rendered = chart.render({"models": dict.fromkeys(models, body), **SCALING}, release=release)
    # As the ReplicaSet controller names them: what is before the last five is cut at 58.
    pods = {item.name: f"{item.name}-{ending[:9]}-"[:58] + ending[5:] for item in rendered.find("Deployment")}
    for item in rendered.find("ScaledObject"):
        assert len(item.name) <= 54
        (query,) = queries(item.spec).values()
        pattern = re.search(r'pod=~"([^"]*)"', query)[1]  # type: ignore[index]
        matching = {workload for workload, pod in pods.items() if re.fullmatch(pattern, pod)}
        assert matching == {item.spec["scaleTargetRef"]["name"]}


def test_gpus_are_found_by_the_labels_that_the_exporter_keeps(render_model: RenderModel) -> None:
    labels = {"namespace": "exported_namespace", "pod": "exported_pod"}
    body = {"autoscaling": {"mode": "keda", "metrics": {"gpuUtilization": 90}}}
    spec = (
        render_model(body, {"scaling": {**SCALING["scaling"], "gpuLabels": labels}}).one("ScaledObject").spec
    )
    (query,) = queries(spec).values()
    assert query.startswith(
        'sum(avg by (exported_pod) (DCGM_FI_DEV_GPU_UTIL{exported_namespace="default",exported_pod=~"'
    )


# A series that is missing


@pytest.mark.parametrize(("least", "quiet"), [(0, "true"), (1, "false"), (3, "false")])
def test_a_missing_series_means_nothing_to_do_only_where_no_pods_are_normal(
    render_model: RenderModel, least: int, quiet: str
) -> None:
    spec = keda(render_model, minReplicas=least, triggers=[CRON])
    assert [t["metadata"].get("ignoreNullValues") for t in spec["triggers"]] == [quiet, None]
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": max(1, least),
        "behavior": "currentReplicas",
    }


def test_there_is_no_fallback_where_keda_has_none(render_model: RenderModel) -> None:
    body = {
        "accelerator": {"resource": ""},
        "resources": {"requests": {"cpu": "4"}},
        "autoscaling": {"mode": "keda", "triggers": [{"type": "cpu", "metadata": {"value": 80}}]},
    }
    spec = render_model(body).one("ScaledObject").spec
    assert "fallback" not in spec
    assert spec["triggers"] == [{"type": "cpu", "metadata": {"value": "80"}}]


# How fast it goes


@pytest.mark.parametrize(
    ("budget", "window"), [(120, 300), (600, 600), (1800, 1800), (7200, 3600), (None, 300)]
)
@pytest.mark.parametrize("mode", MODES)
def test_no_pod_goes_before_it_could_have_answered(
    render_model: RenderModel, mode: str, budget: int | None, window: int
) -> None:
    body = {
        "autoscaling": MODES[mode],
        "startup": {"budgetSeconds": budget},
        "shutdown": {"drainSeconds": 300},
    }
    spec = scaler(render_model(body, SCALING)).spec
    behavior = spec.get("behavior") or spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {
        "scaleDown": {
            "stabilizationWindowSeconds": window,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 345}],
        }
    }


def test_a_behavior_of_ones_own_keeps_what_it_does_not_set(render_model: RenderModel) -> None:
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": {"stabilizationWindowSeconds": 0}}
    spec = scaler(render_model({"autoscaling": {**MODES["hpa"], "behavior": behavior}})).spec
    assert spec["behavior"]["scaleUp"] == {"stabilizationWindowSeconds": 60}
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 0
    assert spec["behavior"]["scaleDown"]["policies"]


def test_what_concerns_only_zero_is_left_out_above_it(render_model: RenderModel) -> None:
    spec = keda(render_model, {"startup": {"budgetSeconds": 1200}}, cooldownSeconds=60, pollingSeconds=5)
    assert {"cooldownPeriod", "pollingInterval"}.isdisjoint(spec)
    spec = keda(
        render_model, {"startup": {"budgetSeconds": 1200}}, minReplicas=0, triggers=[CRON], pollingSeconds=5
    )
    assert (spec["cooldownPeriod"], spec["pollingInterval"]) == (1200, 5)


# KEDA's triggers and sign-in


def test_a_trigger_is_passed_on_with_its_values_as_text(render_model: RenderModel) -> None:
    kafka = {
        "type": "kafka",
        "name": "prompts",
        "metadata": {"bootstrapServers": "k:9092", "consumerGroup": "g", "lagThreshold": 1000000, "x": True},
        "authenticationRef": {"name": "kafka", "kind": "ClusterTriggerAuthentication"},
    }
    spec = keda(render_model, triggers=[kafka])
    metadata = {"bootstrapServers": "k:9092", "consumerGroup": "g", "lagThreshold": "1000000", "x": "true"}
    assert spec["triggers"][-1] == {**kafka, "metadata": metadata}


def test_every_question_to_prometheus_has_its_address_and_sign_in(render_model: RenderModel) -> None:
    own = {"type": "prometheus", "metadata": {"query": 'sum(queue{namespace="a"})', "threshold": 3}}
    other = {"type": "prometheus", "metadata": {**own["metadata"], "serverAddress": "http://b"}}  # type: ignore[dict-item]
    root = {
        "scaling": {
            "prometheus": {
                "serverAddress": ADDRESS,
                "authModes": ["bearer", "tls"],
                "authenticationRef": {"name": "thanos"},
                "metadata": {"customHeaders": "X-Scope-OrgID=team"},
            },
            "authentications": {
                "thanos": {"secretTargetRef": [{"parameter": "bearerToken", "name": "s", "key": "t"}]}
            },
        }
    }
    body = {"autoscaling": {"mode": "keda", "metrics": {"waitingRequests": 5}, "triggers": [own, other]}}
    rendered = render_model(body, root, external=["Secret/s"])
    asked = rendered.one("ScaledObject").spec["triggers"]
    for trigger in asked[:2]:
        assert trigger["authenticationRef"] == {"name": "r-thanos"}
        assert trigger["metadata"]["authModes"] == "bearer,tls"
        assert trigger["metadata"]["customHeaders"] == "X-Scope-OrgID=team"
        assert trigger["metadata"]["serverAddress"] == ADDRESS
    assert asked[2]["metadata"] == {
        "query": 'sum(queue{namespace="a"})',
        "threshold": "3",
        "serverAddress": "http://b",
    }
    assert rendered.one("TriggerAuthentication").name == "r-thanos"


def test_a_release_without_keda_needs_none_of_its_kinds(render_model: RenderModel) -> None:
    root = {"scaling": {**SCALING["scaling"], "authentications": {"a": {}}}}
    rendered = render_model({"autoscaling": MODES["hpa"]}, root)
    assert not rendered.find("TriggerAuthentication")


ANNOTATIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"mode": "keda", "paused": True}, {"autoscaling.keda.sh/paused": "true"}),
    ({"mode": "keda", "paused": 0}, {"autoscaling.keda.sh/paused-replicas": "0"}),
    ({"mode": "keda", "paused": 3}, {"autoscaling.keda.sh/paused-replicas": "3"}),
    ({"mode": "keda", "paused": False}, {}),
    ({"mode": "keda", "annotations": {"a/b": "c"}}, {"a/b": "c"}),
    ({"mode": "keda", "takeOver": "old"}, {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}),
    ({"mode": "hpa", "handover": True}, {"validations.keda.sh/hpa-ownership": "false"}),
    ({"mode": "hpa"}, {}),
]


@pytest.mark.parametrize(("autoscaling", "annotations"), ANNOTATIONS, ids=str)
def test_pausing_and_handing_over_are_annotations_of_the_scaler(
    render_model: RenderModel, autoscaling: dict[str, Any], annotations: dict[str, str]
) -> None:
    rendered = render_model({"autoscaling": {"metrics": {"waitingRequests": 5}, **autoscaling}}, SCALING)
    assert scaler(rendered)["metadata"].get("annotations", {}) == annotations


def test_keda_takes_over_an_hpa_by_its_name(render_model: RenderModel) -> None:
    assert keda(render_model, takeOver="old")["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "old"


# The Workload Variant Autoscaler


@pytest.mark.parametrize("actuator", ["keda", "hpa"])
def test_wva_finds_model_cost_and_pods_of_every_variant(chart: Chart, actuator: str) -> None:
    long = "m" * 60
    body = {
        "source": {"uri": "hf://org/model"},
        "servedNames": ["org/model", "alias"],
        "accelerator": {"product": "NVIDIA-L40S"},
        "cost": "4.10",
        "autoscaling": {"mode": "wva", "actuator": actuator},
        "variants": {"cheap": {"cost": "1.20", "accelerator": {"product": "NVIDIA-L4"}}},
    }
    rendered = chart.render({"models": {long: body}, **SCALING})
    found = [item for kind in SCALERS for item in rendered.find(kind)]
    assert len(found) == 2
    for item, cost, product in zip(found, ("4.10", "1.20"), ("NVIDIA-L40S", "NVIDIA-L4"), strict=True):
        assert item["metadata"]["annotations"] == {
            "llm-d.ai/managed": "true",
            "llm-d.ai/model-id": "org/model",
            "llm-d.ai/variant-cost": cost,
        }
        template = rendered.one("Deployment", item.spec["scaleTargetRef"]["name"]).spec["template"]
        # WVA calls a variant by the name of its scaler, and maps pods to it by this label.
        assert template["metadata"]["labels"]["llm-d.ai/variant"] == item.name
        assert template["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": product}
        assert "--served-model-name" in template["spec"]["containers"][0]["args"]
    names = [item.name for item in found]
    assert all(first != second for first, second in pairwise(names))


def test_what_wva_decides_is_carried_out_as_it_is(render_model: RenderModel) -> None:
    (trigger,) = (
        render_model({"autoscaling": MODES["wva with keda"]}, SCALING).one("ScaledObject").spec["triggers"]
    )
    assert trigger["metricType"] == "AverageValue"
    assert (trigger["metadata"]["threshold"], trigger["metadata"]["ignoreNullValues"]) == ("1", "false")
    # Whichever way the controller is scraped, and one value where several series name the variant.
    assert trigger["metadata"]["query"] == (
        'max(wva_desired_replicas{variant_name="r-m",exported_namespace="default"} or'
        ' wva_desired_replicas{variant_name="r-m",namespace="default",exported_namespace=""})'
    )
    (metric,) = scaler(render_model({"autoscaling": MODES["wva with hpa"]})).spec["metrics"]
    assert metric["external"] == {
        "metric": {
            "name": "wva_desired_replicas",
            "selector": {"matchLabels": {"variant_name": "r-m", "exported_namespace": "default"}},
        },
        "target": {"type": "AverageValue", "averageValue": "1"},
    }


@pytest.mark.parametrize("mode", ["hpa", "keda", "wva"])
def test_variants_that_valuegen_writes_have_a_scaler_each(chart: Chart, mode: Mode) -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S"), Gpu.find("H100")])
    main, *others = variants_of(made)
    rendered = chart.render(render(made, main, variants=others, scaler=Scaler(mode)).data)
    scalers = rendered.find("HorizontalPodAutoscaler" if mode == "hpa" else "ScaledObject")
    assert len(scalers) == 1 + len(others)
    assert {item.spec["scaleTargetRef"]["name"] for item in scalers} == {
        workload.name for workload in rendered.find("Deployment")
    }
    assert all("replicas" not in workload.spec for workload in rendered.find("Deployment"))


@pytest.mark.parametrize("mode", ["hpa", "keda", "wva"])
def test_what_valuegen_writes_is_rendered_as_it_is(chart: Chart, mode: Mode) -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S")])
    document = render(made, made.ranked[0], scaler=Scaler(mode, 2, 5))
    spec = scaler(chart.render(document.data)).spec
    assert {
        spec.get("minReplicas", spec.get("minReplicaCount")),
        spec.get("maxReplicas", spec.get("maxReplicaCount")),
    } == {2, 5}


# What the notes say

KNOWN: dict[str, dict[str, Any]] = {
    "set minReplicas and maxReplicas to their present number": MODES["hpa"],
    "only an InferencePool with flow control wakes a model": {"mode": "wva", "minReplicas": 0},
    "One replica only: m.": MODES["hpa"],
    "while it has no pods, its Service refuses every connection until one is ready (900 s at most)": {
        "mode": "keda",
        "minReplicas": 0,
        "triggers": [CRON],
    },
}


@pytest.mark.parametrize("words", KNOWN)
def test_what_should_be_known_of_a_scaler_is_told(chart: Chart, words: str) -> None:
    assert words in advice(chart, {"autoscaling": KNOWN[words]}, **SCALING)


def test_the_notes_tell_how_many_pods_there_can_be(chart: Chart) -> None:
    model = {"source": {"uri": "hf://org/model"}, "autoscaling": MODES["wva with keda"]}
    told = notes(chart, {"models": {"m": model}, **SCALING})
    assert "deployment/r-m: 1 to 4 replica(s)" in told
    assert (
        'without accelerator.product the Workload Variant Autoscaler calls its accelerator "unresolved"'
        in told
    )
