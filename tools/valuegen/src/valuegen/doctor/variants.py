"""Whether a Workload Variant Autoscaler decides for the variants of a release: it runs, reads them, and leads.

What each version reads is in the sources of its controller, 0.9.0 and 0.7.0: internal/utils/variant.go,
internal/controller/predicates.go and internal/config/loader.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.objects import Object, conditions, labels, moment, name, one_line, owner, title
from valuegen.errors import Reason
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

CONTROLLERS = "controllers of variants"  # as which its Deployments are asked for
LEASES = "leases of controllers"
NAME = "workload-variant-autoscaler"
SELECTOR = f"app.kubernetes.io/name={NAME}"
INSTANCE = "wva.llmd.ai/controller-instance"
LEASE_IDS = ("72dd1cf1.llm-d.ai",)  # upstream's own; charts/wva takes the Deployment's name
LEASE_SECONDS = 60  # where the controller is not told another duration
WATCHED_GROUPS = {  # that a controller watches, and ends without -> what brings them
    "inference.networking.k8s.io": "the Gateway API Inference Extension",
    "inference.networking.x-k8s.io": "the Gateway API Inference Extension",
    "monitoring.coreos.com": "the Prometheus Operator",
}
ANNOTATIONS, OBJECTS = "annotations", "variantautoscaling"  # as scaling.wvaApi has them
WRITTEN = {ANNOTATIONS: "annotations of scalers", OBJECTS: "VariantAutoscaling objects"}
VERSIONS = {ANNOTATIONS: "0.9", OBJECTS: "0.7"}
WHO = "the Workload Variant Autoscaler"
Obstacle = tuple[str, str, str]  # why nobody decides, the next step, and what is seen


@dataclass(frozen=True)
class Controller:
    """One controller, as its Deployment describes it."""

    item: Object
    namespace: str
    is_new: bool = False  # made by the release that is to be installed

    @property
    def title(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{name(self.item)}"

    @property
    def _container(self) -> Object:
        found: Object = self.item["spec"]["template"]["spec"]["containers"][0]
        return found

    def flag(self, flag: str) -> str:
        """What follows --flag= in its arguments; empty without it."""
        given = (*(self._container.get("command") or ()), *(self._container.get("args") or ()))
        values = [text.partition("=")[2] for text in given if text.startswith(f"--{flag}=")]
        return values[-1] if values else ""

    def variable(self, variable: str) -> str:
        """The value of an environment variable; empty without one."""
        found = [each for each in self._container.get("env") or () if each["name"] == variable]
        return str(found[-1].get("value", "")) if found else ""

    @property
    def version(self) -> str:
        """Its version by label, else by image; empty where neither tells one."""
        told = labels(self.item).get("app.kubernetes.io/version", "")
        for text in (told, str(self._container.get("image", "")).rpartition(":")[2]):
            if re.match(r"v?\d+\.\d+", text):
                return text.removeprefix("v")
        return ""

    @property
    def reads(self) -> frozenset[str]:
        """How variants must be written for it; an unknown version may read either, and 0.8 does."""
        found = re.match(r"0\.(\d+)", self.version)
        minor = int(found[1]) if found else 8
        return frozenset(api for api, fits in ((ANNOTATIONS, minor >= 8), (OBJECTS, minor <= 8)) if fits)

    @property
    def watched(self) -> str:
        """The only namespace that it watches; empty: all."""
        return self.flag("watch-namespace")

    @property
    def instance(self) -> str:
        """The only instance whose objects it takes; empty: all."""
        return self.variable("CONTROLLER_INSTANCE")

    @property
    def is_ready(self) -> bool:
        """Whether a pod of it runs; one that is yet to be made counts."""
        return self.is_new or bool((self.item.get("status") or {}).get("readyReplicas"))

    def leads(self, leases: Iterable[Object], now: datetime) -> bool:
        """Whether a pod of it holds its lease, which each of them needs before it decides."""
        if self.is_new or self.flag("leader-elect") != "true":
            return True
        seconds = int(self.flag("leader-election-lease-duration").removesuffix("s") or LEASE_SECONDS)
        for lease in leases:
            spec = lease.get("spec") or {}
            mine = lease["metadata"].get("namespace") == self.namespace
            if mine and name(lease) in (name(self.item), *LEASE_IDS) and spec.get("holderIdentity"):
                return (now - moment(spec.get("renewTime"))).total_seconds() <= 2 * seconds
        return False


def controllers_of(items: Iterable[Object], namespace: str, *, are_new: bool = False) -> list[Controller]:
    """The controllers among Deployments."""
    return [
        Controller(item, item["metadata"].get("namespace", namespace), are_new)
        for item in items
        if item["kind"] == "Deployment" and labels(item).get("app.kubernetes.io/name") == NAME
    ]


def variants_of(items: Iterable[Object]) -> list[tuple[str, Object]]:
    """What a controller shall decide about, with how it is written."""
    found = []
    for item in items:
        if item["kind"] == "VariantAutoscaling":
            found.append((OBJECTS, item))
        elif item["kind"] in ("HorizontalPodAutoscaler", "ScaledObject") and owner(item)[0] != "ScaledObject":
            marks = item["metadata"].get("annotations") or {}
            if marks.get("llm-d.ai/managed") == "true":
                found.append((ANNOTATIONS, item))
    return found


@dataclass(frozen=True)
class Deciders:
    """Every controller that could decide about a namespace, and what tells whether it does."""

    controllers: tuple[Controller, ...]
    leases: tuple[Object, ...] | None  # of their namespaces; None where they may not be read
    namespace: str
    now: datetime

    def undecided(self, variants: Iterable[tuple[str, Object]]) -> Iterator[Finding]:
        """Variants that no controller decides about, with what keeps the nearest one from it."""
        for api, item in variants:
            found = self._obstacle(api, item)
            if found is not None:
                why, fix, seen = found
                yield translated(
                    Reason("no-controller", why, fix), "error", title(item), seen, "the variants"
                )

    def _obstacle(self, api: str, item: Object) -> Obstacle | None:
        if not self.controllers:
            return (
                "no Workload Variant Autoscaler is installed, so nobody decides the replicas of its variants",
                "install charts/wva (docs/wva.md), or set wva.enabled: true",
                f"no Deployment of the cluster has the label {SELECTOR}",
            )
        reading = [each for each in self.controllers if api in each.reads]
        if not reading:
            one = self.controllers[0]
            (other,) = one.reads
            return (
                f"{WHO} {one.title} reads {WRITTEN[other]}, and the release has {WRITTEN[api]}",
                f"set scaling.wvaApi: {other}, or install version {VERSIONS[api]}",
                f"its version is {one.version}",
            )
        instance = labels(item).get(INSTANCE, "")
        mine = [
            each
            for each in reading
            if each.watched in ("", self.namespace) and each.instance in ("", instance)
        ]
        return self._idle(mine) if mine else self._out_of_reach(reading[0], instance)

    def _out_of_reach(self, one: Controller, instance: str) -> Obstacle:
        if one.watched not in ("", self.namespace):
            return (
                f"{WHO} {one.title} watches the namespace {one.watched} only",
                f"install one for {self.namespace} (docs/wva.md, several controllers)",
                f"--watch-namespace={one.watched}",
            )
        return (
            f"{WHO} {one.title} decides about objects of its instance {one.instance} only",
            f"set scaling.wvaInstance: {one.instance}",
            f"the label {INSTANCE} is {instance or 'not there'}",
        )

    def _idle(self, mine: list[Controller]) -> Obstacle | None:
        ready = [each for each in mine if each.is_ready]
        if not ready:
            return (
                f"{WHO} {mine[0].title} has no pod that is ready",
                "does it reach Prometheus, and is there the CRD InferencePool? See its log, and docs/wva.md",
                "its Deployment has 0 ready replicas",
            )
        leases = self.leases
        if leases is not None and not any(each.leads(leases, self.now) for each in ready):
            return (
                f"no pod of {WHO} {ready[0].title} leads, so none decides",
                "may its account write leases in its namespace? See its log",
                "no lease of it is held and renewed",
            )
        return None


def unsatisfied(items: Iterable[Object]) -> Iterator[Finding]:
    """VariantAutoscalings of which their controller says that it cannot decide (0.7 keeps conditions)."""
    for item in items:
        found = conditions(item)
        for kind in ("TargetResolved", "MetricsAvailable", "OptimizationReady"):
            each = found.get(kind, {})
            if each.get("status") == "False":
                why = f"the variant {name(item)} is not decided about: {each.get('reason', kind)}"
                fix = "does Prometheus have the engines' series, with the label llm_d_ai_variant? see docs/wva.md"
                said = f"{kind} False: {one_line(each.get('message', ''))}"
                yield translated(Reason("scaler", why, fix), "error", title(item), said)
                break


def watched_groups(controllers: Iterable[Controller]) -> dict[str, Controller]:
    """The API groups that controllers which are yet to be made need, each with the first that needs it."""
    found: dict[str, Controller] = {}
    for each in controllers:
        groups = [each.variable("POOL_GROUP") or "inference.networking.k8s.io"]
        groups += ["monitoring.coreos.com"] if each.reads == {OBJECTS} else []
        for group in groups:
            found.setdefault(group, each)
    return found


def lacking_groups(groups: dict[str, Controller], known: Iterable[str]) -> Iterator[Finding]:
    """API groups without which a controller ends soon after its start."""
    for group in sorted(set(groups) - set(known)):
        why = f"the Workload Variant Autoscaler watches {group}, which the cluster does not know, and ends without"
        fix = f"install {WATCHED_GROUPS.get(group, f'what brings the CRDs of {group}')}"
        yield translated(
            Reason("missing-kind", why, fix), "error", title(groups[group].item), f"it has no {group}"
        )
