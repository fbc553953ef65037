"""Quantities of the Kubernetes API, and what a pod asks of a node."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valuegen.doctor.objects import Object

Amounts = dict[str, Decimal]

# k8s.io/apimachinery pkg/api/resource: a decimal number, then a binary, decimal or exponent suffix.
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
FACTORS = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
FACTORS |= {suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)}
FACTORS |= {suffix + "i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
GPU_WORDS = ("gpu", "mig-", "gaudi", "tpu", "neuron")
BYTES = ("memory", "ephemeral-storage", "storage", "hugepages")


def amount(quantity: object) -> Decimal:
    """A quantity as bytes, cores or pieces; ValueError for what the API would not return."""
    match = QUANTITY.fullmatch(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity")
    number, suffix = match[1], match[2] or ""
    if suffix in FACTORS:
        return Decimal(number) * FACTORS[suffix]
    return Decimal(number + suffix)


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """Every quantity of a list of resources."""
    return {resource: amount(quantity) for resource, quantity in (quantities or {}).items()}


def plus(*parts: Amounts) -> Amounts:
    """The sum, resource by resource."""
    total: Amounts = {}
    for part in parts:
        for resource, number in part.items():
            total[resource] = total.get(resource, Decimal(0)) + number
    return total


def minus(whole: Amounts, part: Amounts) -> Amounts:
    """What is left of a whole; resources that it does not have are left out."""
    return {resource: number - part.get(resource, Decimal(0)) for resource, number in whole.items()}


def has_room(free: Amounts, asked: Amounts) -> bool:
    """Whether all of what is asked for is free."""
    return all(free.get(resource, Decimal(0)) >= number for resource, number in asked.items() if number)


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {key: max(one.get(key, Decimal(0)), other.get(key, Decimal(0))) for key in {*one, *other}}


def requests(container: Object) -> Amounts:
    """What a container asks for: a limit without a request is one, as the API server fills in."""
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}


def pod_requests(spec: Object) -> Amounts:
    """What a node needs free for a pod, as the scheduler counts it.

    Source: k8s.io/component-helpers resource.PodRequests: containers and sidecars together, or the largest
    init container with the sidecars that run before it, whichever is more; and the runtime's overhead.
    """
    sidecars: Amounts = {}
    start: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = plus(sidecars, own)
            own = {}
        start = _most(start, plus(sidecars, own))
    running = plus(sidecars, *(requests(container) for container in spec["containers"]))
    return plus(_most(running, start), amounts(spec.get("overhead")), {"pods": Decimal(1)})


def shown(resource: str, number: Decimal) -> str:
    """A number of a resource as people write it: 16 GiB, 2.5, 8."""
    if any(word in resource for word in BYTES):
        return f"{float(number) / 2**30:,.1f} GiB".replace(".0 GiB", " GiB")
    return f"{number.normalize():f}"


def gpu_resource(asked: Amounts) -> str:
    """The accelerator among what a pod asks for; empty for a pod without."""
    return next((key for key in asked if "/" in key and asked[key]), "")


def word(resource: str) -> str:
    """What people call a resource."""
    return "GPUs" if any(part in resource for part in GPU_WORDS) else resource
