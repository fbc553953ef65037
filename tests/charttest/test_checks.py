"""Every check finds the manifest that breaks its rule, and passes the one that keeps it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from charttest.checks import ALL, Manifest, Manifests, queries, run_checks

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


def makes_claims(name: str, replicas: int) -> dict[str, Any]:
    """A StatefulSet with claims of its own, which another pod mounts."""
    template = {"metadata": {"name": "data"}, "spec": claim("ReadWriteMany")["spec"]}
    labels = {"app": name}
    made = deployment(container(volumeMounts=[{"name": "data", "mountPath": "/data"}]))
    spec = {**made["spec"], "replicas": replicas, "serviceName": name, "volumeClaimTemplates": [template]}
    spec["selector"], spec["template"] = (
        {"matchLabels": labels},
        {**spec["template"], "metadata": {"labels": labels}},
    )
    return {**made, "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def other(group: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def group(*workers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A LeaderWorkerSet of a leader and one worker that passes every check."""
    leader, worker = deployment()["spec"]["template"], deployment(*workers)["spec"]["template"]
    worker = {**worker, "metadata": {"labels": labels or LABELS}}
    parts = {"size": 2, "leaderTemplate": leader, "workerTemplate": worker}
    item = other("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", replicas=1, **spec)
    return {**item, "spec": {**item["spec"], "leaderWorkerTemplate": parts}}


def stateful(**spec: Any) -> dict[str, Any]:
    template = deployment()["spec"]["template"]
    selector = {"matchLabels": LABELS}
    return other(
        "apps/v1", "StatefulSet", replicas=1, selector=selector, template=template, serviceName="a", **spec
    )


