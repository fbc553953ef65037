"""A volume in memory counts against the memory limit: one without a size, or above it, ends in an OOM kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests
from charttest.quantity import parse

if TYPE_CHECKING:
    from collections.abc import Iterator


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        for volume in pod.spec.get("volumes") or []:
            source = volume.get("emptyDir") or {}
            if source.get("medium") != "Memory":
                continue
            name, size = volume.get("name"), parse(source.get("sizeLimit"))
            if size is None:
                yield pod.owner, f"the volume {name} in memory has no sizeLimit"
                continue
            for container in pod.containers:
                mounted = {mount.get("name") for mount in container.get("volumeMounts") or []}
                given = ((container.get("resources") or {}).get("limits") or {}).get("memory")
                limit = parse(given)
                if name in mounted and limit is not None and size > limit:
                    what = f"the volume {name} in memory holds {source['sizeLimit']}"
                    yield (
                        pod.owner,
                        f"{what}, above the memory limit {given} of container {container.get('name')}",
                    )


CHECK = Check(
    id="memory-volumes",
    sentence="A volume in memory has a size, below the memory limit of the containers that mount it.",
    fix="set sizeLimit, and a memory limit that holds it beside the process",
    run=_run,
)
