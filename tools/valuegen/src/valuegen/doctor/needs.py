"""What the objects of a release need that is not among them: kinds, names that they refer to, room on nodes."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from valuegen.doctor.claims import claims_of
from valuegen.doctor.objects import Object, name
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOOK = "helm.sh/hook"
# Where a kind of the cluster's own keeps pod templates, by path below the object.
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
}


@dataclass(frozen=True)
class Reference:
    """A name that something refers to."""

    kind: str
    name: str
    by: str  # who refers to it
    key: str = ""  # of a Secret or ConfigMap
    namespace: str = ""  # where it is not the release's

    @property
    def title(self) -> str:
        """Under which its answer is kept."""
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Pods:
    """Pods that are made alike: of a workload, a Job or a group."""

    of: str
    spec: Object = field(repr=False)
    replicas: int


@dataclass(frozen=True)
class Needs:
    """What a rendered release needs of a cluster."""

    kinds: tuple[tuple[str, str], ...]  # apiVersion and kind, without what the release brings CRDs for
    references: tuple[Reference, ...]
    pods: tuple[Pods, ...]
    claims: tuple[Object, ...]  # that it makes
    metrics: tuple[tuple[str, str], ...]  # API group of metrics, and the scaler that reads it
    made: frozenset[tuple[str, str]]


def needs_of(objects: Iterable[Object]) -> Needs:
    """What a release needs. What is only made for `helm test` is left out."""
    items = [item for item in objects if "test" not in _hooks(item)]
    made = frozenset(each for item in items for each in ((item["kind"], name(item)), *_made_later(item)))
    brought = {
        (item["spec"]["group"], item["spec"]["names"]["kind"])
        for item in items
        if item["kind"] == "CustomResourceDefinition"
    }
    kinds = {
        (item["apiVersion"], item["kind"]): None
        for item in items
        if (item["apiVersion"].rpartition("/")[0], item["kind"]) not in brought
    }
    pods = [found for item in items for found in pods_of(item)]
    references = [one for each in pods for one in pod_references(each)]
    references += [one for item in items for one in object_references(item)]
    outside = dict.fromkeys(one for one in references if (one.kind, one.name) not in made or one.namespace)
    claims = [item for item in items if item["kind"] == "PersistentVolumeClaim"]
    claims += [claim for item in items for claim in _templates_of_claims(item)]
    metrics = dict.fromkeys(one for item in items for one in metric_groups(item))
    return Needs(tuple(kinds), tuple(outside), tuple(pods), tuple(claims), tuple(metrics), made)


def _hooks(item: Object) -> str:
    return str((item["metadata"].get("annotations") or {}).get(HOOK, ""))


def pods_of(item: Object) -> Iterator[Pods]:
    """The pods of a workload; an absent number of replicas is a scaler's, which begins with at least one."""
    where = f"{item['kind']}/{name(item)}"
    spec = item.get("spec") or {}
    replicas = spec.get("replicas", 1)
    if item["kind"] == "Pod":
        yield Pods(where, spec, 1)
    elif item["kind"] in TEMPLATES:
        yield Pods(
            where, spec["template"]["spec"], spec.get("parallelism", 1) if item["kind"] == "Job" else replicas
        )
    elif item["kind"] == "LeaderWorkerSet":
        group = spec["leaderWorkerTemplate"]
        worker = group["workerTemplate"]["spec"]
        leader = (group.get("leaderTemplate") or {}).get("spec") or worker
        yield Pods(f"{where}, leader", leader, replicas)
        if group.get("size", 1) > 1:
            yield Pods(f"{where}, worker", worker, replicas * (group["size"] - 1))


