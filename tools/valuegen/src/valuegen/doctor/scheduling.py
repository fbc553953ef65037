"""Pods that have no node: what the scheduler says, and which label, taint or resource it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.nodes import nodes_of
from valuegen.doctor.objects import conditions, one_line, title
from valuegen.doctor.obstacles import obstacle
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen
    from valuegen.doctor.objects import Object

# What the scheduler says that is not about labels and room. Source: kubernetes pkg/scheduler/framework/plugins.
SAYINGS: tuple[tuple[str, Reason], ...] = (
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
        said = one_line(condition.get("message", ""))
        reason, more = _why(pod, condition, said), ""
        if reason is None:
            found = obstacle(pod["spec"], nodes) if seen.knows("nodes") else None
            reason, more = found or (_only_said(said), "")
            if found and not seen.knows("pods of all namespaces"):
                more += "; what is free is not known"
        text = f"Pending: {said or 'no scheduler has looked at it'}" + (f"; {more}" if more else "")
        yield translated(reason, "error", title(pod), text, seen.group(pod))


def _why(pod: Object, condition: Object, said: str) -> Reason | None:
    """What does not need the nodes to be explained."""
    if not condition:
        scheduler = pod["spec"].get("schedulerName", "default-scheduler")
        return Reason(
            "scheduling",
            f"no scheduler named {scheduler} has looked at the pod",
            "does it run? correct scheduling.schedulerName",
        )
    if condition.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates") or ())
        return Reason(
            "scheduling",
            f"the pod waits for its scheduling gate {gates}",
            "ask whoever sets it, such as Kueue",
        )
    for pattern, reason in SAYINGS:
        match = re.search(pattern, said)
        if match:
            return Reason(reason.code, reason.message.format(**match.groupdict()), reason.fix)
    return None


def _only_said(said: str) -> Reason:
    """The scheduler's own words, where nodes cannot be read or the arithmetic finds room."""
    return Reason(
        "scheduling",
        f"no node takes the pod: {said.removeprefix('0/').partition('preemption:')[0].strip(' .')}",
        "`kubectl describe nodes` shows labels, taints and what is allocated",
    )
