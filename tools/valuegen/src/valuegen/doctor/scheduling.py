"""Pods that have no node: what the scheduler says, and which label, taint or resource it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, Level, translated
from valuegen.doctor.nodes import nodes_of
from valuegen.doctor.objects import conditions, one_line, title
from valuegen.doctor.obstacles import obstacle
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen
    from valuegen.doctor.objects import Object

DEFAULT_SCHEDULER = "default-scheduler"
# What the scheduler says that is not about labels and room. Source: kubernetes pkg/scheduler/framework/plugins.
VOLUMES_AND_DEVICES: tuple[tuple[str, Reason], ...] = (
    (
        r'persistentvolumeclaim "(?P<what>[^"]+)" not found',
        Reason("claim", "the claim {what} does not exist", "create it, or correct claimName or source.uri"),
    ),
    (
        r'persistentvolumeclaim "(?P<what>[^"]+)" is being deleted',
        Reason("claim", "the claim {what} is being deleted", "wait until it is gone and create it again"),
    ),
    (
        r"unbound immediate PersistentVolumeClaims",
        Reason("claim", "a claim of the pod is not bound", "`kubectl describe pvc` says what it waits for"),
    ),
    (
        r"volume node affinity conflict",
        Reason(
            "claim",
            "the volume of a claim lies where no node fits the pod",
            "choose a StorageClass with volumeBindingMode WaitForFirstConsumer, or storage that every zone reaches",
        ),
    ),
    (
        r"did(?:n't| not) find available persistent volumes to bind",
        Reason(
            "claim",
            "no volume fits a claim of the pod",
            "create a volume, or name a StorageClass that makes one",
        ),
    ),
    (
        r"(?:cannot allocate all claims|resourceclaim|waiting for.*resource.*claim)",
        Reason(
            "node-resource",
            "no node has the devices that the pod claims",
            "`kubectl get resourceslices,deviceclasses` lists devices; correct accelerator.claims",
        ),
    ),
)
# Matters only where a node would have room.
APART: tuple[tuple[str, Reason], ...] = (
    (
        r"didn't match pod anti-affinity rules",
        Reason(
            "scheduling",
            "the pod keeps away from pods that are on every node that fits",
            "lower replicas, set scheduling.antiAffinity to none, or add nodes",
        ),
    ),
    (
        r"didn't match pod topology spread constraints",
        Reason(
            "scheduling",
            "no node that fits keeps the pods spread evenly",
            "loosen scheduling.topologySpreadConstraints, or add nodes",
        ),
    ),
)


def unscheduled(seen: Seen) -> Iterator[Finding]:
    """Every pod without a node."""
    nodes = nodes_of(seen.all("nodes"), seen.objects.get("pods of all namespaces"))
    for pod in seen.all("pods"):
        if pod["spec"].get("nodeName") or pod["status"].get("phase") != "Pending":
            continue
        condition = conditions(pod).get("PodScheduled", {})
        said = _own_words(one_line(condition.get("message", ""), 1000))
        reason, more = _why(pod, condition, said), ""
        if reason is None and seen.knows("nodes"):
            reason, more = obstacle(pod["spec"], nodes) or (None, "")
            if reason is not None and not seen.knows("pods of all namespaces"):
                more += "; what is free is not known"
        reason = reason or _saying(APART, said) or _only_said(said)
        text = f"Pending: {said or 'no scheduler has looked at it'}" + (f"; {more}" if more else "")
        level: Level = "warning" if reason.code == "starting" else "error"
        yield translated(reason, level, title(pod), text, seen.group(pod))


def _why(pod: Object, condition: Object, said: str) -> Reason | None:
    """What does not need the nodes to be explained."""
    scheduler = pod["spec"].get("schedulerName", DEFAULT_SCHEDULER)
    if not condition and scheduler == DEFAULT_SCHEDULER:
        return Reason("starting", "the scheduler has not looked at a pod yet", "wait; then ask again")
    if not condition:
        why = f"no scheduler named {scheduler} has looked at the pod"
        return Reason("scheduling", why, "does it run? correct scheduling.schedulerName")
    if condition.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates") or ())
        why = f"the pod waits for its scheduling gate {gates}"
        return Reason("scheduling", why, "ask whoever sets it, such as Kueue")
    return _saying(VOLUMES_AND_DEVICES, said)


def _saying(table: tuple[tuple[str, Reason], ...], said: str) -> Reason | None:
    """The reason that one of the scheduler's sayings stands for."""
    for pattern, reason in table:
        match = re.search(pattern, said)
        if match:
            return Reason(reason.code, reason.message.format(**match.groupdict()), reason.fix)
    return None


def _only_said(said: str) -> Reason:
    """The scheduler's own words, where nodes cannot be read or the arithmetic finds room."""
    fix = "`kubectl describe nodes` shows labels, taints and what is allocated"
    return Reason("scheduling", f"no node takes the pod: {said}", fix)


def _own_words(message: str) -> str:
    """The scheduler's message without what it says of preemption."""
    plain = re.sub(r",? ?preemption: .*", "", message)
    return plain.replace("no new claims to deallocate", "").strip(" .,")