def service(**spec: Any) -> dict[str, Any]:
    return core("Service", spec={"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}], **spec})


def route(port: int = 80, **fields: Any) -> dict[str, Any]:
    backends = {"backendRefs": [{"name": "a", "port": port}]}
    return other("gateway.networking.k8s.io/v1", "HTTPRoute", rules=[backends], **fields)


def ingress(name: str = "a", tls: str = "", **annotations: str) -> dict[str, Any]:
    backend = {"service": {"name": "a", "port": {"number": 80}}}
    rule = {
        "host": "a.example.com",
        "http": {"paths": [{"path": "/v1", "pathType": "Prefix", "backend": backend}]},
    }
    item = other(
        "networking.k8s.io/v1", "Ingress", rules=[rule], **({"tls": [{"secretName": tls}]} if tls else {})
    )
    return {**item, "metadata": {"name": name, "annotations": annotations}}


def virtual_service(*rules: dict[str, Any]) -> dict[str, Any]:
    return other("networking.istio.io/v1", "VirtualService", hosts=["a.example.com"], http=list(rules))


def http(
    prefix: str, headers: dict[str, str] | None = None, port: int = 80, weight: int = 1
) -> dict[str, Any]:
    match: dict[str, Any] = {"uri": {"prefix": prefix}}
    if headers:
        match["headers"] = {name: {"exact": value} for name, value in headers.items()}
    destination = {"host": "a", "port": {"number": port}}
    return {"match": [match], "route": [{"destination": destination, "weight": weight}]}


def pool(port: int = 8000, picker: str = "a", **labels: str) -> dict[str, Any]:
    spec = {
        "selector": {"matchLabels": labels or LABELS},
        "targetPorts": [{"number": port}],
        "endpointPickerRef": {"name": picker, "port": {"number": 80}},
    }
    return other("inference.networking.k8s.io/v1", "InferencePool", **spec)


def objective(name: str) -> dict[str, Any]:
    return other("inference.networking.x-k8s.io/v1alpha2", "InferenceObjective", poolRef={"name": name})


def balanced(host: str) -> dict[str, Any]:
    return other("networking.istio.io/v1", "DestinationRule", host=host)


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


def rules(*found: dict[str, Any]) -> dict[str, Any]:
    return other("monitoring.coreos.com/v1", "PrometheusRule", groups=[{"name": "a", "rules": list(found)}])


BY_MODEL = rules({"alert": "Slow", "expr": "sum by (pod) (vllm:num_requests_waiting{model='a'}) > 5"})


def annotated(found: dict[str, Any]) -> dict[str, Any]:
    """The same with pods that ask a Prometheus without the operator to scrape them."""
    template = found["spec"]["template"]
    template["metadata"] = {**template["metadata"], "annotations": {"prometheus.io/scrape": "true"}}
    return found


def monitor(label: str) -> dict[str, Any]:
    """A PodMonitor that gives what it scrapes one more label."""
    steps = [{"sourceLabels": ["__meta_kubernetes_pod_label_a"], "targetLabel": label}]
    endpoints = [{"port": "http", "relabelings": steps}]
    return other("monitoring.coreos.com/v1", "PodMonitor", selector={}, podMetricsEndpoints=endpoints)


def dashboard(*panels: dict[str, Any], variable: str = "") -> dict[str, Any]:
    """A ConfigMap that Grafana's sidecar reads."""
    templating = {
        "list": [{"type": "query", "name": "model", "query": {"query": variable}}] if variable else []
    }
    text = json.dumps({"title": "Models", "panels": list(panels), "templating": templating})
    metadata = {"name": "a", "labels": {"grafana_dashboard": "1"}}
    return {**core("ConfigMap", data={"a.json": text}), "metadata": metadata}


def probe(**fields: Any) -> dict[str, Any]:
    return {"httpGet": {"path": "/health", "port": "http"}, **fields}


def quantity(resource: str, **parts: str) -> dict[str, Any]:
    return deployment(container(resources={part: {resource: value} for part, value in parts.items()}))


def mounted(volume: dict[str, Any], replicas: int = 1, **fields: Any) -> dict[str, Any]:
    mount = {"name": "data", "mountPath": "/data"}
    pod = {"volumes": [{"name": "data", **volume}]}
    return deployment(container(volumeMounts=[mount], **fields), pod=pod, replicas=replicas)


TRAEFIK = "traefik.ingress.kubernetes.io/router.middlewares"


def policy(rule: dict[str, Any], labels: dict[str, str] = LABELS) -> dict[str, Any]:
    selector = {"matchLabels": labels}
    return other("networking.k8s.io/v1", "NetworkPolicy", podSelector=selector, ingress=[rule])


def unlike() -> dict[str, Any]:
    """The spec of a group whose pods have other labels than everything else."""
    spec: dict[str, Any] = group(labels={"app": "b"})["spec"]
    spec["leaderWorkerTemplate"]["leaderTemplate"]["metadata"] = {"labels": {"app": "b"}}
    return spec


def grouped(volume: dict[str, Any], *, claims: bool = False) -> dict[str, Any]:
    """A group whose two pods mount `data`: this volume, or a claim of their own."""
    item = group()
    parts = item["spec"]["leaderWorkerTemplate"]
    for role in ("leaderTemplate", "workerTemplate"):
        parts[role] = mounted(volume)["spec"]["template"]
        if not volume:
            del parts[role]["spec"]["volumes"]
    if claims:
        own = claim("ReadWriteOnce")
        parts["volumeClaimTemplates"] = [{**own, "metadata": {"name": "data"}}]
    return item


MEMORY = {"limits": {"memory": "1Gi"}}
CLAIM = {"persistentVolumeClaim": {"claimName": "a"}}
SECRET = {"valueFrom": {"secretKeyRef": {"name": "a", "key": "token"}}}
NAMED = {"name": "HF_TOKEN"}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}
SLOW = probe(periodSeconds=10, failureThreshold=90)
POD_SHOWN = {"summary": "{{ $labels.pod }} is slow"}
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
        "services",
        [service(), deployment(container(ports=[]), pod={"initContainers": [container(name="once")]})],
        "has no container port named 'http'",
        [
            service(),
            deployment(
                container(ports=[]),
                pod={"initContainers": [container(name="proxy", restartPolicy="Always")]},
            ),
        ],
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
        "none of Deployment/a has a container port named 'grpc'",
        [policy({"ports": [{"port": "http"}, {"port": 8001}]}), deployment()],
    ),
    # A sidecar that has the port, and pods beside it that nobody calls.
    (
        "network-policies",
        [policy({"ports": [{"port": "http"}]}), deployment(container(ports=[]))],
        "has a container port named 'http'",
        [
            policy({"ports": [{"port": "http"}]}),
            deployment(
                container(ports=[]),
                pod={"initContainers": [container(name="beside", restartPolicy="Always")]},
            ),
            {**deployment(container(ports=[])), "metadata": {"name": "worker"}},
        ],
    ),
    ("disruption", [budget({}, maxUnavailable=1)], "has no selector", []),
    (
        "disruption",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group(labels={"app": "b"})],
        "leaves out pods of the groups",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group()],
    ),
    (
        "disruption",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group(), {**group(), "metadata": {"name": "b"}}],
        "is that of no workload",
        [],
    ),
    (
        "selectors",
        [deployment(), group()],
        "also matches the pods of LeaderWorkerSet/a",
        [deployment(), {**group(), "spec": unlike()}],
    ),
    (
        "names",
        [service(), group()],
        "makes a Service of its own name",
        [{**service(), "metadata": {"name": "b"}}, group()],
    ),
    ("names", [{**group(), "metadata": {"name": "9a"}}], "is not a DNS-1035 label", []),
    (
        "names",
        [{**group(), "metadata": {"name": "a" * 50}}],
        "50 characters, a LeaderWorkerSet can have 49",
        [],
    ),
    (
        "services",
        [stateful()],
        "names from the Service a, which is not rendered",
        [stateful(), service(clusterIP="None")],
    ),
    ("services", [stateful(), service()], "the Service a, which is not headless", []),
    (
        "services",
        [stateful(), service(clusterIP="None", selector={"app": "b"})],
        "the Service a, which does not select them",
        [],
    ),
    (
        "custom-resource",
        [group(rolloutStrategie={})],
        "'rolloutStrategie' was unexpected",
        [group(startupPolicy="LeaderCreated")],
    ),
    (
        "rollout",
        [
            group(
                rolloutStrategy={
                    "type": "RollingUpdate",
                    "rollingUpdateConfiguration": SURGE["rollingUpdate"],
                }
            )
        ],
        "both 0, so no pod can ever be replaced",
        [group()],
    ),
    (
        "pod-security",
        [group(container(securityContext={}))],
        "main does not drop the capabilities ALL",
        [group()],
    ),
    (
        "references",
        [group(container(env=[{"name": "A", **SECRET}]))],
        "refers to Secret/a, which is neither rendered nor declared external",
        [],
    ),
    (
        "claims",
        [grouped(CLAIM), claim("ReadWriteOnce")],
        "2 pods mount it",
        [grouped(CLAIM), claim("ReadWriteMany")],
    ),
    ("mounts", [grouped({})], "mounts data, which is no volume", [grouped({}, claims=True)]),
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
    (
        "references",
        [mounted({"persistentVolumeClaim": {"claimName": "data-b-1"}}), makes_claims("b", replicas=1)],
        "refers to PersistentVolumeClaim/data-b-1",
        [mounted({"persistentVolumeClaim": {"claimName": "data-b-1"}}), makes_claims("b", replicas=2)],
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
    ("routes", [ingress()], "leads to Service/a, which is neither", [ingress(), service(), deployment()]),
    (
        "routes",
        [ingress(tls="cert"), service(), deployment()],
        "leads to Secret/cert, which is neither",
        [ingress(tls="cert", **{"cert-manager.io/issuer": "ca"}), service(), deployment()],
    ),
    (
        "routes",
        [ingress(**{TRAEFIK: "default-a@kubernetescrd"}), service(), deployment()],
        "names the Middleware default-a, which is neither",
        [
            ingress(**{TRAEFIK: "default-a@kubernetescrd"}),
            other("traefik.io/v1alpha1", "Middleware", stripPrefix={"prefixes": ["/a"]}),
            service(),
            deployment(),
        ],
    ),
    (
        "routes",
        [virtual_service(http("/v1/", port=81)), service(), deployment()],
        "leads to port 81",
        [virtual_service(http("/v1/")), service(), deployment()],
    ),
    (
        "routes",
        [balanced("b")],
        "leads to Service/b, which is neither",
        [balanced("b.other.svc.cluster.local")],
    ),
    (
        "routes",
        [pool(9000), service(), deployment()],
        "leads to port 9000 of Deployment/a, which has [8000]",
        [pool(), service(), deployment()],
    ),
    ("routes", [pool(app="b"), service(), deployment()], "matches no pod of this release", []),
    ("routes", [pool(picker="b"), service(), deployment()], "leads to Service/b, which is neither", []),
    (
        "routes",
        [objective("b"), pool(), service(), deployment()],
        "leads to InferencePool/b, which is neither",
        [objective("a"), pool(), service(), deployment()],
    ),
    (
        "route-matches",
        [ingress(), ingress("b"), service(), deployment()],
        "claims Prefix /v1 of a.example.com, which Ingress/a does too",
        [ingress(), service(), deployment()],
    ),
    (
        "route-matches",
        [virtual_service(http("/v1/"), http("/v1/", {"x": "y"})), service(), deployment()],
        "after a rule that takes all of these requests",
        [virtual_service(http("/v1/", {"x": "y"}), http("/v1/")), service(), deployment()],
    ),
    (
        "route-matches",
        [virtual_service(http("/v1/", weight=0)), service(), deployment()],
        "weights are all 0: no request gets through",
        [],
    ),
    (
        "route-matches",
        [route(), {**route(), "metadata": {"name": "b"}}, service(), deployment()],
        "claims PathPrefix / of *, which HTTPRoute/a does too",
        [route(), {**route(hostnames=["b.example.com"]), "metadata": {"name": "b"}}, service(), deployment()],
    ),
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
    (
        "queries",
        [asking('max(vllm:gpu_cache_usage_perc{namespace="a"})'), unscaled()],
        "trigger 0: asks for vllm:gpu_cache_usage_perc, which vLLM 0.33.0 does not export",
        [asking('max(vllm:kv_cache_usage_perc{namespace="a"})'), unscaled()],
    ),
    (
        "queries",
        [BY_MODEL, deployment()],
        "rule Slow: chooses vllm:num_requests_waiting by the label model, which it does not have",
        [
            rules({"alert": "Slow", "expr": "sum by (pod) (vllm:num_requests_waiting{model_name='a'}) > 5"}),
            deployment(),
        ],
    ),
    # Without pods whoever scrapes them is elsewhere, and so are the labels that a monitor there sets.
    ("queries", [BY_MODEL, monitor("variant")], "by the label model, which it does not have", [BY_MODEL]),
    (
        "queries",
        [BY_MODEL, deployment()],
        "by the label model, which it does not have",
        [BY_MODEL, annotated(deployment())],
    ),
    (
        "queries",
        [rules({"alert": "Slow", "expr": "sum(vllm:num_requests_waiting)", "annotations": POD_SHOWN})],
        "rule Slow: shows the label pod, which its result does not have",
        [
            rules(
                {
                    "alert": "Slow",
                    "expr": "sum by (pod) (vllm:num_requests_waiting)",
                    "annotations": POD_SHOWN,
                }
            )
        ],
    ),
    (
        "queries",
        [rules({"record": "vllm:waiting", "expr": "sum("})],
        "rule vllm:waiting: is no PromQL: unclosed left parenthesis",
        [
            rules(
                {"record": "vllm:waiting", "expr": "sum(vllm:num_requests_waiting)"},
                {"alert": "Slow", "expr": "vllm:waiting > 5"},
            )
        ],
    ),
    (
        "queries",
        [dashboard({"title": "Queue", "targets": [{"expr": "sum(vllm:num_request_waiting)"}]})],
        "a.json: panel 'Queue': asks for vllm:num_request_waiting",
        [
            dashboard(
                {
                    "title": "Queue",
                    "targets": [{"expr": 'rate(vllm:generation_tokens_total{pod="$pod"}[$__rate_interval])'}],
                }
            )
        ],
    ),
    (
        "queries",
        [dashboard(variable="label_values(vllm:num_requests_running, model)"), deployment()],
        "a.json: variable model: shows the label model, which its result does not have",
        [
            dashboard(variable="label_values(vllm:num_requests_running, model_name)"),
            dashboard(variable="label_names()"),
            deployment(),
        ],
    ),
    (
        "queries",
        [{**dashboard(), "data": {"a.json": "{"}}],
        "a.json: is no JSON",
        [dashboard(variable="query_result(sum by (pod) (vllm:num_requests_running))")],
    ),
    (
        "queries",
        [rules({"record": "a", "expr": "sum by (variant) (vllm:num_requests_running)"}), deployment()],
        "groups sum by the label variant, which nothing in it has",
        [rules({"record": "a", "expr": "sum by (variant) (vllm:num_requests_running)"}), monitor("variant")],
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


def test_queries_that_nothing_here_can_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "find_spec", lambda _: None)
    found = [each for each in findings([asking(TOTAL), unscaled()]) if each.check == "queries"]
    assert [each.message for each in found] == [
        "has queries that nothing here can read: install charttest[promql], or ignore this check"
    ]
    assert findings([deployment()]) == []