def pod_references(pods: Pods) -> Iterator[Reference]:
    """The Secrets, ConfigMaps, claims, classes and accounts that a pod names, but for optional ones."""
    spec, by = pods.spec, pods.of
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        yield from _variables(container, by)
    for volume in spec.get("volumes") or ():
        secret = volume.get("secret") or {}
        yield from _key({**secret, "name": secret.get("secretName")}, "Secret", by)
        yield from _key(volume.get("configMap"), "ConfigMap", by)
        yield from _named(volume.get("csi"), "driver", "CSIDriver", by)
    for claim in claims_of(spec):
        yield Reference("PersistentVolumeClaim", claim, by)
    for secret in spec.get("imagePullSecrets") or ():
        yield Reference("Secret", secret["name"], by)
    yield from _named(spec, "priorityClassName", "PriorityClass", by)
    yield from _named(spec, "runtimeClassName", "RuntimeClass", by)
    if spec.get("serviceAccountName") != "default":
        yield from _named(spec, "serviceAccountName", "ServiceAccount", by)
    for claim in spec.get("resourceClaims") or ():
        yield from _named(claim, "resourceClaimName", "ResourceClaim", by)
        yield from _named(claim, "resourceClaimTemplateName", "ResourceClaimTemplate", by)


def _variables(container: Object, by: str) -> Iterator[Reference]:
    for entry in container.get("env") or ():
        source = entry.get("valueFrom") or {}
        yield from _key(source.get("secretKeyRef"), "Secret", by)
        yield from _key(source.get("configMapKeyRef"), "ConfigMap", by)
    for entry in container.get("envFrom") or ():
        yield from _key(entry.get("secretRef"), "Secret", by)
        yield from _key(entry.get("configMapRef"), "ConfigMap", by)


def _named(source: Object | None, key: str, kind: str, by: str) -> Iterator[Reference]:
    if source and source.get(key):
        yield Reference(kind, source[key], by)


def _key(source: Any, kind: str, by: str) -> Iterator[Reference]:
    if source and source.get("name") and not source.get("optional"):
        yield Reference(kind, source["name"], by, source.get("key", ""))


def object_references(item: Object) -> Iterator[Reference]:
    """What routes, scalers, volumes and templates of device claims name."""
    kind, spec, by = item["kind"], item.get("spec") or {}, f"{item['kind']}/{name(item)}"
    if kind == "HTTPRoute":
        for parent in spec.get("parentRefs") or ():
            if parent.get("kind", "Gateway") == "Gateway":
                yield Reference("Gateway", parent["name"], by, namespace=parent.get("namespace", ""))
    elif kind == "Ingress":
        if spec.get("ingressClassName"):
            yield Reference("IngressClass", spec["ingressClassName"], by)
        issued = any("cert-manager.io/" in key for key in item["metadata"].get("annotations") or {})
        for entry in () if issued else spec.get("tls") or ():
            if entry.get("secretName"):
                yield Reference("Secret", entry["secretName"], by)
    elif kind == "PersistentVolume" and (spec.get("csi") or {}).get("driver"):
        yield Reference("CSIDriver", spec["csi"]["driver"], by)
    elif kind == "ResourceClaimTemplate":
        for request in spec["spec"].get("devices", {}).get("requests") or ():
            exactly = request.get("exactly") or request
            if exactly.get("deviceClassName"):
                yield Reference("DeviceClass", exactly["deviceClassName"], by)


def _templates_of_claims(item: Object) -> Iterator[Object]:
    spec = item.get("spec") or {}
    templates = spec.get("volumeClaimTemplates") or spec.get("leaderWorkerTemplate", {}).get(
        "volumeClaimTemplates"
    )
    for template in templates or ():
        yield {**template, "kind": "PersistentVolumeClaim"}


def _made_later(item: Object) -> Iterator[tuple[str, str]]:
    """The claims that a StatefulSet makes for its pods, by the names that they will have."""
    if item["kind"] == "StatefulSet":
        for template in item["spec"].get("volumeClaimTemplates") or ():
            for number in range(item["spec"].get("replicas", 1)):
                yield "PersistentVolumeClaim", f"{name(template)}-{name(item)}-{number}"


def metric_groups(item: Object) -> Iterator[tuple[str, str]]:
    """The API groups of metrics that a scaler reads."""
    by = f"{item['kind']}/{name(item)}"
    if item["kind"] == "ScaledObject":
        yield "external.metrics.k8s.io", by
    elif item["kind"] == "HorizontalPodAutoscaler":
        kinds = {metric["type"] for metric in item["spec"].get("metrics") or ()}
        for group, types in (
            ("custom.metrics.k8s.io", {"Pods", "Object"}),
            ("external.metrics.k8s.io", {"External"}),
            ("metrics.k8s.io", {"Resource", "ContainerResource"}),
        ):
            if kinds & types:
                yield group, by
