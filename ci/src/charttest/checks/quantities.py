"""Kubernetes can read every quantity, requests stay below limits, and devices are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests
from charttest.quantity import parse

if TYPE_CHECKING:
    from collections.abc import Iterator


def _resources(resources: dict[str, Any]) -> Iterator[str]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for part, quantities in (("requests", requests), ("limits", limits)):
        for resource, value in quantities.items():
            number = parse(value)
            if number is None or number < 0:
                yield f"{part}.{resource}: {value!r} is no quantity"
            elif "/" in resource and number != number.to_integral_value():
                yield f"{part}.{resource}: {value!r} is no whole number of devices"
    for resource, value in requests.items():
        low, high = parse(value), parse(limits.get(resource, value))
        if low is not None and high is not None and low > high:
            yield f"requests.{resource} {value} is above the limit {limits[resource]}"
    for resource in {**requests, **limits}:
        if "/" in resource and (
            resource not in limits
            or parse(limits[resource]) != parse(requests.get(resource, limits[resource]))
        ):
            yield f"{resource}: an extended resource needs a limit, and a request equal to it"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        for container in pod.containers:
            for message in _resources(container.get("resources") or {}):
                yield pod.owner, f"container {container.get('name')}: {message}"
        for volume in pod.spec.get("volumes") or []:
            size = (volume.get("emptyDir") or {}).get("sizeLimit")
            if size is not None and parse(size) is None:
                yield pod.owner, f"volume {volume.get('name')}: sizeLimit {size!r} is no quantity"
    for item in manifests.of("PersistentVolumeClaim"):
        size = ((item.spec.get("resources") or {}).get("requests") or {}).get("storage")
        number = parse(size)
        if number is None or number <= 0:
            yield item, f"resources.requests.storage: {size!r} is no size"


CHECK = Check(
    id="quantities",
    sentence="Every quantity is readable, no request is above its limit, devices are whole and limited.",
    fix="write a number with a suffix of Kubernetes, for example 500m, 16Gi or 2",
    run=_run,
)
