"""A Service leads somewhere: its selector matches pods that have the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests, Pod
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator


def _has_port(pod: Pod, target: Any) -> bool:
    ports = [port for container in pod.spec.get("containers") or [] for port in container.get("ports") or []]
    # A number needs no declaration: the container may listen without saying so.
    return isinstance(target, int) or any(port.get("name") == target for port in ports)


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("Service"):
        selector = item.spec.get("selector") or {}
        if not selector:
            continue  # an ExternalName, or endpoints that something else writes
        pods = [pod for pod in manifests.pods if matches(selector, pod.labels)]
        if not pods:
            yield item, f"its selector {selector} matches no pod of this release"
        for port in item.spec.get("ports") or []:
            target = port.get("targetPort", port.get("port"))
            for pod in pods:
                if not _has_port(pod, target):
                    yield item, f"{pod.owner.kind}/{pod.owner.name} has no container port named {target!r}"


CHECK = Check(
    id="services",
    sentence="A Service's selector matches pods of the release, and they have its target port.",
    fix="use the labels and the port names of the pod template",
    run=_run,
)
