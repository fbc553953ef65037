"""Workloads whose pods are not even made, or not as many as they want."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.objects import Object, conditions, name, newest, one_line, owner, title
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.doctor.gathering import Seen

MAKERS = ("replicasets", "statefulsets", "jobs")
WORKLOADS = ("deployments", "statefulsets", "leaderworkersets")

# What admission says of a pod. Source: k8s.io/apiserver and kubernetes plugin/pkg/admission.
DENIALS: tuple[tuple[str, Reason], ...] = (
    (
        r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>.+?), used: (?P<used>.+?), limited: (?P<limit>.+)",
        Reason(
            "quota",
            "the quota {quota} has no room: asked {asked}, used {used}, limit {limit}",
            "lower replicas or parallelism, or have the ResourceQuota raised",
        ),
    ),
    (
        r"failed quota: (?P<quota>[^:]+): must specify (?P<what>.+)",
        Reason("quota", "the quota {quota} wants every pod to state {what}", "set resources accordingly"),
    ),
    (
        r'violates PodSecurity "(?P<level>[^"]+)": (?P<what>.+)',
        Reason(
            "admission",
            "the namespace enforces Pod Security {level}, which the pod breaks: {what}",
            "drop what it names (podSecurityContext, securityContext, extraContainers)",
        ),
    ),
    (
        r'serviceaccount "(?P<what>[^"]+)" not found',
        Reason(
            "missing-object",
            "the ServiceAccount {what} does not exist",
            "create it, or set serviceAccount.create",
        ),
    ),
    (
        r"no PriorityClass with name (?P<what>\S+) was found",
        Reason(
            "missing-object",
            "the PriorityClass {what} does not exist",
            "create it, or correct scheduling.priorityClassName",
        ),
    ),
    (
        r'RuntimeClass "?(?P<what>[\w.-]+)"? not found',
        Reason(
            "missing-object",
            "the RuntimeClass {what} does not exist",
            "create it, or correct scheduling.runtimeClassName",
        ),
    ),
    (
        r'failed calling webhook "(?P<what>[^"]+)"',
        Reason(
            "admission",
            "the webhook {what} does not answer, so no pod is accepted",
            "repair the service behind it",
        ),
    ),
    (
        r'admission webhook "(?P<who>[^"]+)" denied the request: (?P<what>.+)',
        Reason("admission", "the webhook {who} denies the pod: {what}", "do what it asks for"),
    ),
    (
        r"(?P<what>(?:maximum|minimum) .+? usage per \w+ is .+)",
        Reason("quota", "a LimitRange denies the pod: {what}", "keep resources within it"),
    ),
)


def not_made(seen: Seen) -> Iterator[Finding]:
    """Workloads whose pods the API server refuses."""
    for plural in MAKERS:
        for item in seen.all(plural):
            said = _refusal(seen, item)
            if said:
                kind, own = owner(item)
                where = f"{kind}/{own}" if kind else title(item)
                yield translated(denial(said), "error", where, f"FailedCreate: {said}")


def _refusal(seen: Seen, item: Object) -> str:
    """Why a workload cannot make a pod just now; empty if it can."""
    failure = conditions(item).get("ReplicaFailure", {})
    if failure.get("status") == "True":
        return one_line(failure.get("message", ""))
    if item["kind"] == "ReplicaSet":
        return ""
    # The others have no condition for it: the newest word counts.
    event = newest(seen.events(item), "FailedCreate", "SuccessfulCreate")
    return one_line(event["message"]) if event is not None and event["reason"] == "FailedCreate" else ""


def denial(said: str) -> Reason:
    """Why the API server refuses a pod."""
    for pattern, reason in DENIALS:
        match = re.search(pattern, said)
        if match:
            return Reason(reason.code, reason.message.format(**match.groupdict()), reason.fix)
    return Reason("admission", f"the cluster refuses the pod: {said}", "do what it asks for")


def without_controller(seen: Seen) -> Iterator[Finding]:
    """Groups that nobody acts on."""
    for item in seen.all("leaderworkersets"):
        if not item.get("status") and item["spec"].get("replicas", 1):
            why = "no LeaderWorkerSet controller acts on the group"
            reason = Reason("no-controller", why, "install LeaderWorkerSet; its CRD alone does nothing")
            yield translated(reason, "error", title(item), "it has no status")


def short_of_replicas(seen: Seen, explained: set[str]) -> Iterator[Finding]:
    """Workloads with too few ready pods that nothing else explains."""
    for plural in WORKLOADS:
        for item in seen.all(plural):
            wanted = item["spec"].get("replicas", 1)
            ready = item.get("status", {}).get("readyReplicas", 0)
            if ready >= wanted or title(item) in explained:
                continue
            progress = conditions(item).get("Progressing", {}).get("message", "")
            why = f"{ready} of {wanted} replicas of {name(item)} are ready"
            fix = "`kubectl describe` the workload and its pods; ask again in a moment"
            yield translated(Reason("replicas", why, fix), "warning", title(item), one_line(progress) or why)
