"""Room for the pods of a release: on nodes one after the other, and in the namespace's quotas."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from valuegen.doctor.amounts import Amounts, amounts, gpu_resource, plus, pod_requests, shown, word
from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.nodes import place, selected
from valuegen.doctor.objects import Object, count, name
from valuegen.doctor.obstacles import obstacle
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valuegen.doctor.needs import Needs, Pods
    from valuegen.doctor.nodes import Node


def lacking_room(needs: Needs, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Workloads of which no pod, or not every pod, finds a node. The largest pods choose first."""
    free = {node.name: node.free for node in nodes}
    for pods in sorted(needs.pods, key=_size, reverse=True):
        found = obstacle(pods.spec, nodes)
        if found is not None:
            reason, seen = found
            yield translated(reason, "error", pods.of, seen)
            continue
        fit = 0
        while fit < pods.replicas and place(pods.spec, free, nodes):
            fit += 1
        if fit < pods.replicas:
            yield _too_few(pods, fit, nodes, free)


def _size(pods: Pods) -> Decimal:
    asked = pod_requests(pods.spec)
    return asked.get(gpu_resource(asked), Decimal(0))


def _too_few(pods: Pods, fit: int, nodes: Sequence[Node], free: dict[str, Amounts]) -> Finding:
    """Which resource the rest of the pods lacks."""
    asked = pod_requests(pods.spec)
    there = [free[node.name] for node in selected(pods.spec, nodes)]
    short = Counter(key for each in there for key in asked if each.get(key, Decimal(0)) < asked[key])
    gpu = gpu_resource(asked)
    resource = gpu if gpu in short else short.most_common(1)[0][0] if short else "pods"
    why = (
        f"no node has enough free {word(resource)}: there is room for {fit} of {count(pods.replicas, 'pod')}"
    )
    seen = f"each needs {shown(resource, asked[resource])} {resource}, beside the other pods of the values"
    fix = "lower replicas, free nodes, or let a cluster autoscaler add some"
    return translated(Reason("node-room", why, fix), "error", pods.of, seen)


def placed_text(needs: Needs, nodes: Sequence[Node]) -> str:
    """How many pods and devices find room, for the line of a cluster that lacks nothing."""
    devices: Amounts = {}
    for pods in needs.pods:
        asked = pod_requests(pods.spec)
        devices = plus(devices, {key: number * pods.replicas for key, number in asked.items() if "/" in key})
    number = sum(pods.replicas for pods in needs.pods)
    with_devices = ", ".join(f"{shown(key, total)} {key}" for key, total in devices.items() if total)
    known = "" if all(node.knows_free for node in nodes) else " on empty nodes"
    text = f"there is room for {count(number, 'pod')}{known}"
    return f"{text} with {with_devices}" if with_devices else text


def over_quota(needs: Needs, quotas: Sequence[Object]) -> Iterator[Finding]:
    """Quotas that what the values ask for does not fit into, beside what the namespace uses already."""
    asked: Amounts = {}
    for pods in needs.pods:
        one = pod_requests(pods.spec)
        limits = plus(
            *(amounts((each.get("resources") or {}).get("limits")) for each in pods.spec["containers"])
        )
        part = {f"requests.{key}": number for key, number in one.items()}
        part |= {f"limits.{key}": number for key, number in limits.items()}
        part |= {key: number for key, number in one.items() if key in ("cpu", "memory", "pods")}
        asked = plus(asked, {key: number * pods.replicas for key, number in part.items()})
    for quota in quotas:
        if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
            continue  # it counts some of the pods only
        status = quota.get("status") or {}
        hard, used = amounts(status.get("hard")), amounts(status.get("used"))
        for key, limit in hard.items():
            left = limit - used.get(key, Decimal(0))
            if key in asked and asked[key] > left:
                why = (
                    f"the quota {name(quota)} has no room: the values ask for {shown(key, asked[key])} {key},"
                    f" {shown(key, left)} of {shown(key, limit)} are left"
                )
                fix = "lower replicas or parallelism, or have the ResourceQuota raised"
                yield translated(
                    Reason("quota", why, fix), "error", f"ResourceQuota/{name(quota)}", "before the install"
                )
