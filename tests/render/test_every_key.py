"""Every key of values.yaml changes what is rendered: none is left over from a feature that went or never came."""

from __future__ import annotations

import json
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from tests.render.routing_kinds import settings
from tests.render.test_values import default_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from charttest.plugin import Chart
    from charttest.render import Rendered

# Keys that render nothing, and why.
SILENT = {
    "global": "belongs to parent charts; it is there so that the strict schema accepts it",
    "defaults.custom.api": "is told by NOTES.txt, and decides whether a route may publish the model",
    "defaults.accelerator.count": "says again what parallelism says, and is refused where the two differ",
}


class Change(NamedTuple):
    """A key's other value, and the values that make the key matter; `root` are those beside the model's body.

    `also` are other keys that go with the other value only, and are refused beside the one in `base`.
    """

    other: Any
    base: Mapping[str, Any] = MappingProxyType({})
    root: dict[str, Any] | None = None
    also: Mapping[str, Any] = MappingProxyType({})


HF = "hf://org/model"
S3 = {"source": {"uri": "s3://bucket/model"}}
JOB = {"source": {"uri": HF, "download": "job", "job": {"claim": "models"}}}
CUSTOM = {"engine": "custom", "image": {"repository": "example.com/engine", "tag": "1"}}
LORA = {"lora": {"enabled": True}}
DRAFT = {"speculative": {"method": "draft_model", "model": "hf://org/draft", "numTokens": 2}}
MEMORY = {"resources": {"requests": {"memory": "64Gi"}, "limits": {"memory": "64Gi"}}}
NATIVE = {"kvOffload": {"backend": "native", "sizeGiB": 8}, **MEMORY}
TWO_NODES = {"parallelism": {"tensor": 2, "pipeline": 2, "nodes": 2}}
SPREAD = {"parallelism": {"data": 16, "nodes": 2, "expert": True}}
PREFILLS = {"role": "prefill", "variants": {"p": {"role": "prefill"}, "d": {"role": "decode"}}}
SPLIT = {"role": "decode", "variants": {"prefill": {"role": "prefill"}}}
SIDECAR = {**SPLIT, "disaggregation": {"sidecar": {"image": "example.com/sidecar:1"}}}
CLAIM = {"cache": {"type": "claim", "size": "10Gi"}}
PER_REPLICA = {"cache": {"type": "perReplica", "size": "10Gi"}}
TRACED = {"tracing": {"enabled": True, "endpoint": "http://tempo:4317"}}
TWO = {"replicas": 2}
HPA = {"autoscaling": {"mode": "hpa", "metrics": {"waitingRequests": 5}}}
KEDA = {"autoscaling": {"mode": "keda", "metrics": {"waitingRequests": 5}}}
CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "1"},
}
ZERO = {
    "autoscaling": {
        "mode": "keda",
        "minReplicas": 0,
        "metrics": {"waitingRequests": 5},
        "triggers": [CRON],
    }
}
WVA = {"autoscaling": {"mode": "wva"}}
WVA_HPA = {"autoscaling": {"mode": "wva", "actuator": "hpa"}, "accelerator": {"product": "NVIDIA-L40S"}}
CLAIMS = {"storage": {"claims": {"models": {"size": "1Ti"}}}}
LOGS = {"extraVolumes": [{"name": "logs", "emptyDir": {}}]}
BEFORE = {"name": "before", "image": "i", "volumeMounts": [{"name": "logs", "mountPath": "/logs"}]}
CLOSED = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}

