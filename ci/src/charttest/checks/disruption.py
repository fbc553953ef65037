"""A PodDisruptionBudget covers exactly one workload and lets a drain finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import SERVING, Check, Manifest, Manifests
from charttest.checks.selectors import match_labels

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("PodDisruptionBudget"):
        selector = match_labels(item)
        if not selector:
            yield item, "has no selector, so it protects no pod or every pod"
        elif not any(match_labels(workload) == selector for workload in manifests.of(*SERVING)):
            yield item, f"its selector {selector} is that of no workload of this release"
        if "minAvailable" in item.spec and "maxUnavailable" in item.spec:
            yield item, "sets both minAvailable and maxUnavailable"


CHECK = Check(
    id="disruption",
    sentence="A PodDisruptionBudget has the selector of one workload, and one of its two numbers.",
    fix="copy the workload's matchLabels, and set minAvailable or maxUnavailable",
    run=_run,
)
