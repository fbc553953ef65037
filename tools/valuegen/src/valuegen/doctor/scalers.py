"""Scalers that cannot scale: no metrics, no controller, no target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.gathering import own_variants
from valuegen.doctor.objects import Object, conditions, is_true, name, one_line, title
from valuegen.doctor.variants import CONTROLLERS, LEASES, Deciders, controllers_of, unsatisfied
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen

# Which API serves each kind of metric, and what usually registers it.
METRIC_APIS = {
    "FailedGetPodsMetric": "prometheus-adapter must serve custom.metrics.k8s.io: see docs/scaling.md",
    "FailedGetObjectMetric": "prometheus-adapter must serve custom.metrics.k8s.io: see docs/scaling.md",
    "FailedGetExternalMetric": "KEDA or an adapter must serve external.metrics.k8s.io: see docs/scaling.md",
    "FailedGetResourceMetric": "metrics-server must serve metrics.k8s.io",
    "FailedGetContainerResourceMetric": "metrics-server must serve metrics.k8s.io",
}


def broken(seen: Seen) -> Iterator[Finding]:
    """Every scaler of the release's workloads that does not work."""
    targets = {
        title(item)
        for plural in ("deployments", "statefulsets", "leaderworkersets")
        for item in seen.all(plural)
    }
    for item in seen.all("horizontalpodautoscalers"):
        target = item["spec"]["scaleTargetRef"]
        if f"{target['kind']}/{target['name']}" in targets:
            yield from _hpa(item)
    for item in seen.all("scaledobjects"):
        yield from _scaled_object(item)
    if seen.knows(CONTROLLERS):
        there = controllers_of(seen.all(CONTROLLERS), seen.namespace)
        leases = tuple(seen.all(LEASES)) if seen.knows(LEASES) else None
        yield from Deciders(tuple(there), leases, seen.namespace, seen.now).undecided(own_variants(seen))
    yield from unsatisfied(seen.all("variantautoscalings"))


def _hpa(item: Object) -> Iterator[Finding]:
    found = conditions(item)
    active, able = found.get("ScalingActive", {}), found.get("AbleToScale", {})
    if not found:
        return  # just made
    if able.get("status") == "False":
        why = f"the scaler {name(item)} cannot change its workload: {one_line(able.get('message', ''))}"
        yield translated(
            Reason("scaler", why, "does the workload exist? `kubectl describe hpa`"),
            "error",
            title(item),
            able.get("reason", ""),
        )
    elif active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        said = one_line(active.get("message", ""))
        why = f"the scaler {name(item)} has no metrics: {active.get('reason')}"
        fix = METRIC_APIS.get(active.get("reason", ""), "`kubectl describe hpa` has all of it")
        yield translated(Reason("scaler", why, fix), "error", title(item), f"ScalingActive False: {said}")


def _scaled_object(item: Object) -> Iterator[Finding]:
    found = conditions(item)
    if not found:
        why = "no KEDA acts on the scaler"
        yield translated(
            Reason("no-controller", why, "install KEDA; its CRDs alone do nothing"),
            "error",
            title(item),
            "it has no status",
        )
        return
    ready = found.get("Ready", {})
    if ready.get("status") == "False":
        said = one_line(ready.get("message", ""))
        why = f"the scaler {name(item)} does not work: {ready.get('reason', '')}"
        fix = "correct the trigger: its server, query and sign-in (autoscaling.triggers, scaling.prometheus)"
        yield translated(Reason("scaler", why, fix), "error", title(item), f"Ready False: {said}")
    elif is_true(item, "Fallback"):
        why = f"the scaler {name(item)} has no metrics and keeps its fallback"
        yield translated(
            Reason("scaler", why, "does Prometheus answer the trigger's query?"),
            "error",
            title(item),
            "Fallback True",
        )
