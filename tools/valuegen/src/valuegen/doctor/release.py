"""Judges a running release: every subject in turn, then what nothing else explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor import claims, others, pods, scalers, scheduling, workloads
from valuegen.doctor.findings import Finding, Report, in_order
from valuegen.doctor.gathering import statuses
from valuegen.doctor.objects import count, is_true, labels

if TYPE_CHECKING:
    from valuegen.doctor.gathering import Seen


def diagnose(seen: Seen) -> Report:
    """What is wrong with a release, the cause of the worst first."""
    found = [
        *workloads.without_controller(seen),
        *workloads.not_made(seen),
        *claims.unbound(seen),
        *scheduling.unscheduled(seen),
        *pods.unwell(seen),
        *others.downloads(seen),
        *scalers.broken(seen),
        *others.routes(seen),
        *others.budgets(seen),
        *others.helm(seen),
    ]
    # A failed revision is a symptom where something else is found.
    if any(finding.level == "error" for finding in found):
        found = [finding for finding in found if finding.id != "release"]
    explained = {finding.group or finding.object for finding in found}
    found += workloads.short_of_replicas(seen, explained)
    return Report(
        seen.release,
        "release",
        seen.namespace,
        in_order(_causes(found)),
        healthy(seen),
        not_asked=seen.denied,
    )


def _causes(found: list[Finding]) -> list[Finding]:
    """Without pods that only wait for a claim which is explained itself."""
    if any(finding.object.startswith("PersistentVolumeClaim/") for finding in found):
        return [finding for finding in found if finding.why != "a claim of the pod is not bound"]
    return found


def healthy(seen: Seen) -> str:
    """What there is, in one line."""
    engines = [pod for pod in seen.all("pods") if labels(pod).get("app.kubernetes.io/component") == "engine"]
    models = {labels(pod).get("vllm-stack.io/model") for pod in engines}
    ready = sum(is_true(pod, "Ready") for pod in engines)
    restarts = sum(each.get("restartCount", 0) for pod in engines for each in statuses(pod))
    return (
        f"healthy: {count(len(models), 'model')}, {count(ready, 'pod')} ready, {count(restarts, 'restart')}"
    )
