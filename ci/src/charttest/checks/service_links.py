"""Pods get no variables for every Service of the namespace: one named `vllm` would set VLLM_PORT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        if pod.spec.get("enableServiceLinks") is not False:
            yield pod.owner, "its pods get variables made from every Service of the namespace"


CHECK = Check(
    id="service-links",
    sentence="Pods turn service links off.",
    fix="set enableServiceLinks: false in the pod spec",
    run=_run,
)
