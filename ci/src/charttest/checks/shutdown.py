"""The grace period is longer than what the pod does in it: the rest is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import SERVING, Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        if pod.owner.kind not in SERVING:
            continue
        grace = int(pod.spec.get("terminationGracePeriodSeconds", 30))
        for container in pod.spec.get("containers") or []:
            sleep = ((container.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
            seconds = int(sleep.get("seconds", 0))
            if seconds >= grace:
                what = f"container {container.get('name')}: the preStop hook sleeps {seconds} s"
                yield pod.owner, f"{what}, the grace period is {grace} s: it is killed without a signal"


CHECK = Check(
    id="shutdown",
    sentence="The grace period is longer than the preStop sleep.",
    fix="set terminationGracePeriodSeconds to the sleep plus the time that running requests need",
    run=_run,
)
