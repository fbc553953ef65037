"""What a check sees and what it says: the objects of one render, and findings about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Manifest(dict[str, Any]):
    """One rendered object, a plain dictionary that also knows its template."""

    source: str = ""

    @property
    def kind(self) -> str:
        """The kind, or "?" for an object without one (the schema check reports it)."""
        return str(self.get("kind", "?"))

    @property
    def name(self) -> str:
        """The name, or "?" for an object without one."""
        metadata = self.get("metadata")
        return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"

    @property
    def group(self) -> str:
        """The API group; "" for the core group."""
        version = str(self.get("apiVersion", ""))
        return version.partition("/")[0] if "/" in version else ""

    @property
    def spec(self) -> dict[str, Any]:
        """The spec; empty for an object without one."""
        spec = self.get("spec")
        return spec if isinstance(spec, dict) else {}


@dataclass(frozen=True)
class Finding:
    """One broken rule of one object: where it is, what is wrong, what to do."""

    check: str
    object: str
    message: str
    fix: str
    source: str = ""

    def __str__(self) -> str:
        """Name the object, what is wrong, what to do, and the check."""
        return f"{self.object}: {self.message}; {self.fix} [{self.check}]"


@dataclass(frozen=True)
class Pod:
    """A pod or a workload's pod template."""

    owner: Manifest
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    per_replica: int = 1
    """How many of it one replica of the owner has: a group has several workers."""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Every container: init, main and ephemeral."""
        keys = ("initContainers", "containers", "ephemeralContainers")
        return [container for key in keys for container in self.spec.get(key) or []]


# Where the pod templates of a kind are.
TEMPLATES: dict[str, tuple[tuple[str, ...], ...]] = {
    "Deployment": (("spec", "template"),),
    "StatefulSet": (("spec", "template"),),
    "DaemonSet": (("spec", "template"),),
    "ReplicaSet": (("spec", "template"),),
    "Job": (("spec", "template"),),
    "CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
    ),
}
# Workloads that keep their pods running; a Job's pods serve nobody.
SERVING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "LeaderWorkerSet")


def group(item: Manifest) -> dict[str, Any]:
    """The leaderWorkerTemplate of a LeaderWorkerSet; empty for another kind."""
    return item.spec.get("leaderWorkerTemplate") or {}


def claim_templates(item: Manifest) -> list[dict[str, Any]]:
    """The claims that every pod of a StatefulSet or LeaderWorkerSet gets."""
    return item.spec.get("volumeClaimTemplates") or group(item).get("volumeClaimTemplates") or []


@dataclass(frozen=True)
class Manifests:
    """The objects of one render, and what the caller says exists outside of it."""

    objects: tuple[Manifest, ...]
    kube_version: str = "1.37"
    external: frozenset[str] = frozenset()
    crds: tuple[Path, ...] = field(default=())

    def of(self, *kinds: str) -> list[Manifest]:
        """Every object of these kinds."""
        return [item for item in self.objects if item.kind in kinds]

    def get(self, kind: str, name: str) -> Manifest | None:
        """The object of this kind and name, if it is rendered."""
        return next((item for item in self.of(kind) if item.name == name), None)

    def is_external(self, kind: str, name: str) -> bool:
        """Whether the caller declared that this object exists already."""
        return f"{kind}/{name}" in self.external

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """The pods and pod templates of all objects."""
        found = []
        for item in self.objects:
            if item.kind == "Pod":
                found.append(_pod(item, item))
            for path in TEMPLATES.get(item.kind, ()):
                template: Any = item
                for key in path:
                    template = template.get(key) or {} if isinstance(template, dict) else {}
                if template:
                    found.append(_pod(item, template, _per_replica(item, path[-1])))
        return tuple(found)


def _pod(owner: Manifest, template: Mapping[str, Any], per_replica: int = 1) -> Pod:
    metadata = template.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return Pod(owner, labels, template.get("spec") or {}, per_replica, annotations)


def _per_replica(owner: Manifest, template: str) -> int:
    if template != "workerTemplate":
        return 1
    # Without a template of its own the leader is made from the workers'.
    return int(group(owner).get("size", 1)) - int("leaderTemplate" in group(owner))


Run = Callable[[Manifests], Iterator[tuple[Manifest, str]]]


@dataclass(frozen=True)
class Check:
    """One rule: its id, the sentence that states it, what to do about a finding, and the code."""

    id: str
    sentence: str
    fix: str
    run: Run

    def findings(self, manifests: Manifests) -> Iterator[Finding]:
        """Everything in these manifests that breaks the rule."""
        for item, message in self.run(manifests):
            yield Finding(self.id, f"{item.kind}/{item.name}", message, self.fix, item.source)
