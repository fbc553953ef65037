"""What the controller would refuse or ignore, and what it and the models do not agree about, is refused: all at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.render import wva

from charttest.helm import HelmError, helm

if TYPE_CHECKING:
    from charttest.plugin import Chart


def refusal(chart: Chart, values: dict[str, Any], major: int = 4) -> list[str]:
    with pytest.raises(HelmError) as error:
        chart.render(values, helm=helm(major))
    return [line.strip() for line in error.value.output.splitlines()]


def quota(**more: Any) -> dict[str, Any]:
    return {"type": "quota", "name": "a", "scope": "cluster", "quotas": {"H100": 8}, **more}


def limited(*limiters: dict[str, Any]) -> dict[str, Any]:
    return {**wva.HTTP, "saturation": {"enableLimiter": True, "limiters": list(limiters)}}


def http(**prometheus: Any) -> dict[str, Any]:
    return {"prometheus": {"url": "http://prometheus:9090", **prometheus}}


def https(**prometheus: Any) -> dict[str, Any]:
    return {"prometheus": {"url": "https://prometheus:9090", **prometheus}}


def thresholds(**saturation: Any) -> dict[str, Any]:
    return {**wva.HTTP, "saturation": saturation}


ON_HTTP = "the controller ends with it on an http:// address; remove it, or set an https:// url"
NOT_READ = "version 0.7 does not read it; remove it, or set api: annotations"

# Values of charts/wva that are wrong, and everything that is said about them.
CONTROLLER: list[tuple[dict[str, Any], str]] = [
    (
        {},
        "prometheus.url: the controller ends without it; set it, for example https://prometheus-operated.monitoring:9090",
    ),
    (
        {"prometheus": {"url": "https://me:secret@prometheus"}},
        "prometheus.url: the controller takes no user name or password in it; remove them, and set tokenSecret",
    ),
    (
        http(allowHTTP=False),
        "prometheus.url: http:// is not allowed; set an https:// address, or allowHTTP: true",
    ),
    (http(caSecret={"name": "a"}), f"prometheus.caSecret: {ON_HTTP}"),
    (http(caConfigMap={"name": "a"}), f"prometheus.caConfigMap: {ON_HTTP}"),
    (http(tokenSecret={"name": "a"}), f"prometheus.tokenSecret: {ON_HTTP}"),
    (http(serviceAccountToken=True), f"prometheus.serviceAccountToken: {ON_HTTP}"),
    (http(clientSecret="a"), f"prometheus.clientSecret: {ON_HTTP}"),
    (http(serverName="a"), f"prometheus.serverName: {ON_HTTP}"),
    (http(insecureSkipVerify=True), f"prometheus.insecureSkipVerify: {ON_HTTP}"),
    (
        https(caSecret={"name": "a"}, caConfigMap={"name": "b"}),
        "prometheus.caConfigMap: it and caSecret exclude each other; remove one of them",
    ),
    (
        https(tokenSecret={"name": "a"}, serviceAccountToken=True),
        "prometheus.serviceAccountToken: it and tokenSecret exclude each other; remove one of them",
    ),
    (
        https(caSecret={"name": "a"}, insecureSkipVerify=True),
        "prometheus.insecureSkipVerify: the controller reads neither CA nor client certificate beside it; set false, or"
        " remove them",
    ),
    (
        thresholds(kvCacheThreshold=0.5, kvSpareTrigger=0.6),
        "saturation.kvSpareTrigger: 0.6 is more than kvCacheThreshold, 0.5; lower it, or raise the other",
    ),
    (
        thresholds(scaleDownBoundary=0.85),
        "saturation.scaleDownBoundary: 0.85 is not less than scaleUpThreshold, 0.85, and replicas would come and go;"
        " lower it",
    ),
    (
        thresholds(namespaces={"team-a": {"kvSpareTrigger": 0.9}}),
        "saturation.namespaces.team-a.kvSpareTrigger: 0.9 is more than kvCacheThreshold, 0.8; lower it, or raise the"
        " other",
    ),
    (
        thresholds(namespaces={"team-a": {"scaleUpThreshold": 0.6}}),
        "saturation.namespaces.team-a.scaleDownBoundary: 0.7 is not less than scaleUpThreshold, 0.6, and replicas would"
        " come and go; lower it",
    ),
    (
        thresholds(namespaces={"default": {"priority": 2}}),
        "saturation.namespaces.default: it is the controller's own, whose thresholds are those of all; set them in"
        " saturation",
    ),
    (
        {**thresholds(namespaces={"team-a": {"priority": 2}}), "namespaceScope": {"enabled": True}},
        "saturation.namespaces: only default is watched; set the thresholds in saturation, or namespaceScope.enabled:"
        " false",
    ),
    (
        thresholds(analyzers=[{"name": "saturation", "scaleUpThreshold": 0.6}]),
        "saturation.analyzers.0: scaleDownBoundary, 0.7, is not less than scaleUpThreshold, 0.6; lower it",
    ),
    (
        thresholds(analyzer="v1", analyzers=[{"name": "saturation"}]),
        "saturation.analyzers: v1 has none; set analyzer: v2, or remove them",
    ),
    (
        thresholds(limiters=[quota()]),
        "saturation.limiters: without the limiter it has no effect; set enableLimiter: true, or remove it",
    ),
    (
        thresholds(enableRescale=True),
        "saturation.enableRescale: without the limiter it has no effect; set enableLimiter: true, or remove it",
    ),
    (
        limited({"type": "quota", "scope": "cluster", "quotas": {}}),
        "saturation.limiters.0.name: a quota needs it; set it",
    ),
    (
        limited({"type": "quota", "name": "a", "namespaceQuotas": {}}),
        "saturation.limiters.0.scope: a quota needs it; set it",
    ),
    (
        limited(quota(), quota()),
        "saturation.limiters.1.name: a is the name of another one; set another name",
    ),
    (
        limited(quota(exclude=["x"])),
        "saturation.limiters.0.exclude: a limiter of quota and scope cluster has none; remove it",
    ),
    (
        limited({"type": "gpu-inventory", "quotas": {"H100": 1}}),
        "saturation.limiters.0.quotas: a limiter of gpu-inventory has none; remove it",
    ),
    (
        limited({"type": "gpu-inventory"}, quota()),
        "saturation.limiters.0.type: GPUs are counted by one limiter, or quotas are declared; remove the others",
    ),
    (
        {**limited(quota()), "gpuNodeSelector": "a=b"},
        "gpuNodeSelector: no limiter counts GPUs of nodes; set saturation.enableLimiter: true, or remove it",
    ),
    (
        {**wva.HTTP, "scaleToZero": {"models": {"a": {"modelID": "m"}, "b": {"modelID": "m"}}}},
        "scaleToZero.models.b.modelID: m is that of a, which the controller takes; remove one of them",
    ),
    (
        {**wva.HTTP, "image": {"tag": "v0.8.0"}},
        "image.tag: v0.8.0 does not read annotations as 0.9 does; set v0.9.0, or api: variantautoscaling with v0.7.0",
    ),
    (
        {**wva.HTTP, "image": {"tag": "0.9.0-rc1"}},
        "image.tag: 0.9.0-rc1 does not read annotations as 0.9 does; set v0.9.0, or api: variantautoscaling with v0.7.0",
    ),
    (
        {**wva.OLD, "image": {"tag": "v0.9.0"}},
        "image.tag: v0.9.0 does not read VariantAutoscaling objects as 0.7 does; set v0.7.0, or api: annotations with"
        " v0.9.0",
    ),
    (
        {**wva.HTTP, "api": "variantautoscaling"},
        "prometheus.url: version 0.7 takes https:// only; set such an address, or api: annotations",
    ),
    ({**wva.OLD, "interval": "15s"}, f"interval: {NOT_READ}"),
    (
        {**wva.OLD, "saturation": {"enableLimiter": True, "limiters": [{"type": "gpu-inventory"}]}},
        f"saturation.limiters: {NOT_READ}",
    ),
    (
        {**wva.OLD, "saturation": {"enableLimiter": True, "enableRescale": True}},
        f"saturation.enableRescale: {NOT_READ}",
    ),
    (
        {**wva.OLD, "saturation": {"analyzers": [{"name": "saturation", "parameters": {}}]}},
        f"saturation.analyzers.0.parameters: {NOT_READ}",
    ),
    (
        {**wva.OLD, "saturation": {"analyzers": [{"name": "throughput"}]}},
        "saturation.analyzers.0.name: version 0.7 has saturation only; set that, or api: annotations",
    ),
    (
        {**wva.HTTP, "replicas": 2, "leaderElection": {"enabled": False}},
        "leaderElection.enabled: several controllers would decide against each other; set true, or replicas: 1",
    ),
    (
        {**wva.HTTP, "leaderElection": {"leaseSeconds": 50}},
        "leaderElection.renewSeconds: 50 is not less than leaseSeconds, 50; lower it",
    ),
    (
        {**wva.HTTP, "leaderElection": {"renewSeconds": 12}},
        "leaderElection.retrySeconds: 10 times 1.2 is not less than renewSeconds, 12; lower it",
    ),
    (
        {**wva.HTTP, "metrics": {"secure": False, "readers": [{"name": "a", "namespace": "b"}]}},
        "metrics.readers: http has none; remove it, or set secure: true",
    ),
    (
        {**wva.HTTP, "metrics": {"secure": False, "tlsSecret": "a"}},
        "metrics.tlsSecret: http has none; remove it, or set secure: true",
    ),
    (
        {**wva.HTTP, "endpointPicker": {"tokenSecret": "a", "createToken": True}},
        "endpointPicker.createToken: it and tokenSecret exclude each other; remove one of them",
    ),
    (
        {**wva.HTTP, "serviceAccount": {"create": False}},
        "serviceAccount.name: without create it is not made; set the name of one that exists",
    ),
    (
        {**wva.HTTP, "namespaceScope": {"namespace": "team-a"}},
        "namespaceScope.namespace: all namespaces are watched; set enabled: true, or remove it",
    ),
    (
        {**wva.HTTP, "networkPolicy": {"enabled": True}},
        "networkPolicy.scrapeFrom: nobody could read the metrics that replicas are scaled by; set the peers of"
        " Prometheus",
    ),
    *(
        (
            {**wva.HTTP, key: {"app.kubernetes.io/name": "wva"}},
            f"{key}.app.kubernetes.io/name: the chart sets it, and the controller reads ConfigMaps by it; remove it",
        )
        for key in ("commonLabels", "podLabels")
    ),
    (
        {**wva.HTTP, "extraConfig": {"EXPERIMENTAL_COORDINATOR_ENABLED": True}},
        "extraConfig.EXPERIMENTAL_COORDINATOR_ENABLED: it changes HPAs, for which the chart gives no right; remove it",
    ),
    (
        {**wva.HTTP, "extraConfig": {"PROMETHEUS_BEARER_TOKEN": "x"}},
        "extraConfig.PROMETHEUS_BEARER_TOKEN: a secret is never written into a ConfigMap; set prometheus.tokenSecret",
    ),
    *(
        (
            {**wva.HTTP, "extraConfig": {key: "x"}},
            f"extraConfig.{key}: the chart sets it; remove it, and set the key of values.yaml",
        )
        for key in ("PROMETHEUS_BASE_URL", "PROMETHEUS_CA_CERT_PATH", "LEADER_ELECT", "WVA_SCALE_TO_ZERO")
    ),
]


@pytest.mark.parametrize(
    ("values", "line"), CONTROLLER, ids=[case[1].partition(";")[0] for case in CONTROLLER]
)
def test_what_the_controller_would_refuse_or_ignore_is_refused(values: dict[str, Any], line: str) -> None:
    assert refusal(wva.chart(), values) == ["wva cannot render these values:", line]


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_all_that_is_wrong_is_said_at_once(major: int) -> None:
    values = {
        "prometheus": {"url": "http://prometheus", "clientSecret": "a"},
        "replicas": 2,
        "leaderElection": {"enabled": False},
        "saturation": {"scaleUpThreshold": 0.5},
    }
    keys = [line.partition(":")[0] for line in refusal(wva.chart(), values, major)[1:]]
    assert keys == ["prometheus.clientSecret", "saturation.scaleDownBoundary", "leaderElection.enabled"]


# A value outside its range or of another type, and what the schema says at its path.
SCHEMA: list[tuple[str, Any, str]] = [
    ("api", "crd", "value must be one of 'annotations', 'variantautoscaling'"),
    ("prometheus.url", "prometheus:9090", "does not match pattern"),
    ("interval", "15", "does not match pattern"),
    ("saturation.kvCacheThreshold", 0, "exclusiveMinimum: got 0, want 0"),
    ("saturation.kvCacheThreshold", 80, "maximum: got 80, want 1"),
    ("saturation.analyser", "v2", "additional properties 'analyser' not allowed"),
    ("saturation.limiters", [{"type": "quota", "quotas": {"H100": -2}}], "minimum: got -2, want -1"),
    ("metrics.port", 8081, "'not' failed"),
    ("replicas", -1, "minimum: got -1, want 0"),
    ("resources.limits", {"memory": "512MB"}, "does not match pattern"),
    ("scaleToZero.models", {"a/b": {"modelID": "m"}}, "invalid propertyName 'a/b'"),
]


@pytest.mark.parametrize(
    ("key", "value", "words"), SCHEMA, ids=[f"{key}={value}" for key, value, _ in SCHEMA]
)
def test_a_value_that_cannot_be_is_refused_with_its_path(key: str, value: Any, words: str) -> None:
    values: dict[str, Any] = json.loads(json.dumps(wva.HTTP))
    *above, last = key.split(".")
    place = values
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    text = refusal(wva.chart(), values)
    assert [line for line in text if words in line], text


# The models and their controller

SOURCE = {"source": {"uri": "hf://org/model"}}
MODEL = {
    **SOURCE,
    "accelerator": {"product": "NVIDIA-L40S"},
    "autoscaling": {"mode": "wva", "actuator": "hpa"},
}
OBJECTS = {"scaling": {"wvaApi": "variantautoscaling"}}
MINE = {
    "apiVersion": "llmd.ai/v1alpha1",
    "kind": "VariantAutoscaling",
    "metadata": {"name": "mine"},
    "spec": {"modelID": "m", "maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "r-m"}},
}
STACK: list[tuple[dict[str, Any], str]] = [
    (
        {"models": {"m": {**MODEL, "accelerator": {}}}, **OBJECTS},
        "models.m.accelerator.product: version 0.7 of the Workload Variant Autoscaler publishes nothing for a variant"
        " whose accelerator it cannot name; set it, or scaling.wvaApi: annotations",
    ),
    (
        {
            "models": {
                "m": {
                    **MODEL,
                    "autoscaling": {
                        **MODEL["autoscaling"],  # type: ignore[dict-item]
                        "annotations": {"llm-d.ai/managed": "true"},
                    },
                }
            },
            **OBJECTS,
        },
        "models.m.autoscaling.annotations.llm-d.ai/managed: version 0.7 of the Workload Variant Autoscaler reads no"
        " annotations; remove it, or set scaling.wvaApi: annotations",
    ),
    (
        {"models": {"m": {**MODEL, "workload": "statefulset"}}, **OBJECTS},
        "models.m.autoscaling.mode: wva scales Deployments and LeaderWorkerSets, no StatefulSet; set workload:"
        " deployment, or mode: keda",
    ),
    (
        {"models": {"m": MODEL}, **OBJECTS, "extraObjects": [MINE]},
        "extraObjects.0: it scales r-m, which models.m.autoscaling scales already; remove one of them",
    ),
    (
        {"models": {"m": MODEL}, **OBJECTS, "wva": {"enabled": True, **wva.HTTP}},
        "scaling.wvaApi: the controller of this release reads annotations, by wva.api; set the same, or leave it empty",
    ),
    (
        {
            "models": {"m": MODEL},
            "scaling": {"wvaInstance": "gold"},
            "wva": {"enabled": True, "controllerInstance": "silver", **wva.HTTP},
        },
        "scaling.wvaInstance: the controller of this release has another wva.controllerInstance; set the same, or leave"
        " it empty",
    ),
    (
        {
            "models": {"m": MODEL},
            "wva": {"enabled": True, "namespaceScope": {"enabled": True, "namespace": "other"}, **wva.HTTP},
        },
        "wva.namespaceScope.namespace: the models are in default, which the controller would not see; leave it empty",
    ),
]


@pytest.mark.parametrize(("values", "line"), STACK, ids=[case[1].partition(";")[0] for case in STACK])
def test_models_that_their_controller_cannot_scale_are_refused(
    chart: Chart, values: dict[str, Any], line: str
) -> None:
    assert refusal(chart, values) == ["vllm-stack cannot render these values:", line]


def test_what_is_wrong_with_the_controller_of_the_stack_is_said_too(chart: Chart) -> None:
    assert refusal(chart, {"wva": {"enabled": True}})[0] == "wva cannot render these values:"
