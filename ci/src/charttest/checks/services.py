"""A Service leads somewhere: its selector matches pods that have the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests, Pod
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator


def has_port(pod: Pod, target: Any) -> bool:
    """Whether a container that runs beside or as the pod's own has this port, by name; any number will do."""
    sidecars = [
        each for each in pod.spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"
    ]
    running = [*sidecars, *(pod.spec.get("containers") or [])]
    ports = [port for container in running for port in container.get("ports") or []]
    # A number needs no declaration: the container may listen without saying so.
    return isinstance(target, int) or any(port.get("name") == target for port in ports)


def _governed(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("StatefulSet"):
        name = str(item.spec.get("serviceName", ""))
        if not name or manifests.is_external("Service", name):
            continue
        service = manifests.get("Service", name)
        pods = [pod for pod in manifests.pods if pod.owner is item]
        if service is None:
            yield item, f"its pods get names from the Service {name}, which is not rendered"
        elif service.spec.get("clusterIP") != "None":
            yield item, f"its pods get names from the Service {name}, which is not headless"
        elif not all(matches(service.spec.get("selector") or {}, pod.labels) for pod in pods):
            yield item, f"its pods get names from the Service {name}, which does not select them"


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
                if not has_port(pod, target):
                    yield item, f"{pod.owner.kind}/{pod.owner.name} has no container port named {target!r}"
    yield from _governed(manifests)


CHECK = Check(
    id="services",
    sentence="A Service selects pods of the release that have its target port; a StatefulSet has a headless one.",
    fix="use the labels and the port names of the pod template",
    run=_run,
)
