"""A PodDisruptionBudget covers exactly one workload and lets a drain finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import SERVING, Check, Manifest, Manifests
from charttest.checks.selectors import match_labels, matches

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("PodDisruptionBudget"):
        selector = match_labels(item)
        if not selector:
            yield item, "has no selector, so it protects no pod or every pod"
        elif not any(match_labels(workload) == selector for workload in manifests.of(*SERVING)):
            groups = {id(pod.owner) for pod in manifests.pods if pod.owner.kind == "LeaderWorkerSet"}
            covered = {id(pod.owner) for pod in manifests.pods if matches(selector, pod.labels)}
            if len(covered) != 1 or not covered <= groups:
                yield item, f"its selector {selector} is that of no workload of this release"
            elif any(not matches(selector, pod.labels) for pod in manifests.pods if id(pod.owner) in covered):
                yield item, f"its selector {selector} leaves out pods of the groups it is for"
        if "minAvailable" in item.spec and "maxUnavailable" in item.spec:
            yield item, "sets both minAvailable and maxUnavailable"


CHECK = Check(
    id="disruption",
    sentence="A PodDisruptionBudget selects the pods of one workload, and has one of its two numbers.",
    fix="copy the workload's matchLabels (a group: labels of leader and workers), and set one number",
    run=_run,
)
