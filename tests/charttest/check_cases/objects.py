"""Small objects that pass every check, for the cases to break."""

from __future__ import annotations

import json
from typing import Any

# A check, objects that break it, what it says of them, and objects that keep it.
Case = tuple[str, list[dict[str, Any]], str, list[dict[str, Any]]]
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
