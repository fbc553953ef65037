"""A workload selects its own pods and nobody else's."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from charttest.checks.model import SERVING, Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a matchLabels selector, not empty, selects these labels."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def match_labels(item: Manifest) -> dict[str, str]:
    """The matchLabels of a workload or PodDisruptionBudget; empty when it has none."""
    selector: dict[str, Any] = item.spec.get("selector") or {}
    return selector.get("matchLabels") or {}


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    serving = [pod for pod in manifests.pods if pod.owner.kind in SERVING]
    # A LeaderWorkerSet selects by labels of its own.
    workloads = [pod for pod in serving if pod.owner.kind != "LeaderWorkerSet"]
    for item in manifests.of(*SERVING):
        if item.kind != "LeaderWorkerSet" and not item.spec.get("template"):
            yield item, "has no pod template"
    for pod in workloads:
        if not matches(match_labels(pod.owner), pod.labels):
            yield pod.owner, f"its selector {match_labels(pod.owner)} does not match the labels of its pods"
    for one, other in combinations(serving, 2):
        if one.owner is other.owner:
            continue
        for owner, pod in ((one.owner, other), (other.owner, one)):
            if matches(match_labels(owner), pod.labels):
                yield owner, f"its selector also matches the pods of {pod.owner.kind}/{pod.owner.name}"


CHECK = Check(
    id="selectors",
    sentence="A workload's selector matches its own pods and those of no other workload.",
    fix="select by release and component, and put the same labels on the pod template",
    run=_run,
)
