"""A claim that one node can mount is not given to pods that may run on several."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from charttest.checks.model import SERVING, Check, Manifest, Manifests
from charttest.checks.replicas import most_replicas

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARED = {"ReadWriteMany", "ReadOnlyMany"}


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    pods_of: dict[str, int] = defaultdict(int)
    for pod in manifests.pods:
        if pod.owner.kind not in SERVING:
            continue
        for volume in pod.spec.get("volumes") or []:
            if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
                pods_of[claim] += most_replicas(manifests, pod.owner) * pod.per_replica
    for item in manifests.of("PersistentVolumeClaim"):
        modes = item.spec.get("accessModes") or []
        if pods_of[item.name] > 1 and not _SHARED & set(modes):
            yield item, f"{pods_of[item.name]} pods mount it, but its access modes are {modes}"


CHECK = Check(
    id="claims",
    sentence="A claim that several pods mount has an access mode for several nodes.",
    fix="set accessModes: [ReadWriteMany], run one replica, or use a StatefulSet's own claims",
    run=_run,
)
