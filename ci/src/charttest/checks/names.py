"""Names fit the kind: one that is too long fails at install, or when a controller derives another from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT = re.compile(r"[^/%]+")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

# RBAC names may hold colons: they are only path segments.
_RBAC = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
_LIMITS = {
    "Service": 63,
    "Deployment": 63,  # its pods' names are hostnames and cut at 63
    "DaemonSet": 63,
    "Job": 63,  # the pods carry it as a label value
    "StatefulSet": 52,  # the label controller-revision-hash is the name and 11 more
    "CronJob": 52,  # its Jobs are the name and 11 more
    "LeaderWorkerSet": 49,  # its StatefulSets add the group's index
    "ScaledObject": 54,  # the HorizontalPodAutoscaler is keda-hpa-<name>
}


def _name_problem(item: Manifest) -> str | None:
    limit = _LIMITS.get(item.kind, 253)
    if len(item.name) > limit:
        return f"the name has {len(item.name)} characters, a {item.kind} can have {limit}"
    if item.kind in ("Service", "LeaderWorkerSet"):  # which makes a Service of its name
        pattern, rule = _LABEL_1035, "a DNS-1035 label (a letter first, then letters, digits and -)"
    elif item.kind in _RBAC:
        pattern, rule = _PATH_SEGMENT, "a path segment"
    else:
        pattern, rule = _SUBDOMAIN, "a DNS-1123 subdomain"
    return None if pattern.fullmatch(item.name) else f"the name {item.name!r} is not {rule}"


def _label_problems(labels: dict[str, object]) -> Iterator[str]:
    for key, value in labels.items():
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield f"the label {key}={value!r} is no label value (at most 63 letters, digits, -, _ and .)"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("LeaderWorkerSet"):
        if manifests.get("Service", item.name):
            yield item, f"makes a Service of its own name, and Service/{item.name} is another one"
    for item in manifests.objects:
        if problem := _name_problem(item):
            yield item, problem
        for problem in _label_problems((item.get("metadata") or {}).get("labels") or {}):
            yield item, problem
    for pod in manifests.pods:
        if pod.owner.kind != "Pod":
            for problem in _label_problems(dict(pod.labels)):
                yield pod.owner, problem
        for container in pod.containers:
            for port in container.get("ports") or []:
                if len(str(port.get("name", ""))) > 15:
                    yield pod.owner, f"the port name {port['name']!r} is longer than 15 characters"


CHECK = Check(
    id="names",
    sentence="Every name and label fits its kind, also the names that controllers derive from it.",
    fix="shorten or rename it; a hash keeps shortened names apart",
    run=_run,
)
