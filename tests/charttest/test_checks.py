"""Every check finds the manifest that breaks its rule, and passes the one that keeps it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from charttest.checks import ALL, Manifest, Manifests, run_checks

LABELS = {"app": "a"}
METADATA = {"labels": LABELS}


def container(**fields: Any) -> dict[str, Any]:
    """A container that passes every check."""
    return {
        "name": "main",
        "image": "example.com/a:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "ports": [{"name": "http", "containerPort": 8000}],
        **fields,
    }


def deployment(*containers: dict[str, Any], pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Deployment that passes every check, with the given parts in it."""
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod_spec = {
        "securityContext": security,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "containers": list(containers) or [container()],
        **(pod or {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": METADATA, "spec": pod_spec},
            **spec,
        },
    }


def core(kind: str, name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def other(group: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def service(**spec: Any) -> dict[str, Any]:
    return core("Service", spec={"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}], **spec})


def route(port: int = 80, **fields: Any) -> dict[str, Any]:
    backends = {"backendRefs": [{"name": "a", "port": port}]}
    return other("gateway.networking.k8s.io/v1", "HTTPRoute", rules=[backends], **fields)


def budget(selector: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return other("policy/v1", "PodDisruptionBudget", selector=selector, **spec)


def claim(*modes: str) -> dict[str, Any]:
    return core(
        "PersistentVolumeClaim",
        spec={"accessModes": list(modes), "resources": {"requests": {"storage": "1Gi"}}},
    )


def scaler(target: str = "a") -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return other("autoscaling/v2", "HorizontalPodAutoscaler", scaleTargetRef=reference, maxReplicas=2)


def unscaled(found: dict[str, Any] | None = None) -> dict[str, Any]:
    found = found or deployment()
    del found["spec"]["replicas"]
    return found


def scaled_object(trigger: dict[str, Any], **spec: Any) -> dict[str, Any]:
    triggers = [{"type": "prometheus", "metadata": {}, **trigger}]
    reference = {"name": "a"}
    return other("keda.sh/v1alpha1", "ScaledObject", scaleTargetRef=reference, triggers=triggers, **spec)


def asking(query: str, **trigger: Any) -> dict[str, Any]:
    """A ScaledObject that asks Prometheus, for a workload that it owns."""
    return scaled_object({"metadata": {"query": query}, **trigger})


def probe(**fields: Any) -> dict[str, Any]:
    return {"httpGet": {"path": "/health", "port": "http"}, **fields}


def quantity(resource: str, **parts: str) -> dict[str, Any]:
    return deployment(container(resources={part: {resource: value} for part, value in parts.items()}))


def mounted(volume: dict[str, Any], replicas: int = 1, **fields: Any) -> dict[str, Any]:
    mount = {"name": "data", "mountPath": "/data"}
    pod = {"volumes": [{"name": "data", **volume}]}
    return deployment(container(volumeMounts=[mount], **fields), pod=pod, replicas=replicas)


def policy(rule: dict[str, Any], labels: dict[str, str] = LABELS) -> dict[str, Any]:
    selector = {"matchLabels": labels}
    return other("networking.k8s.io/v1", "NetworkPolicy", podSelector=selector, ingress=[rule])


MEMORY = {"limits": {"memory": "1Gi"}}
CLAIM = {"persistentVolumeClaim": {"claimName": "a"}}
SECRET = {"valueFrom": {"secretKeyRef": {"name": "a", "key": "token"}}}
NAMED = {"name": "HF_TOKEN"}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}
SLOW = probe(periodSeconds=10, failureThreshold=90)
TOTAL = 'sum(vllm:num_requests_waiting{namespace="a"})'
GPU = deployment(container(resources={part: {"nvidia.com/gpu": "1"} for part in ("limits", "requests")}))
KEY = [{"parameter": "bearerToken", "name": "a", "key": "token"}]
SLEEP = {"lifecycle": {"preStop": {"sleep": {"seconds": 30}}}}

# check, what breaks it, what it says, what keeps it
CASES: list[tuple[str, list[dict[str, Any]], str, list[dict[str, Any]]]] = [
    ("schema", [deployment(replicaCuont=2)], "'replicaCuont' was unexpected", [deployment()]),
    ("schema", [deployment(replicas="2")], "spec.replicas: '2' is not of type", [deployment(replicas=2)]),
    ("schema", [other("policy/v1beta1", "PodDisruptionBudget")], "has no policy/v1beta1", []),
    ("schema", [{"metadata": {"name": "a"}}], "has no apiVersion or no kind", []),
    (
        "custom-resource",
        [route(hostname="a"), service(), deployment()],
        "('hostname' was unexpected)",
        [route(hostnames=["a.example.com"]), service(), deployment()],
    ),
    (
        "custom-resource",
        [other("example.com/v1", "Widget")],
        "no CustomResourceDefinition of example.com/v1",
        [],
    ),
    (
        "names",
        [core("Service", "9a", spec={"ports": [{"port": 1}]})],
        "is not a DNS-1035 label",
        [core("Secret", "9a")],
    ),
    (
        "names",
        [core("Service", "a" * 64, spec={"ports": [{"port": 1}]})],
        "64 characters, a Service can have 63",
        [],
    ),
    ("names", [core("Secret", "A_b")], "is not a DNS-1123 subdomain", [core("Secret", "a.b")]),
    (
        "names",
        [{**core("Secret"), "metadata": {"name": "a", "labels": {"x": "a b"}}}],
        "is no label value",
        [],
    ),
    (
        "duplicates",
        [core("Secret"), core("Secret")],
        "is rendered twice",
        [core("Secret"), core("ConfigMap")],
    ),
    (
        "duplicates",
        [deployment(container(env=[{"name": "A"}, {"name": "A"}]))],
        "sets the variable A twice",
        [deployment(container(env=[{"name": "A"}, {"name": "B"}]))],
    ),
    (
        "quantities",
        [quantity("memory", limits="16GiB")],
        "'16GiB' is no quantity",
        [quantity("memory", limits="16Gi")],
    ),
    ("quantities", [quantity("cpu", requests="2", limits="500m")], "2 is above the limit 500m", []),
    (
        "quantities",
        [quantity("nvidia.com/gpu", requests="1")],
        "an extended resource needs a limit",
        [quantity("nvidia.com/gpu", requests="1", limits="1")],
    ),
    ("quantities", [quantity("amd.com/gpu", limits="500m")], "no whole number of devices", []),
    ("selectors", [deployment(template=None)], "has no pod template", []),
    (
        "selectors",
        [deployment(selector={"matchLabels": {"app": "b"}})],
        "does not match the labels",
        [deployment()],
    ),
    (
        "selectors",
        [deployment(), {**deployment(), "metadata": {"name": "b"}}],
        "also matches the pods of Deployment/b",
        [deployment()],
    ),
    ("services", [service(selector={"app": "b"}), deployment()], "matches no pod", [service(), deployment()]),
    (
        "services",
        [service(ports=[{"port": 80, "targetPort": "web"}]), deployment()],
        "has no container port named 'web'",
        [service(ports=[{"port": 80, "targetPort": 8000}]), deployment()],
    ),
    (
        "disruption",
        [budget({"matchLabels": {"app": "b"}}, maxUnavailable=1), deployment()],
        "is that of no workload",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), deployment()],
    ),
    (
        "network-policies",
        [policy({}, {"app": "b"}), deployment()],
        "matches no pod",
        [policy({}), deployment()],
    ),
    (
        "network-policies",
        [policy({"from": []}), deployment()],
        "from: [], which is everybody",
        [policy({"from": [{"podSelector": {}}]}), deployment()],
    ),
    (
        "network-policies",
        [policy({"ports": [{"port": "grpc"}]}), deployment()],
        "has no container port named 'grpc'",
        [policy({"ports": [{"port": "http"}, {"port": 8001}]}), deployment()],
    ),
    ("disruption", [budget({}, maxUnavailable=1)], "has no selector", []),
    (
        "references",
        [deployment(container(env=[{"name": "A", **SECRET}]))],
        "refers to Secret/a, which is neither rendered nor declared external",
        [deployment(container(env=[{"name": "A", **SECRET}])), core("Secret", data={"token": "YQ=="})],
    ),
    (
        "references",
        [deployment(container(env=[{"name": "A", **SECRET}])), core("Secret", data={"other": "YQ=="})],
        "refers to the key token of Secret/a",
        [],
    ),
    (
        "references",
        [mounted(CLAIM)],
        "refers to PersistentVolumeClaim/a",
        [mounted(CLAIM), claim("ReadWriteOnce")],
    ),
    ("references", [deployment(pod={"serviceAccountName": "a"})], "refers to ServiceAccount/a", []),
    (
        "mounts",
        [deployment(container(volumeMounts=[{"name": "data", "mountPath": "/data"}]))],
        "mounts data, which is no volume",
        [mounted({"emptyDir": {}})],
    ),
    (
        "mounts",
        [deployment(pod={"volumes": [{"name": "a", "emptyDir": {}}]})],
        "no container mounts the volume a",
        [],
    ),
    (
        "claims",
        [mounted(CLAIM, replicas=2), claim("ReadWriteOnce")],
        "2 pods mount it",
        [mounted(CLAIM, replicas=2), claim("ReadWriteMany")],
    ),
    (
        "claims",
        [unscaled(mounted(CLAIM)), claim("ReadWriteOnce"), scaler()],
        "2 pods mount it",
        [unscaled(mounted(CLAIM)), claim("ReadWriteMany"), scaler()],
    ),
    (
        "memory-volumes",
        [mounted({"emptyDir": {"medium": "Memory"}})],
        "the volume data in memory has no sizeLimit",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})],
    ),
    (
        "memory-volumes",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}, resources=MEMORY)],
        "holds 2Gi, above the memory limit 1Gi of container main",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, resources=MEMORY)],
    ),
    (
        "service-links",
        [deployment(pod={"enableServiceLinks": None})],
        "variables made from every Service",
        [deployment()],
    ),
    (
        "api-token",
        [deployment(pod={"automountServiceAccountToken": None})],
        "carry a token of the API server",
        [
            deployment(pod={"automountServiceAccountToken": None, "serviceAccountName": "a"}),
            core("ServiceAccount", automountServiceAccountToken=False),
        ],
    ),
    (
        "routes",
        [route(81), service(), deployment()],
        "leads to port 81",
        [route(80), service(), deployment()],
    ),
    ("routes", [route(80)], "leads to Service/a, which is neither", []),
    (
        "replicas",
        [scaler(), deployment()],
        "sets replicas, which HorizontalPodAutoscaler/a owns",
        [scaler(), unscaled()],
    ),
    ("replicas", [unscaled()], "sets no replicas, and no scaler owns them", [deployment(replicas=0)]),
    ("replicas", [scaler("b")], "scales Deployment/b, which is neither rendered", []),
    (
        "scalers",
        [asking(TOTAL, metricType="Value"), unscaled()],
        "compares prometheus as a Value",
        [asking(TOTAL, metricType="AverageValue"), unscaled()],
    ),
    (
        "scalers",
        [asking("sum(vllm:num_requests_waiting)"), unscaled()],
        "without a namespace",
        [asking(TOTAL), unscaled()],
    ),
    (
        "scalers",
        [asking('vllm:num_requests_waiting{namespace="a"}'), unscaled()],
        "without a sum",
        [asking(TOTAL), unscaled()],
    ),
    (
        "scalers",
        [scaled_object({"type": "cpu", "metadata": {"value": "80"}}), unscaled(copy.deepcopy(GPU))],
        "scales by cpu, which says nothing",
        [scaled_object({"type": "cpu", "metadata": {"value": "80"}}), unscaled()],
    ),
    ("scalers", [scaler(), unscaled(copy.deepcopy(GPU))], "scales by cpu", [scaler(), unscaled()]),
    (
        "scalers",
        [scaled_object({"metadata": {"query": TOTAL}}, minReplicaCount=3, maxReplicaCount=2), unscaled()],
        "at least 3 pods and at most 2",
        [scaled_object({"metadata": {"query": TOTAL}}, minReplicaCount=2, maxReplicaCount=2), unscaled()],
    ),
    (
        "scalers",
        [asking(TOTAL, authenticationRef={"name": "a"}), unscaled()],
        "refers to TriggerAuthentication/a",
        [asking(TOTAL, authenticationRef={"name": "a", "kind": "ClusterTriggerAuthentication"}), unscaled()],
    ),
    (
        "scalers",
        [other("keda.sh/v1alpha1", "TriggerAuthentication", secretTargetRef=KEY)],
        "refers to Secret/a",
        [other("keda.sh/v1alpha1", "TriggerAuthentication", secretTargetRef=KEY), core("Secret")],
    ),
    ("rollout", [deployment(strategy=SURGE)], "both 0, so no pod can ever be replaced", [deployment()]),
    (
        "probes",
        [deployment(container(livenessProbe=probe()))],
        "the liveness probe kills a start longer than 30 s",
        [deployment(container(livenessProbe=probe(), startupProbe=probe()))],
    ),
    (
        "probes",
        [deployment(container(startupProbe=SLOW))],
        "may take 900 s to start, but the rollout fails after 600 s",
        [deployment(container(startupProbe=SLOW), progressDeadlineSeconds=960)],
    ),
    ("probes", [deployment(container(readinessProbe=probe(), ports=[]))], "asks the port 'http'", []),
    (
        "shutdown",
        [deployment(container(**SLEEP))],
        "the preStop hook sleeps 30 s, the grace period is 30 s",
        [deployment(container(**SLEEP), pod={"terminationGracePeriodSeconds": 60})],
    ),
    (
        "pod-security",
        [deployment(container(securityContext={}))],
        "main does not drop the capabilities ALL",
        [deployment()],
    ),
    ("pod-security", [deployment(pod={"securityContext": {}})], "main runAsNonRoot is not true", []),
    ("pod-security", [deployment(pod={"hostIPC": True})], "hostIPC shares the node's namespace", []),
    ("pod-security", [mounted({"hostPath": {"path": "/"}})], "the volume data is of the type hostPath", []),
    (
        "pod-security",
        [deployment(pod={"initContainers": [{"name": "init", "image": "a"}]})],
        "container init allowPrivilegeEscalation is not false",
        [deployment(pod={"initContainers": [container(name="init")]})],
    ),
    (
        "secrets",
        [deployment(container(env=[{**NAMED, "value": "abc"}]))],
        "the variable HF_TOKEN holds a secret",
        [deployment(container(env=[{**NAMED, **SECRET}])), core("Secret", data={"token": "YQ=="})],
    ),
    (
        "secrets",
        [deployment(container(args=["--api-key", "abc"]))],
        "the argument --api-key holds a secret",
        [deployment(container(args=["--max-num-seqs", "8"]))],
    ),
    (
        "secrets",
        [deployment(container(env=[{"name": "DB_PASSWORD", "value": "123"}]))],
        "DB_PASSWORD holds",
        [],
    ),
    (
        "secrets",
        [deployment(container(env=[{"name": "A_TOKEN_VALUE", "value": "x"}]))],
        "A_TOKEN_VALUE holds",
        [],
    ),
    ("secrets", [core("ConfigMap", data={"a": "token: hf_" + "x" * 30})], "the key a holds a secret", []),
]


