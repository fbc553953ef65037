"""A scaler measures what it scales: totals of one namespace, by metrics that follow the load, and may read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESOURCES = ("cpu", "memory")
_NAMESPACE = re.compile(r'namespace=~?"')
_AGGREGATED = re.compile(r"\b(sum|avg|max|min|count|scalar|quantile)\b")


def _accelerated(manifests: Manifests, scaler: Manifest) -> bool:
    """Whether the pods that a scaler makes ask for an extended resource."""
    target = scaler.spec.get("scaleTargetRef") or {}
    for pod in manifests.pods:
        if (pod.owner.kind, pod.owner.name) == (target.get("kind", "Deployment"), target.get("name")):
            limits = [container.get("resources", {}).get("limits") or {} for container in pod.containers]
            return any("/" in resource for limit in limits for resource in limit)
    return False


def _of_hpa(manifests: Manifests, item: Manifest) -> Iterator[str]:
    if item.spec.get("minReplicas", 1) > item.spec.get("maxReplicas", 1):
        yield f"keeps at least {item.spec['minReplicas']} pods and at most {item.spec['maxReplicas']}"
    metrics = item.spec.get("metrics") or [{"type": "Resource", "resource": {"name": "cpu"}}]  # the default
    for metric in metrics:
        kind = metric["type"]
        source: dict[str, Any] = metric.get(kind[0].lower() + kind[1:]) or {}
        name = source.get("name") or (source.get("metric") or {}).get("name")
        if (source.get("target") or {}).get("type") == "Value":
            yield f"compares {name} as a Value, which is multiplied by the pods that run"
        if kind.endswith("Resource") and _accelerated(manifests, item):
            yield f"scales by {name}, which says nothing about a load on accelerators"


def _of_scaled_object(manifests: Manifests, item: Manifest) -> Iterator[str]:
    if item.spec.get("minReplicaCount", 0) > item.spec.get("maxReplicaCount", 100):
        yield f"keeps at least {item.spec['minReplicaCount']} pods and at most {item.spec['maxReplicaCount']}"
    for trigger in item.spec.get("triggers") or []:
        kind, metadata = trigger["type"], trigger.get("metadata") or {}
        name = trigger.get("name", kind)
        if trigger.get("metricType") == "Value":
            yield f"compares {name} as a Value, which is multiplied by the pods that run"
        if kind in _RESOURCES and _accelerated(manifests, item):
            yield f"scales by {kind}, which says nothing about a load on accelerators"
        if kind == "prometheus":
            query = str(metadata.get("query"))
            if not _NAMESPACE.search(query):
                yield f"asks {name} without a namespace, so every namespace counts"
            if not _AGGREGATED.search(query):
                yield f"asks {name} without a sum, and KEDA takes one series only"
        reference = trigger.get("authenticationRef") or {}
        if reference and reference.get("kind", "TriggerAuthentication") == "TriggerAuthentication":
            yield from _there(manifests, "TriggerAuthentication", str(reference.get("name")))


def _there(manifests: Manifests, kind: str, name: str) -> Iterator[str]:
    if manifests.get(kind, name) is None and not manifests.is_external(kind, name):
        yield f"refers to {kind}/{name}, which is neither rendered nor declared external"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("HorizontalPodAutoscaler"):
        for problem in _of_hpa(manifests, item):
            yield item, problem
    for item in manifests.of("ScaledObject"):
        for problem in _of_scaled_object(manifests, item):
            yield item, problem
    for item in manifests.of("TriggerAuthentication"):
        for secret in dict.fromkeys(str(entry["name"]) for entry in item.spec.get("secretTargetRef") or []):
            for problem in _there(manifests, "Secret", secret):
                yield item, problem


CHECK = Check(
    id="scalers",
    sentence="A scaler compares averages of aggregated, namespaced metrics that follow the load, and may read them.",
    fix="set AverageValue, sum the series of one namespace, and render or declare what it refers to",
    run=_run,
)
