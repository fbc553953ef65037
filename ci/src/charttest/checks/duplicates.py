"""The same thing is not said twice: of two objects, variables or ports with one name, one is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _repeated(keys: Iterable[object]) -> list[object]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    identity: dict[tuple[object, ...], Manifest] = {}
    for item in manifests.objects:
        key = (item.group, item.kind, (item.get("metadata") or {}).get("namespace"), item.name)
        if key in identity:
            yield item, f"is rendered twice, by {identity[key].source or '?'} and {item.source or '?'}"
        identity[key] = item
    for pod in manifests.pods:
        for name in _repeated(container.get("name") for container in pod.containers):
            yield pod.owner, f"two containers are called {name}"
        for name in _repeated(volume.get("name") for volume in pod.spec.get("volumes") or []):
            yield pod.owner, f"two volumes are called {name}"
        for container in pod.containers:
            where = f"container {container.get('name')}"
            for name in _repeated(entry.get("name") for entry in container.get("env") or []):
                yield pod.owner, f"{where} sets the variable {name} twice"
            for path in _repeated(mount.get("mountPath") for mount in container.get("volumeMounts") or []):
                yield pod.owner, f"{where} mounts two volumes at {path}"


CHECK = Check(
    id="duplicates",
    sentence="No two objects, containers, volumes, mounts or variables share a name.",
    fix="rename or remove one of them",
    run=_run,
)