def findings(objects: list[dict[str, Any]], **options: Any) -> list[Any]:
    manifests = Manifests(tuple(Manifest(copy.deepcopy(item)) for item in objects), **options)
    return run_checks(manifests)


@pytest.mark.parametrize(("check", "bad", "message", "good"), CASES, ids=[f"{c[0]}: {c[2]}" for c in CASES])
def test_a_check_finds_what_breaks_its_rule_and_nothing_else(
    check: str, bad: list[dict[str, Any]], message: str, good: list[dict[str, Any]]
) -> None:
    found = [finding for finding in findings(bad) if finding.check == check]
    assert any(message in finding.message for finding in found), findings(bad)
    assert [finding for finding in findings(good) if finding.check == check] == []


UNREADABLE = [
    core("ConfigMap", data="x"),
    core("Pod", spec={"containers": "x"}),
    core("Pod", spec={"containers": [{"name": "a", "image": "b", "env": {"A": "b"}}]}),
    deployment(template="x"),
    deployment(replicas="two"),
    service(ports="x"),
    core("Secret", metadata="x"),
    route(hostnames="x"),
]


@pytest.mark.parametrize("item", UNREADABLE, ids=str)
def test_a_field_of_a_wrong_type_is_told_by_the_schemas_alone(item: dict[str, Any]) -> None:
    found = findings([item, deployment(container(securityContext={}))])
    assert found
    assert {finding.check for finding in found} <= {"schema", "custom-resource"}


def test_the_good_workload_passes_every_check() -> None:
    assert findings([deployment(), service(), budget({"matchLabels": LABELS}, maxUnavailable=1)]) == []


def test_every_check_has_a_case_that_breaks_it_and_one_that_keeps_it() -> None:
    assert {case[0] for case in CASES} == {check.id for check in ALL}
    assert {case[0] for case in CASES if case[3]} == {check.id for check in ALL}


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_a_check_has_a_sentence_and_a_next_step(check: Any) -> None:
    assert check.sentence[0].isupper()
    assert check.sentence.endswith(".")
    assert check.fix


def test_what_the_caller_declares_external_is_no_finding() -> None:
    pod = deployment(container(env=[{"name": "A", **SECRET}]))
    assert findings([pod], external=frozenset({"Secret/a"})) == []


def test_a_finding_names_the_object_what_is_wrong_what_to_do_and_the_check() -> None:
    found = findings([deployment(strategy=SURGE)])
    assert str(found[0]) == (
        "Deployment/a: maxSurge and maxUnavailable are both 0, so no pod can ever be replaced;"
        " set maxUnavailable: 1, or maxSurge: 1 where there is room for one more pod [rollout]"
    )
