"""Objects as a cluster returns them, cut to what doctor reads; the messages are those of real clusters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from valuegen.doctor.gathering import Seen

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RELEASE = "llm"
Object = dict[str, Any]


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def thing(
    kind: str, name: str, spec: Object | None = None, status: Object | None = None, **meta: Any
) -> Object:
    labels = {"app.kubernetes.io/instance": RELEASE, **meta.pop("labels", {})}
    return {
        "kind": kind,
        "metadata": {"name": name, "labels": labels, **meta},
        "spec": spec or {},
        "status": status or {},
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(5),
    }


def owned(kind: str, name: str) -> list[Object]:
    return [{"kind": kind, "name": name, "controller": True}]


def container(**fields: Any) -> Object:
    return {
        "name": "engine",
        "image": "vllm/vllm-openai:v0.33.0",
        "resources": {"requests": {"cpu": "1", "nvidia.com/gpu": "1"}, "limits": {"memory": "8Gi"}},
        "startupProbe": {"periodSeconds": 2, "failureThreshold": 450},
        "livenessProbe": {"periodSeconds": 10, "failureThreshold": 6},
        **fields,
    }


def pod(
    name: str = "llm-m-1",
    *,
    state: Object | None = None,
    last: Object | None = None,
    restarts: int = 0,
    ready: bool = False,
    started: bool = True,
    spec: Object | None = None,
    node: str = "a",
    phase: str = "Running",
    conditions: list[Object] | None = None,
    **meta: Any,
) -> Object:
    status = {
        "phase": phase,
        "startTime": ago(10),
        "conditions": conditions or [condition("Ready", "True" if ready else "False")],
        "containerStatuses": [
            {
                "name": "engine",
                "ready": ready,
                "started": started,
                "restartCount": restarts,
                "state": state or {"running": {"startedAt": ago(9)}},
                "lastState": {"terminated": last} if last else {},
            }
        ],
    }
    labels = {"app.kubernetes.io/component": "engine", "vllm-stack.io/model": "m", **meta.pop("labels", {})}
    meta.setdefault("ownerReferences", owned("ReplicaSet", "llm-m-abc"))
    placed = {"nodeName": node} if node else {}
    return thing(
        "Pod", name, {"containers": [container()], **placed, **(spec or {})}, status, labels=labels, **meta
    )


def pending(message: str, **fields: Any) -> Object:
    scheduled = condition("PodScheduled", "False", "Unschedulable", message)
    return pod(node="", phase="Pending", conditions=[scheduled], **fields)


def ended(code: int, reason: str = "Error", minutes: float = 2, **fields: Any) -> Object:
    """How a container ended, which had run for 5 minutes."""
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": ago(minutes + 5),
        "finishedAt": ago(minutes),
        **fields,
    }


def backoff() -> Object:
    return {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


def event(about: Object, reason: str, message: str, minutes: float = 2) -> Object:
    return {
        "kind": "Event",
        "metadata": {"name": "e", "creationTimestamp": ago(minutes)},
        "involvedObject": {"kind": about["kind"], "name": about["metadata"]["name"]},
        "reason": reason,
        "message": message,
        "firstTimestamp": ago(minutes),
        "lastTimestamp": ago(minutes),
    }


def node(
    name: str = "a",
    product: str = "NVIDIA-L40S",
    gpus: int = 4,
    *,
    ready: bool = True,
    taints: list[Object] | None = None,
    **spec: Any,
) -> Object:
    return thing(
        "Node",
        name,
        {"taints": taints or [], **spec},
        {
            "allocatable": {
                "cpu": "63500m",
                "memory": "527910324Ki",
                "nvidia.com/gpu": str(gpus),
                "pods": "110",
            },
            "conditions": [condition("Ready", "True" if ready else "Unknown")],
        },
        labels={"nvidia.com/gpu.product": product},
    )


def deployment(replicas: int = 1, ready: int = 1) -> Object:
    return thing("Deployment", "llm-m", {"replicas": replicas}, {"readyReplicas": ready})


def replicaset(*conditions: Object) -> Object:
    return thing(
        "ReplicaSet",
        "llm-m-abc",
        {"replicas": 1},
        {"conditions": list(conditions)},
        ownerReferences=owned("Deployment", "llm-m"),
    )


def seen(*objects: Object, logs: dict[tuple[str, str], str] | None = None, **fields: Any) -> Seen:
    """What was read, by the kinds of these objects; every kind that there is was read."""
    plurals = {
        "Pod": "pods",
        "Event": "events",
        "ReplicaSet": "replicasets",
        "Deployment": "deployments",
        "StatefulSet": "statefulsets",
        "LeaderWorkerSet": "leaderworkersets",
        "Job": "jobs",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "StorageClass": "storageclasses",
        "PodDisruptionBudget": "poddisruptionbudgets",
        "HorizontalPodAutoscaler": "horizontalpodautoscalers",
        "ScaledObject": "scaledobjects",
        "VariantAutoscaling": "variantautoscalings",
        "HTTPRoute": "httproutes",
        "Ingress": "ingresses",
        "IngressClass": "ingressclasses",
        "Service": "services",
        "Node": "nodes",
    }
    read: dict[str, list[Object]] = {plural: [] for plural in plurals.values()}
    read["pods of all namespaces"] = []
    for item in objects:
        read[plurals[item["kind"]]].append(item)
    read["pods of all namespaces"] += read["pods"]
    return Seen(RELEASE, "ns", NOW, read, logs or {}, **fields)
