"""Every mount has its volume: else the API server refuses the pod, and only an event tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests, claim_templates

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        volumes = {volume.get("name") for volume in pod.spec.get("volumes") or []}
        volumes |= {(claim.get("metadata") or {}).get("name") for claim in claim_templates(pod.owner)}
        mounted = set()
        for container in pod.containers:
            for mount in container.get("volumeMounts") or []:
                mounted.add(mount.get("name"))
                if mount.get("name") not in volumes:
                    yield (
                        pod.owner,
                        f"container {container.get('name')} mounts {mount.get('name')}, which is no volume",
                    )
        for name in sorted(map(str, volumes - mounted)):
            yield pod.owner, f"no container mounts the volume {name}"


CHECK = Check(
    id="mounts",
    sentence="Every volume mount names a volume of the pod, and every volume is mounted.",
    fix="add the volume or the mount, or remove the other one",
    run=_run,
)
