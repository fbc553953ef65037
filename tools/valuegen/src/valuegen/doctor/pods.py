"""Pods that have a node and do not serve: each is given the one cause that stands before the others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from valuegen.doctor.containers import container_finding
from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.gathering import statuses
from valuegen.doctor.objects import (
    Object,
    conditions,
    is_true,
    moment,
    name,
    newest,
    one_line,
    owner,
    title,
)
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen

MOUNT_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
NODE_FIX = "`kubectl describe node` says since when; repair it, or delete it and its pods move"


def unwell(seen: Seen) -> Iterator[Finding]:
    """One finding for every pod that has a node and is not as it should be."""
    lost = {name(node) for node in seen.all("nodes") if not is_true(node, "Ready")}
    for pod in seen.all("pods"):
        if owner(pod)[0] == "Job" or not pod["spec"].get("nodeName"):
            continue  # downloads.py and scheduling.py see to them
        found = _finding(seen, pod, lost)
        if found is not None:
            yield found


def _finding(seen: Seen, pod: Object, lost: set[str]) -> Finding | None:
    status, where, group = pod["status"], title(pod), seen.group(pod)
    if pod["spec"]["nodeName"] in lost:
        why = f"the node {pod['spec']['nodeName']} does not answer"
        reason = Reason("node-lost", why, NODE_FIX)
        return translated(reason, "error", where, f"{status.get('phase')}, node not ready", group)
    if pod["metadata"].get("deletionTimestamp"):
        return _leaving(seen, pod, where, group)
    if status.get("phase") == "Failed":
        return _failed(seen, pod, where, group)
    found = next(filter(None, (container_finding(seen, pod, each) for each in statuses(pod))), None)
    if found is None and status.get("phase") != "Succeeded" and not is_true(pod, "Ready"):
        return _waiting(seen, pod, where, group)
    return found


def _leaving(seen: Seen, pod: Object, where: str, group: str) -> Finding | None:
    """A pod on its way out is well until its time, which deletionTimestamp already includes, is over."""
    over = moment(pod["metadata"]["deletionTimestamp"])
    if seen.now <= over + timedelta(minutes=1):  # what its node may need to say so
        return None
    finalizers = ", ".join(pod["metadata"].get("finalizers") or ())
    seen_text = f"to be gone by {over.isoformat()}" + (f", finalizers {finalizers}" if finalizers else "")
    fix = "does its node answer? else remove what the finalizers wait for, or `kubectl delete pod --force`"
    return translated(Reason("node-lost", "a pod does not end", fix), "warning", where, seen_text, group)


def _failed(seen: Seen, pod: Object, where: str, group: str) -> Finding | None:
    """An evicted pod stays as a record beside the one that replaced it."""
    status = pod["status"]
    started = moment(status.get("startTime"))
    if not seen.is_recent(
        max([started, *(moment(each.get("lastTransitionTime")) for each in conditions(pod).values())])
    ):
        return None
    said = one_line(status.get("message") or status.get("reason") or "it has failed")
    why = (
        f"a pod was evicted from its node: {said}"
        if status.get("reason") == "Evicted"
        else f"a pod has failed: {said}"
    )
    fix = "raise the size that it names (cache.size, resources.limits), or give the node more of it"
    if "emptyDir" in said or "EmptyDir" in said or "ephemeral" in said:
        fix = "raise cache.size, or take cache.type: claim"
    return translated(
        Reason("evicted", why, fix), "warning", where, f"{status.get('reason', 'Failed')}: {said}", group
    )


def _waiting(seen: Seen, pod: Object, where: str, group: str) -> Finding:
    """A pod whose containers have nothing to say yet, or one that starts or does not answer."""
    events = seen.events(pod)
    started = moment(pod["status"].get("startTime"))
    mount = newest(events, *MOUNT_EVENTS)
    running = any("running" in each.get("state", {}) for each in statuses(pod))
    if mount is not None and not running:
        return translated(_mount(mount["message"]), "error", where, _event(mount), group)
    sandbox = newest(events, "FailedCreatePodSandBox", "NetworkNotReady")
    if sandbox is not None and not running:
        why = f"the node cannot make the pod: {one_line(sandbox['message'])}"
        fix = "look at the node's network plugin and container runtime"
        return translated(Reason("container", why, fix), "error", where, _event(sandbox), group)
    minutes = (seen.now - started).total_seconds() / 60
    engine = next((each for each in statuses(pod) if each["name"] == "engine"), {})
    if engine.get("started"):
        probe = newest(events, "Unhealthy")
        why = "the engine does not answer its readiness probe"
        fix = "look at its log and load; it gets no requests until it answers"
        reason = Reason("not-ready", why, fix)
        return translated(reason, "error", where, _event(probe) if probe else "running, not ready", group)
    waiting = [
        each["state"]["waiting"].get("reason", "")
        for each in statuses(pod)
        if each.get("state", {}).get("waiting")
    ]
    text = f"started {minutes:.0f} min ago" + (
        f", {', '.join(filter(None, waiting))}" if any(waiting) else ""
    )
    why = "a pod is still starting, within its budget"
    return translated(Reason("starting", why, "wait; then ask again"), "warning", where, text, group)


def _mount(said: str) -> Reason:
    """Why a volume is not mounted."""
    message = one_line(said)
    for kind in ("secret", "configmap"):
        _, quoted, rest = message.partition(f'{kind} "')
        if quoted and "not found" in rest:
            missing = rest.partition('"')[0]
            what = "Secret" if kind == "secret" else "ConfigMap"
            why = f"a {what} is missing: {missing}, which a volume of the pod holds"
            return Reason("missing-secret", why, f"create the {what}; the pod goes on by itself")
    if "Multi-Attach" in message:
        why = "the volume is attached to another node, and can be at one only"
        return Reason("mount", why, "wait for the old pod to go, or use storage with ReadWriteMany")
    if "driver name" in message and "not found" in message:
        return Reason(
            "mount",
            f"the CSI driver is not on the node: {message}",
            "install the driver on the GPU nodes too",
        )
    return Reason(
        "mount",
        f"a volume cannot be mounted: {message}",
        "look at the storage and its driver's log on that node",
    )


def _event(event: Object) -> str:
    return f"{event['reason']}: {one_line(event['message'])}"