BODY: dict[str, Change] = {
    "enabled": Change(False),
    "engine": Change("sglang"),
    "custom.command": Change(["serve"], CUSTOM),
    "custom.port": Change(9000, CUSTOM),
    "custom.probePath": Change("/ready", CUSTOM),
    # Only `helm test`, one pod for all models, reads this.
    "custom.namesPath": Change("/v1/models", CUSTOM, {}),
    # So does the PodMonitor: it is one for all models.
    "custom.metricsPath": Change("/stats", CUSTOM, {"monitoring": {"podMonitor": {"enabled": True}}}),
    "image.repository": Change("example.com/vllm"),
    "image.tag": Change("v1"),
    "image.digest": Change("sha256:" + "a" * 64),
    "image.pullPolicy": Change("Always"),
    "image.pullSecrets": Change(["pull"]),
    "source.uri": Change("hf://org/other"),
    "source.revision": Change("v2"),
    "source.path": Change("model", {"source": {"uri": "oci://example.com/model:1"}}),
    "source.objectStorage.endpoint": Change("https://s3.example.com", S3),
    "source.objectStorage.region": Change("eu-central-1", S3),
    "source.objectStorage.existingSecret": Change("bucket", S3),
    "source.download": Change("job", also={"source.job.claim": "models"}),
    "source.job.claim": Change("mine", JOB),
    # A Job belongs to a claim, not to a model.
    "source.job.hook": Change(False, JOB, CLAIMS),
    "source.job.image": Change("example.com/python:3.13", JOB, CLAIMS),
    "source.job.exclude": Change(["*.bin"], JOB, CLAIMS),
    "source.job.resources": Change({"requests": {"cpu": "1"}}, JOB, CLAIMS),
    "source.job.nodeSelector": Change({"a": "b"}, JOB, CLAIMS),
    "source.job.tolerations": Change([{"operator": "Exists"}], JOB, CLAIMS),
    "servedNames": Change(["one", "two"]),
    "args": Change({"max-model-len": 8192}),
    "extraArgs": Change(["--seed=1"]),
    "env": Change({"A": "b"}),
    "accelerator.resource": Change("amd.com/gpu"),
    "accelerator.product": Change("NVIDIA-L40S"),
    "accelerator.productLabel": Change("example.com/gpu", {"accelerator": {"product": "NVIDIA-L40S"}}),
    "accelerator.claims": Change(
        [{"name": "gpus", "deviceClassName": "gpu.nvidia.com"}], {"accelerator": {"resource": ""}}
    ),
    "parallelism.tensor": Change(2),
    "parallelism.pipeline": Change(2),
    "parallelism.data": Change(2),
    "parallelism.expert": Change(True, {"parallelism": {"data": 2}}),
    "parallelism.nodes": Change(2, {"parallelism": {"tensor": 2, "pipeline": 2}}),
    "parallelism.balancing": Change("hybrid", SPREAD),
    "lora.enabled": Change(True),
    "lora.adapters": Change({"legal": {"uri": "hf://org/legal"}}, LORA),
    "lora.maxRank": Change(32, LORA),
    "lora.maxLoras": Change(2, LORA),
    "lora.maxCpuLoras": Change(4, LORA),
    "lora.dynamic": Change(True, LORA, {**CLOSED, "secrets": {"apiKey": {"existingSecret": "clients"}}}),
    "speculative.method": Change("eagle3", DRAFT),
    "speculative.model": Change("hf://org/other", DRAFT),
    "speculative.numTokens": Change(3, DRAFT),
    "speculative.config": Change({"draft_tensor_parallel_size": 1}, DRAFT),
    "kvOffload.backend": Change("lmcache", also={"kvOffload.server": "a:1"}),
    "kvOffload.sizeGiB": Change(16, NATIVE),
    "kvOffload.server": Change("b:1", {"kvOffload": {"backend": "lmcache", "server": "a:1"}}),
    "warmup.prompts": Change(["You are kind."]),
    "warmup.timeoutSeconds": Change(90, {"warmup": {"prompts": ["You are kind."]}}),
    "tracing.enabled": Change(True, also={"tracing.endpoint": "http://tempo:4317"}),
    "tracing.endpoint": Change("http://other:4317", TRACED),
    "tracing.protocol": Change(
        "http/protobuf", {"tracing": {"enabled": True, "endpoint": "http://tempo:4318/v1/traces"}}
    ),
    "tracing.sampling": Change(0.1, TRACED),
    "tracing.attributes": Change({"team": "a"}, TRACED),
    "tracing.detailed": Change(["worker"], TRACED),
    "logging.format": Change("json"),
    "logging.level": Change("DEBUG"),
    "logging.quietPaths": Change(["/health"]),
    "tls.existingSecret": Change("certificate"),
    "workload": Change("statefulset"),
    "role": Change("decode", PREFILLS),
    "disaggregation.connector": Change("NixlPullConnector", SPLIT),
    "disaggregation.loadFailurePolicy": Change("recompute", SPLIT),
    "disaggregation.sideChannelPort": Change(5700, SPLIT),
    "disaggregation.extraConfig": Change({"backends": ["UCX"]}, SPLIT),
    "disaggregation.sidecar.image": Change("example.com/sidecar:1", SPLIT),
    "disaggregation.sidecar.args": Change(["--port=8000", "--vllm-port=8200"], SIDECAR),
    "replicas": Change(2),
    "resources": Change({"requests": {"cpu": "4"}}),
    "sharedMemory.size": Change("4Gi"),
    "cache.type": Change("claim", {"cache": {"size": "10Gi"}}),
    # So does a claim: workloads may share it.
    "cache.size": Change("20Gi", CLAIM, {}),
    "cache.storageClassName": Change("fast", CLAIM, {}),
    "cache.accessModes": Change(["ReadWriteMany"], CLAIM, {}),
    "cache.claimName": Change("weights", CLAIM),
    "cache.retention.whenDeleted": Change("Delete", PER_REPLICA),
    "cache.retention.whenScaled": Change("Delete", PER_REPLICA),
    "cache.mountPath": Change("/data"),
    "startup.budgetSeconds": Change(1800),
    "shutdown.preStopSeconds": Change(30),
    "shutdown.drainSeconds": Change(300),
    "rollout.maxSurge": Change(1),
    "rollout.maxUnavailable": Change(2, TWO),
    "rollout.minReadySeconds": Change(5),
    "rollout.revisionHistoryLimit": Change(5),
    "rollout.restartedAt": Change("2026-11-20"),
    "disruption.enabled": Change(False, TWO),
    "disruption.minAvailable": Change(1, TWO),
    "disruption.maxUnavailable": Change("50%", TWO),
    "disruption.annotations": Change({"a": "b"}, TWO),
    "scheduling.nodeSelector": Change({"a": "b"}),
    "scheduling.tolerations": Change([{"key": "a", "operator": "Exists"}]),
    "scheduling.affinity": Change({"podAffinity": {}}),
    "scheduling.spread": Change("zone"),
    "scheduling.antiAffinity": Change("hostname"),
    "scheduling.spot.noticeSeconds": Change(150),
    "scheduling.topologySpreadConstraints": Change(
        [{"topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]
    ),
    "scheduling.priorityClassName": Change("high"),
    "scheduling.runtimeClassName": Change("nvidia"),
    "scheduling.schedulerName": Change("other"),
    "scheduling.exclusiveTopology": Change("rack", TWO_NODES),
    "service.type": Change("NodePort"),
    "service.port": Change(80),
    "service.annotations": Change({"a": "b"}),
    "service.labels": Change({"a": "b"}),
    "podAnnotations": Change({"a": "b"}),
    "podLabels": Change({"a": "b"}),
    "workloadAnnotations": Change({"a": "b"}),
    "workloadLabels": Change({"a": "b"}),
    "podSecurityContext": Change({"supplementalGroups": [2000]}),
    "securityContext": Change({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
    "extraVolumes": Change(
        [{"name": "logs", "emptyDir": {"sizeLimit": "1Gi"}}], {**LOGS, "initContainers": [BEFORE]}
    ),
    "extraVolumeMounts": Change(
        [{"name": "logs", "mountPath": "/logs"}], {**LOGS, "initContainers": [BEFORE]}
    ),
    "extraContainers": Change([{"name": "beside", "image": "i"}]),
    "initContainers": Change([{"name": "before", "image": "i"}]),
    "envFrom": Change([{"secretRef": {"name": "more"}}]),
    "podSpec": Change({"shareProcessNamespace": False}),
    "chatTemplate": Change("{{ messages }}"),
    "autoscaling.mode": Change("keda", HPA),
    "autoscaling.actuator": Change("hpa", WVA),
    "autoscaling.minReplicas": Change(2, KEDA),
    "autoscaling.maxReplicas": Change(8, KEDA),
    "autoscaling.metrics.waitingRequests": Change(6, KEDA),
    "autoscaling.metrics.runningRequests": Change(6, KEDA),
    "autoscaling.metrics.kvCacheUsage": Change(0.8, KEDA),
    "autoscaling.metrics.timeToFirstTokenSeconds": Change(2, KEDA),
    "autoscaling.metrics.gpuUtilization": Change(90, KEDA),
    "autoscaling.triggers": Change([CRON], KEDA),
    "autoscaling.behavior.scaleUp": Change({"stabilizationWindowSeconds": 5}, KEDA),
    "autoscaling.behavior.scaleDown": Change({"stabilizationWindowSeconds": 5}, KEDA),
    "autoscaling.pollingSeconds": Change(10, ZERO),
    "autoscaling.cooldownSeconds": Change(600, ZERO),
    "autoscaling.fallback.failureThreshold": Change(5, KEDA),
    "autoscaling.fallback.replicas": Change(2, KEDA),
    "autoscaling.fallback.behavior": Change("static", KEDA),
    "autoscaling.paused": Change(True, KEDA),
    "autoscaling.annotations": Change({"a": "b"}, KEDA),
    "autoscaling.handover": Change(True, HPA),
    "autoscaling.takeOver": Change("old", KEDA),
    "cost": Change("4", WVA),
}
# What the values beside it need: without it they are refused, or a mount has no volume.
NEEDED = {
    "accelerator.productLabel",
    "autoscaling.metrics.waitingRequests",
    "cache.size",
    "extraVolumes",
    "kvOffload.server",
    "kvOffload.sizeGiB",
    "role",
    "source.job.claim",
    "source.uri",
    "speculative.method",
    "speculative.model",
    "speculative.numTokens",
    "tracing.endpoint",
}
# What the models of the table refer to.
SHARED: dict[str, Any] = {
    "scaling": {"prometheus": {"serverAddress": "http://prometheus:9090"}},
    **CLAIMS,
}


def model(body: Mapping[str, Any]) -> dict[str, Any]:
    """Values with one model."""
    return {"models": {"m": {"source": {"uri": HF}, **body}}}


def route(kind: str, **more: Any) -> dict[str, Any]:
    """Values with a route of this kind, and a model that it leads to."""
    return {
        **model({}),
        "routing": settings(
            kind, **{"routes": {"public": {"hosts": ["h.example.com"], "models": {"m": {}}}}, **more}
        ),
    }


SIGN_IN = {"secretTargetRef": [{"parameter": "bearerToken", "name": "monitoring", "key": "token"}]}
SIGNED = {
    **model(KEDA),
    "scaling": {
        "prometheus": {
            "serverAddress": "http://a:9090",
            "authModes": ["bearer"],
            "authenticationRef": {"name": "old"},
        }
    },
}
POOL = route("inferencePool", inferencePool={"endpointPickers": {"m": "picker"}})
BUSY = {"metrics": {"gpuUtilization": 90}}
RATE = route("ingress/traefik", defaults={"rateLimit": {"requestsPerSecond": 10}})
TLS = route("ingress/traefik")
TOKEN = {
    **model({}),
    "secrets": {"huggingFace": {"existingSecret": "tokens"}, "apiKey": {"existingSecret": "clients"}},
}
POLICY = {**model({}), **CLOSED}


def monitored(body: Mapping[str, Any] = MappingProxyType({}), **monitor: Any) -> dict[str, Any]:
    """Values with a PodMonitor."""
    return {**model(body), "monitoring": {"podMonitor": {"enabled": True, **monitor}}}


SCRAPED = monitored()
SCRAPED_TLS = monitored({"tls": {"existingSecret": "certificate"}})


def alerting(
    rules: Mapping[str, Any] = MappingProxyType({}), body: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Values with a PrometheusRule, and the PodMonitor that sets the labels it reads."""
    monitoring = {"podMonitor": {"enabled": True}, "rules": {"enabled": True, **rules}}
    return {**model(body), "monitoring": monitoring}


RULED = alerting()
COLLECTOR = {
    "enabled": True,
    "image": "example.com/collector:1",
    "exporters": {"otlp": {"endpoint": "tempo:4317"}},
}
COLLECTED = {**model({}), "monitoring": {"collector": COLLECTOR}}
SHOWN = {**model({}), "monitoring": {"podMonitor": {"enabled": True}, "dashboards": {"enabled": True}}}
RELABELING = [{"targetLabel": "cluster", "replacement": "eu"}]

ROOT: dict[str, Change] = {
    "models": Change({"n": {"source": {"uri": HF}}}),
    "mesh": Change("istio", model({})),
    "scaling.prometheus.serverAddress": Change("http://b:9090", SIGNED),
    "scaling.prometheus.authModes": Change(["basic"], SIGNED),
    "scaling.prometheus.authenticationRef": Change({"name": "other"}, SIGNED),
    "scaling.prometheus.metadata": Change({"timeout": "5s"}, SIGNED),
    "scaling.authentications": Change({"new": SIGN_IN}, SIGNED),
    "scaling.gpuLabels.namespace": Change(
        "exported_namespace", {**SIGNED, **model({"autoscaling": {"mode": "keda", **BUSY}})}
    ),
    "scaling.gpuLabels.pod": Change(
        "exported_pod", {**SIGNED, **model({"autoscaling": {"mode": "keda", **BUSY}})}
    ),
    "scaling.wvaNamespaceLabel": Change("namespace", model(WVA_HPA)),
    "scaling.wvaApi": Change("variantautoscaling", model(WVA_HPA)),
    "scaling.wvaInstance": Change("gold", model(WVA_HPA)),
    "routing.kind": Change("istio", route("gateway")),
    "routing.gateway.parentRefs": Change([{"name": "other"}], route("gateway")),
    "routing.ingress.controller": Change("contour", route("ingress/nginx")),
    "routing.ingress.className": Change("public", route("ingress/nginx")),
    "routing.istio.gateways": Change(["a/b"], route("istio")),
    "routing.istio.loadBalancer": Change("ROUND_ROBIN", route("istio")),
    "routing.istio.hashHeader": Change("x-session-id", route("istio")),
    "routing.istio.outlierDetection": Change({"interval": "30s"}, route("istio")),
    "routing.istio.connectionPool": Change({"http": {"idleTimeout": "1h"}}, route("istio")),
    "routing.inferencePool.endpointPickers": Change({"m": "other"}, POOL),
    "routing.inferencePool.port": Change(9003, POOL),
    "routing.inferencePool.failureMode": Change("FailClose", POOL),
    "routing.inferencePool.tiers": Change({"chat": 10}, POOL),
    "routing.defaults.hosts": Change(
        ["h.example.com"], route("gateway", routes={"public": {"models": {"m": {}}}})
    ),
    "routing.defaults.annotations": Change({"a": "b"}, route("gateway")),
    "routing.defaults.timeouts.requestSeconds": Change(60, route("gateway")),
    "routing.defaults.timeouts.backendSeconds": Change(60, route("gateway")),
    "routing.defaults.timeouts.silenceSeconds": Change(60, route("ingress/nginx")),
    "routing.defaults.retries.attempts": Change(2, route("istio")),
    "routing.defaults.rateLimit.requestsPerSecond": Change(20, RATE),
    "routing.defaults.rateLimit.burst": Change(40, RATE),
    "routing.defaults.rateLimit.per": Change("host", RATE),
    "routing.defaults.tls.secretName": Change("certificate", TLS),
    "routing.defaults.tls.issuer": Change("ca", TLS),
    "routing.defaults.tls.clusterIssuer": Change("ca", TLS),
    "routing.defaults.maxBodyMebibytes": Change(64, route("ingress/nginx")),
    "routing.routes": Change({"more": {"hosts": ["i.example.com"], "models": {"m": {}}}}, route("gateway")),
    "storage.claims": Change({"models": {"size": "1Ti"}}, model({})),
    "secrets.huggingFace.existingSecret": Change("other", TOKEN),
    "secrets.huggingFace.key": Change("token", TOKEN),
    "secrets.huggingFace.token": Change("t", model({})),
    "secrets.apiKey.existingSecret": Change("other", TOKEN),
    "secrets.apiKey.key": Change("token", TOKEN),
    "secrets.apiKey.value": Change("v", model({})),
    "serviceAccount.create": Change(False, {**model({}), "serviceAccount": {"name": "engines"}}),
    "serviceAccount.name": Change("engines", model({})),
    "serviceAccount.annotations": Change({"a": "b"}, model({})),
    "networkPolicy.enabled": Change(False, POLICY),
    "networkPolicy.from": Change([{"namespaceSelector": {}}], POLICY),
    "networkPolicy.scrapeFrom": Change([{"namespaceSelector": {}}], POLICY),
    "networkPolicy.egress": Change([{"ports": [{"port": 4317}]}], POLICY),
    "networkPolicy.internet": Change(False, POLICY),
    "networkPolicy.annotations": Change({"a": "b"}, POLICY),
    "wva": Change({"enabled": True, "prometheus": {"url": "http://a:9090"}}, model({})),
    "monitoring.podMonitor.enabled": Change(False, SCRAPED),
    "monitoring.podMonitor.namespace": Change("monitoring", SCRAPED),
    "monitoring.podMonitor.labels": Change({"release": "prometheus"}, SCRAPED),
    "monitoring.podMonitor.annotations": Change({"a": "b"}, SCRAPED),
    "monitoring.podMonitor.interval": Change("30s", SCRAPED),
    "monitoring.podMonitor.scrapeTimeout": Change("5s", SCRAPED),
    "monitoring.podMonitor.tls.caKey": Change("ca.pem", SCRAPED_TLS),
    "monitoring.podMonitor.tls.serverName": Change("models.example.com", SCRAPED_TLS),
    "monitoring.podMonitor.tls.insecureSkipVerify": Change(True, SCRAPED_TLS),
    "monitoring.podMonitor.authorization": Change({"credentials": {"name": "clients", "key": "k"}}, SCRAPED),
    "monitoring.podMonitor.relabelings": Change(RELABELING, SCRAPED),
    "monitoring.podMonitor.metricRelabelings": Change(RELABELING, SCRAPED),
    "monitoring.scrapeAnnotations": Change(True, model({})),
    "monitoring.rules.enabled": Change(False, RULED),
    "monitoring.rules.namespace": Change("monitoring", RULED),
    "monitoring.rules.labels": Change({"release": "prometheus"}, RULED),
    "monitoring.rules.annotations": Change({"a": "b"}, RULED),
    "monitoring.rules.interval": Change("1m", RULED),
    "monitoring.rules.alertLabels": Change({"team": "a"}, RULED),
    "monitoring.rules.runbooks": Change("https://runbooks.example.com", RULED),
    "monitoring.rules.kubeStateMetrics": Change(False, RULED),
    "monitoring.rules.dcgm": Change(True, RULED),
    "monitoring.rules.for": Change({"VllmEngineDead": "5m"}, RULED),
    "monitoring.rules.minimumRequests": Change(100, RULED),
    "monitoring.rules.models": Change({"m": {"queueSeconds": 20}}, RULED),
    **{
        f"monitoring.rules.thresholds.{name}": Change(other, alerting({"dcgm": True}))
        for name, other in (
            ("availabilityPercent", 99.9),
            ("timeToFirstTokenSeconds", 1),
            ("interTokenSeconds", 0.1),
            ("requestSeconds", 120),
            ("queueSeconds", 20),
            ("kvCacheUsage", 0.9),
            ("preemptedShare", 0.2),
            ("abortedShare", 0.3),
            ("failedShare", 0.02),
            ("rejectedShare", 0.02),
            ("gpuCelsius", 80),
            ("gpuMemoryUsage", 0.99),
        )
    },
    "monitoring.dashboards.enabled": Change(False, SHOWN),
    "monitoring.dashboards.namespace": Change("monitoring", SHOWN),
    "monitoring.dashboards.labels": Change({"grafana_dashboard": "yes"}, SHOWN),
    "monitoring.dashboards.annotations": Change({"a": "b"}, SHOWN),
    "monitoring.collector.enabled": Change(False, COLLECTED),
    "monitoring.collector.image": Change("example.com/collector:2", COLLECTED),
    "monitoring.collector.pullSecrets": Change(["more"], COLLECTED),
    "monitoring.collector.replicas": Change(2, COLLECTED),
    "monitoring.collector.resources": Change({"requests": {"cpu": "1"}}, COLLECTED),
    "monitoring.collector.exporters": Change({"debug": {}}, COLLECTED),
    "monitoring.collector.envFrom": Change([{"secretRef": {"name": "more"}}], COLLECTED),
    "commonLabels": Change({"a": "b"}, model({})),
    "commonAnnotations": Change({"a": "b"}, model({})),
    "tests.enabled": Change(False, model({})),
    "tests.image": Change("python:3.13-slim", model({})),
    "extraObjects": Change([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}], model({})),
}
# What the values of both tables refer to, and no render makes.
EXTERNAL = {
    "PersistentVolumeClaim/mine",
    "Service/other",
    "Service/picker",
    "ServiceAccount/engines",
    "TriggerAuthentication/old",
    "TriggerAuthentication/other",
    *(
        f"Secret/{name}"
        for name in (
            "bucket",
            "certificate",
            "clients",
            "monitoring",
            "more",
            "other",
            "pull",
            "public-tls",
            "tokens",
        )
    ),
}


def put(values: Mapping[str, Any], key: str, other: Any) -> dict[str, Any]:
    """A copy of the values with another value at this dotted key."""
    copy = deepcopy(dict(values))
    *above, last = key.split(".")
    place = copy
    for name in above:
        place = place.setdefault(name, {})
    place[last] = other
    return copy


def leaves(values: dict[str, Any]) -> Iterator[str]:
    """The keys of values.yaml that hold a value, a list or a map that is the user's."""
    keys = list(default_keys(values))
    yield from (key for key in keys if not any(other.startswith(f"{key}.") for other in keys))


def text(rendered: Rendered, model: str | None = None) -> str:
    """All objects, or those of one model, in a form that can be compared."""
    own = (
        item
        for item in rendered.objects
        if model in (None, item["metadata"].get("labels", {}).get("vllm-stack.io/model"))
    )
    return json.dumps([dict(item) for item in own], sort_keys=True)


def test_every_key_has_an_entry_here(chart: Chart) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    entries = {*(f"defaults.{key}" for key in BODY), *ROOT, *SILENT}
    assert set(leaves(values)) == entries


def test_every_key_of_a_body_changes_the_objects_of_its_model(chart: Chart) -> None:
    together = {key: change for key, change in BODY.items() if change.root is None}
    names = {key: f"m{number}" for number, key in enumerate(together)}

    def bodies(*, changed: bool) -> Mapping[str, Any]:
        found = {}
        for key, change in together.items():
            body = {"source": {"uri": HF}, **change.base}
            for each, value in {key: change.other, **change.also}.items() if changed else ():
                body = put(body, each, value)
            found[names[key]] = body
        return {**SHARED, "tests": {"enabled": False}, "models": found}

    before, after = (chart.render(bodies(changed=changed), external=EXTERNAL) for changed in (False, True))
    assert [key for key, name in names.items() if text(before, name) == text(after, name)] == []


def test_null_unsets_every_key_of_a_body_that_is_not_needed(chart: Chart) -> None:
    bodies = {
        f"m{number}": put({"source": {"uri": HF}, **change.base}, key, None)
        for number, (key, change) in enumerate(BODY.items())
        if change.root is None and key not in NEEDED
    }
    values = {**SHARED, "tests": {"enabled": False}, "models": bodies}
    # Without a security context or replicas a pod is what the user asked for; all else stays valid.
    rendered = chart.render(values, external=EXTERNAL, ignore=["pod-security", "replicas"])
    assert rendered.find("Deployment")


@pytest.mark.parametrize("key", [key for key, change in BODY.items() if change.root is not None])
def test_a_key_that_needs_other_sections_changes_the_render(chart: Chart, key: str) -> None:
    change = BODY[key]
    values = {**model(change.base), **(change.root or {})}
    before = chart.render(values, external=EXTERNAL)
    assert text(before) != text(chart.render(put(values, f"models.m.{key}", change.other), external=EXTERNAL))


@pytest.fixture(scope="module")
def rendered_before() -> dict[str, str]:
    """What bases that several keys share rendered."""
    return {}


@pytest.mark.parametrize("key", ROOT)
def test_every_key_of_the_other_sections_changes_the_render(
    chart: Chart, rendered_before: dict[str, str], key: str
) -> None:
    change = ROOT[key]
    base = json.dumps(dict(change.base), sort_keys=True)
    if base not in rendered_before:
        rendered_before[base] = text(chart.render(dict(change.base), external=EXTERNAL))
    assert rendered_before[base] != text(chart.render(put(change.base, key, change.other), external=EXTERNAL))
