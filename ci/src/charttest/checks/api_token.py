"""Pods carry no token of the API server unless they say that they want one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        wanted = pod.spec.get("automountServiceAccountToken")
        if wanted is None:
            account = manifests.get("ServiceAccount", str(pod.spec.get("serviceAccountName", "default")))
            wanted = account.get("automountServiceAccountToken") if account else None
        if wanted is None:
            yield pod.owner, "its pods carry a token of the API server without asking for it"


CHECK = Check(
    id="api-token",
    sentence="Every pod, or its ServiceAccount, says whether it carries a token of the API server.",
    fix="set automountServiceAccountToken: false, or true where the pod talks to the API server",
    run=_run,
)
