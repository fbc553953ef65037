"""What doctor says: findings, in the order of what has to be repaired first."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from valuegen.document import SCHEMA
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valuegen.errors import Reason

# error: it serves nothing, or cannot be installed so. warning: it works, or tries again by itself.
Level = Literal["error", "warning"]

# Every id with its sentence, causes before what follows from them: the first of a report names the cause.
RULES: Mapping[str, str] = {
    "kubernetes-version": "The cluster's Kubernetes is new enough for the values.",
    "missing-kind": "The cluster knows every kind that is installed (CRDs).",
    "no-controller": "Something acts on objects of that kind.",
    "missing-object": "What pods and routes refer to by name exists.",
    "quota": "The namespace's quotas have room for the pods.",
    "admission": "The cluster accepts the pods.",
    "claim": "Every claim of the pods exists and is bound.",
    "storage-class": "Every claim has a class that makes its volume.",
    "node-label": "A node has the labels that the pods select.",
    "node-resource": "A node offers the resource that the pods ask for.",
    "node-taint": "The pods tolerate a node that fits.",
    "node-room": "A node has as much free as a pod asks for.",
    "scheduling": "Every pod gets a node.",
    "node-lost": "The nodes of the pods answer.",
    "image": "Every image can be pulled.",
    "missing-secret": "Every Secret and ConfigMap that a container reads exists.",
    "mount": "Every volume can be mounted.",
    "container": "Every container can be started.",
    "evicted": "No pod was evicted from its node.",
    "memory-limit": "No container was killed for memory.",
    "engine-flag": "The engine knows its flags and their values.",
    "engine-memory": "Weights and KV cache fit on the GPUs.",
    "engine-model": "The engine finds the model and may read it.",
    "engine-hardware": "The engine can use the GPUs of its node.",
    "engine-files": "The engine can write its cache and shared memory.",
    "engine-network": "The engine's processes reach each other and the Hub.",
    "engine-error": "The engine starts.",
    "startup-budget": "The engine answers within startup.budgetSeconds.",
    "engine-hang": "The engine answers its liveness probe.",
    "engine-crash": "The engine does not end by itself.",
    "download": "The download of the model succeeds.",
    "scaler": "Every scaler has its metrics and finds its workload.",
    "route": "A gateway has taken every route.",
    "not-ready": "Every pod that has started is ready.",
    "starting": "Every pod has started.",
    "replicas": "Every workload has the pods it wants.",
    "release": "Helm has finished the release.",
    "disruption": "A drain of a node can end.",
    "load": "Every request of the load check is answered.",
}
ORDER = {rule: place for place, rule in enumerate(RULES)}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: on which object, what is seen, why, and what to do."""

    id: str
    level: Level
    object: str
    seen: str
    why: str
    fix: str
    group: str = ""  # pods of one workload say the same thing once

    def to_dict(self) -> dict[str, str]:
        """The shape of `findings` in the JSON output."""
        return {
            "id": self.id,
            "level": self.level,
            "object": self.object,
            "seen": self.seen,
            "why": self.why,
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Report:
    """What was found about a release, or about values before they are installed."""

    subject: str
    mode: Literal["release", "preflight"]
    namespace: str
    findings: tuple[Finding, ...]
    healthy: str  # what is well, in one line
    not_asked: tuple[str, ...] = ()  # what the user may not read, each with what is not known for it
    load: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def first_line(self) -> str:
        """The cause of the worst finding, or what is well."""
        return f"{self.subject}: {self.findings[0].why if self.findings else self.healthy}"

    def with_load(self, answered: tuple[Mapping[str, Any], ...], found: Iterable[Finding]) -> Report:
        """The same with what a load check measured."""
        return replace(self, load=answered, findings=in_order([*self.findings, *found]))

    def to_dict(self) -> dict[str, Any]:
        """The document that `doctor --json` prints."""
        return {
            "schema": SCHEMA,
            "mode": self.mode,
            "subject": self.subject,
            "namespace": self.namespace,
            "summary": self.first_line,
            "findings": [finding.to_dict() for finding in self.findings],
            "not_asked": list(self.not_asked),
            "load": [dict(entry) for entry in self.load],
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors before warnings, causes before what follows from them; what pods of one workload share, once."""
    found = sorted(findings, key=lambda one: (one.level, ORDER[one.id], one.object))
    shared: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in found:
        key = (finding.level, finding.id, finding.group or finding.object, finding.why)
        shared.setdefault(key, []).append(finding)
    return tuple(_merged(same) for same in shared.values())


def _merged(same: list[Finding]) -> Finding:
    first, others = same[0], len({one.object for one in same}) - 1
    if not others:
        return first
    return replace(first, object=f"{first.object} and {others} more of {first.group or 'its kind'}")


def translated(reason: Reason, level: Level, where: str, seen: str, group: str = "") -> Finding:
    """A reason, whose code is an id of `RULES`, as the finding about an object."""
    return Finding(reason.code, level, where, seen, reason.message, reason.fix, group)
