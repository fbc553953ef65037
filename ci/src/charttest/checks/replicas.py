"""spec.replicas belongs to the scaler when there is one: an upgrade would reset what it decided."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a kind of scaler calls its upper end, and that end when it is not set.
_MAXIMUM = {"HorizontalPodAutoscaler": ("maxReplicas", 1), "ScaledObject": ("maxReplicaCount", 100)}
_SCALERS = tuple(_MAXIMUM)
_SCALED = ("Deployment", "StatefulSet", "LeaderWorkerSet")


def _target(scaler: Manifest) -> tuple[str, str]:
    """Kind and name of what a scaler scales."""
    reference = scaler.spec.get("scaleTargetRef") or {}
    return str(reference.get("kind", "Deployment")), str(reference.get("name"))


def most_replicas(manifests: Manifests, workload: Manifest) -> int:
    """How many pods a workload can have: its replicas, or what its scaler may make of them."""
    most = int(workload.spec.get("replicas", 1))
    for scaler in manifests.of(*_SCALERS):
        if _target(scaler) == (workload.kind, workload.name):
            key, unset = _MAXIMUM[scaler.kind]
            most = max(most, int(scaler.spec.get(key, unset)))
    return most


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    scalers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in manifests.of(*_SCALERS):
        kind, name = _target(item)
        scalers[kind, name].append(f"{item.kind}/{item.name}")
        if manifests.get(kind, name) is None and not manifests.is_external(kind, name):
            yield item, f"scales {kind}/{name}, which is neither rendered nor declared external"
    for item in manifests.of(*_SCALED):
        owners = scalers[item.kind, item.name]
        outside = any(manifests.is_external(scaler, item.name) for scaler in _SCALERS)
        if len(owners) > 1:
            yield item, f"is scaled by {' and '.join(owners)}, which work against each other"
        if owners and "replicas" in item.spec:
            yield item, f"sets replicas, which {owners[0]} owns"
        if not owners and not outside and "replicas" not in item.spec:
            yield item, "sets no replicas, and no scaler owns them"


CHECK = Check(
    id="replicas",
    sentence="A workload sets replicas exactly when no scaler targets it, and at most one does.",
    fix="leave replicas out beside a scaler and set it otherwise; declare a scaler made elsewhere",
    run=_run,
)
