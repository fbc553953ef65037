"""Scaling that cannot work is refused with the key, the rule and what to set: all of it at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.helm import HelmError, helm

if TYPE_CHECKING:
    from charttest.plugin import Chart

SOURCE = {"source": {"uri": "hf://org/model"}}
ADDRESS = {"prometheus": {"serverAddress": "http://prometheus:9090"}}
WAITING = {"metrics": {"waitingRequests": 5}}
CPU_ONLY = {"accelerator": {"resource": ""}}


def keda(**autoscaling: Any) -> dict[str, Any]:
    return {"autoscaling": {"mode": "keda", **autoscaling}}


def trigger(kind: str, metadata: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return keda(triggers=[{"type": kind, "metadata": metadata or {}, **more}])


def asking(query: str) -> dict[str, Any]:
    return trigger("prometheus", {"query": query, "threshold": 1})


# What is wrong in the body of one model, and the line that says so after `models.<name>`.
BODIES: list[tuple[dict[str, Any], str]] = [
    (
        {**keda(**WAITING), "replicas": 2},
        "replicas: autoscaling.mode keda decides them; set null, and autoscaling.minReplicas",
    ),
    (
        keda(**WAITING, minReplicas=5),
        "autoscaling.minReplicas: 5 is more than maxReplicas, 4; lower it, or raise the other",
    ),
    (
        {"autoscaling": {"mode": "hpa", "minReplicas": 0, **WAITING}},
        "autoscaling.minReplicas: an HPA stops at 1 unless the cluster enables HPAScaleToZero; set 1, or let KEDA scale",
    ),
    (
        {"autoscaling": {"mode": "wva", "actuator": "hpa", "minReplicas": 0}},
        "autoscaling.minReplicas: an HPA stops at 1 unless the cluster enables HPAScaleToZero; set 1, or let KEDA scale",
    ),
    (
        keda(**WAITING, minReplicas=0),
        "autoscaling.minReplicas: a model without pods has no metrics that could wake it; set 1, or add a trigger that"
        " exists without pods, for example cron or a queue",
    ),
    (
        {
            "autoscaling": {
                "mode": "keda",
                "minReplicas": 0,
                "triggers": [
                    {
                        "type": "prometheus",
                        "metadata": {
                            "query": 'sum(vllm:num_requests_waiting{namespace="a"})',
                            "threshold": 1,
                        },
                    }
                ],
            }
        },
        "autoscaling.minReplicas: a model without pods has no metrics that could wake it; set 1, or add a trigger that"
        " exists without pods, for example cron or a queue",
    ),
    (
        keda(),
        "autoscaling.metrics: there is nothing to scale by; set a target, for example waitingRequests: 5",
    ),
    (
        {
            "autoscaling": {
                "mode": "hpa",
                **WAITING,
                "triggers": [{"type": "kubernetes-workload", "metadata": {}}],
            }
        },
        "autoscaling.triggers: only KEDA has triggers; set mode: keda, or remove them",
    ),
    (
        {"autoscaling": {"mode": "wva", **WAITING}},
        "autoscaling.metrics: mode wva decides by the controller's own analysis; remove metrics, or set mode: keda",
    ),
    (
        {"autoscaling": {"mode": "wva", "triggers": [{"type": "kubernetes-workload", "metadata": {}}]}},
        "autoscaling.triggers: mode wva decides by the controller's own analysis; remove triggers, or set mode: keda",
    ),
    (
        {"autoscaling": {"mode": "wva"}, "podLabels": {"llm-d.ai/variant": "x"}},
        "podLabels.llm-d.ai/variant: the chart sets it to the name of the scaler; remove it",
    ),
    (
        trigger("cpu", {"value": "80"}, metricType="Utilization"),
        "autoscaling.triggers.0: cpu says nothing about the load of a model on accelerators; set autoscaling.metrics",
    ),
    (
        trigger("memory", {"value": "80"}),
        "autoscaling.triggers.0: memory says nothing about the load of a model on accelerators; set"
        " autoscaling.metrics",
    ),
    (
        {**trigger("cpu", {"value": "80"}), **CPU_ONLY},
        "resources.requests.cpu: a trigger on cpu is a share of the request; set it",
    ),
    (
        trigger("kubernetes-workload", metricType="Value"),
        "autoscaling.triggers.0.metricType: Value multiplies by the pods that run, so it never comes to rest; set"
        " AverageValue",
    ),
    (
        trigger("kubernetes-workload", metricType="Utilization"),
        "autoscaling.triggers.0.metricType: Utilization is a share of a request, which only cpu and memory have; set"
        " AverageValue",
    ),
    (
        keda(**WAITING, triggers=[{"type": "etcd", "name": "waiting-requests", "metadata": {}}]),
        "autoscaling.triggers.0.name: waiting-requests is the name of another trigger; set another one",
    ),
    (
        trigger("cron", {"start": "0 7 * * *", "end": "0 19 * * *", "timezone": "Europe/Berlin"}),
        "autoscaling.triggers.0.metadata.desiredReplicas: a cron trigger needs it; set it",
    ),
    (
        trigger("rabbitmq", {"mode": "QueueLength"}),
        "autoscaling.triggers.0.metadata.queueName: a rabbitmq trigger needs it; set it",
    ),
    (
        asking("sum(vllm:num_requests_waiting)"),
        'autoscaling.triggers.0.metadata.query: it counts the pods of every namespace; add namespace="default"',
    ),
    (
        asking('vllm:num_requests_waiting{namespace="a"}'),
        "autoscaling.triggers.0.metadata.query: it gives one series per pod and KEDA takes only one; wrap it in sum(…)",
    ),
    (
        asking('max(vllm:gpu_cache_usage_perc{namespace="a"})'),
        "autoscaling.triggers.0.metadata.query: vllm/vllm-openai v0.33.0 exports no vllm:gpu_cache_usage_perc; see"
        " files/engines of the chart for what it does export",
    ),
    (
        asking('sum(vllm:num_requests_waiting{namespace="a",model="m"})'),
        "autoscaling.triggers.0.metadata.query: the engine labels its series with model_name; write that",
    ),
    (
        {**keda(metrics={"gpuUtilization": 80}), "accelerator": {"resource": "amd.com/gpu"}},
        "autoscaling.metrics.gpuUtilization: DCGM reports it for whole NVIDIA GPUs only; set null, and runningRequests"
        " or kvCacheUsage",
    ),
    (
        {**keda(metrics={"gpuUtilization": 80}), "accelerator": {"resource": "nvidia.com/mig-1g.10gb"}},
        "autoscaling.metrics.gpuUtilization: DCGM reports it for whole NVIDIA GPUs only; set null, and runningRequests"
        " or kvCacheUsage",
    ),
    (
        {**keda(**WAITING), "args": {"disable-log-stats": True}},
        "args.disable-log-stats: without them the engine exports no metric to scale by; set false",
    ),
    (
        {"autoscaling": {"mode": "wva"}, "args": {"disable-log-stats": True}},
        "args.disable-log-stats: without them the engine exports no metric to scale by; set false",
    ),
    (
        {"autoscaling": {"mode": "hpa", **WAITING, "paused": True}},
        "autoscaling.paused: an HPA cannot be paused; set minReplicas and maxReplicas to one number",
    ),
    (
        {"autoscaling": {"mode": "hpa", **WAITING, "takeOver": "old"}},
        "autoscaling.takeOver: only KEDA takes over an HPA; set mode: keda, or remove it",
    ),
    (
        keda(**WAITING, takeOver="r-NAME"),
        "autoscaling.takeOver: r-NAME is the HPA of this release, which Helm removes itself; set handover: true while"
        " mode is hpa, and remove takeOver",
    ),
    (
        {"variants": {"b": {**keda(**WAITING), "replicas": 2}}},
        "variants.b.replicas: autoscaling.mode keda decides them; set null, and autoscaling.minReplicas",
    ),
    (
        {
            "cache": {"type": "claim", "size": "40Gi"},
            **keda(**WAITING),
        },
        "cache.accessModes: 4 pods share the claim r-NAME-cache, which only one node can mount; set [ReadWriteMany], or"
        " type: emptyDir, or replicas: 1",
    ),
]
NAMED = [(f"m{number}", *case) for number, case in enumerate(BODIES)]


@pytest.fixture(scope="module", params=[3, 4], ids=["helm3", "helm4"])
def said(request: pytest.FixtureRequest, chart: Chart) -> list[str]:
    """What one render says about all of BODIES, each in a model of its own."""
    models = {
        name: json.loads(json.dumps({**SOURCE, **body}).replace("NAME", name)) for name, body, _ in NAMED
    }
    return refusal(chart, {"models": models, "scaling": ADDRESS}, request.param)


def refusal(chart: Chart, values: dict[str, Any], major: int = 4) -> list[str]:
    with pytest.raises(HelmError) as error:
        chart.render(values, helm=helm(major))
    return [line.strip() for line in error.value.output.splitlines()]


@pytest.mark.parametrize(("name", "_body", "line"), NAMED, ids=[json.dumps(case[1]) for case in NAMED])
def test_scaling_that_cannot_work_is_refused_with_key_rule_and_next_step(
    said: list[str], name: str, _body: dict[str, Any], line: str
) -> None:
    wanted = f"models.{name}.{line}".replace("NAME", name)
    assert [text for text in said if text.startswith(f"models.{name}.")] == [wanted]


def test_nothing_else_is_said_beside_the_refusals(said: list[str]) -> None:
    assert said[0] == "vllm-stack cannot render these values:"
    assert len(said) == 1 + len(BODIES)


SCALED = {"m": {**SOURCE, **keda(**WAITING)}}
OWN = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "mine"},
    "spec": {"scaleTargetRef": {"name": "r-m"}, "triggers": []},
}

# What is wrong beside the models, and everything that is said about it.
WHOLE: list[tuple[dict[str, Any], str]] = [
    (
        {"models": SCALED},
        "scaling.prometheus.serverAddress: models.m.autoscaling asks Prometheus; set its address, for example"
        " http://prometheus-operated.monitoring:9090",
    ),
    (
        {"models": {"m": {**SOURCE, "autoscaling": {"mode": "wva"}}}},
        "scaling.prometheus.serverAddress: models.m.autoscaling asks Prometheus; set its address, for example"
        " http://prometheus-operated.monitoring:9090",
    ),
    (
        {
            "models": SCALED,
            "scaling": {"prometheus": {**ADDRESS["prometheus"], "authenticationRef": {"name": "x"}}},
        },
        "scaling.prometheus.authModes: KEDA leaves authenticationRef unread without a mode; set [bearer], [basic],"
        " [tls] or [custom]",
    ),
    (
        {"models": SCALED, "scaling": {"prometheus": {**ADDRESS["prometheus"], "authModes": ["bearer"]}}},
        "scaling.prometheus.authenticationRef: authModes need one; set {name: …}, an entry of scaling.authentications"
        " or a TriggerAuthentication",
    ),
    (
        {"models": SCALED, "scaling": ADDRESS, "extraObjects": [OWN]},
        "extraObjects.0: it scales r-m, which models.m.autoscaling scales already; remove one of them",
    ),
]


@pytest.mark.parametrize(("values", "line"), WHOLE, ids=[case[1].partition(":")[0] for case in WHOLE])
def test_what_the_scalers_share_is_refused_once(chart: Chart, values: dict[str, Any], line: str) -> None:
    assert refusal(chart, values) == ["vllm-stack cannot render these values:", line]


# A target outside its range, and what the schema says at its path.
TARGETS: list[tuple[str, Any, str]] = [
    ("waitingRequests", 0, "exclusiveMinimum: got 0, want 0"),
    ("runningRequests", -1, "exclusiveMinimum: got -1, want 0"),
    ("kvCacheUsage", 1, "exclusiveMaximum: got 1, want 1"),
    ("kvCacheUsage", 80, "exclusiveMaximum: got 80, want 1"),
    ("gpuUtilization", 101, "maximum: got 101, want 100"),
    ("gpuUtilisation", 80, "additional properties 'gpuUtilisation' not allowed"),
]


def test_a_target_that_no_replica_can_have_is_refused_with_its_path(chart: Chart) -> None:
    models = {
        f"m{number}": {"autoscaling": {"metrics": {metric: value}}}
        for number, (metric, value, _) in enumerate(TARGETS)
    }
    text = refusal(chart, {"models": models})
    for number, (metric, _, message) in enumerate(TARGETS):
        at = f"at '/models/m{number}/autoscaling/metrics"
        assert [line for line in text if at in line and message in line], f"{metric} is not refused"
