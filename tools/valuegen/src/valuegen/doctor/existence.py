"""Whether what values name is there: kinds, controllers, classes, Secrets, claims, gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from valuegen.doctor.claims import class_problem
from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.objects import is_true, name
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valuegen.doctor.asking import Answer
    from valuegen.doctor.needs import Needs, Reference

# API group -> what installs it.
BRINGS = {
    "leaderworkerset.x-k8s.io": "LeaderWorkerSet",
    "keda.sh": "KEDA",
    "gateway.networking.k8s.io": "the Gateway API and a controller for it",
    "inference.networking.k8s.io": "the Gateway API Inference Extension",
    "inference.networking.x-k8s.io": "the Gateway API Inference Extension",
    "networking.istio.io": "Istio",
    "security.istio.io": "Istio",
    "traefik.io": "Traefik",
    "monitoring.coreos.com": "the Prometheus Operator",
    "llmd.ai": "the CRD of charts/wva (docs/wva.md)",
    "resource.k8s.io": "a Kubernetes with dynamic resource allocation (1.34)",
}
METRICS = {
    "external.metrics.k8s.io": "KEDA (or an adapter) serves it",
    "custom.metrics.k8s.io": "prometheus-adapter serves it: see docs/scaling.md",
    "metrics.k8s.io": "metrics-server serves it",
}
LWS_WEBHOOK = "vleaderworkerset.kb.io"  # without its controller the CRD does nothing

# Kind -> where one is asked for by name, and what to do when it is not there.
PLACES = {
    "Secret": ("api/v1/namespaces/{namespace}/secrets/{name}", "create it, or correct existingSecret"),
    "ConfigMap": ("api/v1/namespaces/{namespace}/configmaps/{name}", "create it"),
    "PersistentVolumeClaim": (
        "api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}",
        "create it, or correct claimName or source.uri",
    ),
    "ServiceAccount": (
        "api/v1/namespaces/{namespace}/serviceaccounts/{name}",
        "create it, or set serviceAccount.create",
    ),
    "ResourceClaim": ("apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims/{name}", "create it"),
    "ResourceClaimTemplate": (
        "apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates/{name}",
        "create it, or correct accelerator.claims",
    ),
    "DeviceClass": (
        "apis/resource.k8s.io/v1/deviceclasses/{name}",
        "install the driver of the devices, or correct accelerator.claims",
    ),
    "PriorityClass": (
        "apis/scheduling.k8s.io/v1/priorityclasses/{name}",
        "create it, or correct scheduling.priorityClassName",
    ),
    "RuntimeClass": (
        "apis/node.k8s.io/v1/runtimeclasses/{name}",
        "create it, or correct scheduling.runtimeClassName",
    ),
    "IngressClass": (
        "apis/networking.k8s.io/v1/ingressclasses/{name}",
        "install the controller, or correct routing.ingress",
    ),
    "CSIDriver": ("apis/storage.k8s.io/v1/csidrivers/{name}", "install the storage driver"),
    "Gateway": (
        "apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways/{name}",
        "create it, or correct routing.gateway.parentRefs",
    ),
}


def kinds_path(api: str) -> str:
    """Where the cluster lists the kinds of an apiVersion."""
    return f"/apis/{api}" if "/" in api else f"/api/{api}"


def reference_path(one: Reference, namespace: str) -> str:
    """Where an object that is referred to would be."""
    where, _ = PLACES[one.kind]
    return "/" + where.format(namespace=quote(one.namespace or namespace), name=quote(one.name))


def lacking_kinds(needs: Needs, answers: Mapping[str, Answer]) -> Iterator[Finding]:
    """Kinds that the cluster does not know: Helm would end before it makes anything."""
    for api, kind in needs.kinds:
        answer = answers[f"kind {api} {kind}"]
        known = {each["kind"] for each in answer.document.get("resources") or ()}
        if answer.problem == "denied" or kind in known:
            continue
        group = api.rpartition("/")[0]
        fix = f"install {BRINGS[group]}" if group in BRINGS else f"install what brings the CRDs of {group}"
        why = f"the cluster does not know the kind {kind} of {api}"
        text = f"it knows {len(known)} kinds of {api}" if known else f"it has no {api}"
        yield translated(Reason("missing-kind", why, fix), "error", f"{api} {kind}", text)


def lacking_controllers(needs: Needs, answers: Mapping[str, Answer]) -> Iterator[Finding]:
    """CRDs that are there while nothing acts on them, and metrics that nobody serves."""
    kinds = {kind for _, kind in needs.kinds}
    hooks = {
        hook["name"] for item in answers["webhooks"].items for hook in item.get("webhooks") or ()
    }  # fmt: skip
    if "LeaderWorkerSet" in kinds and not answers["webhooks"].problem and LWS_WEBHOOK not in hooks:
        why = "no LeaderWorkerSet controller is installed, so nothing makes the pods of a group"
        fix = "install LeaderWorkerSet; its CRD alone does nothing"
        text = f"no webhook {LWS_WEBHOOK}, which its controller brings"
        yield translated(Reason("no-controller", why, fix), "error", "LeaderWorkerSet", text)
    if answers["apiservices"].problem:
        return
    served = {item["spec"].get("group"): is_true(item, "Available") for item in answers["apiservices"].items}
    for group, by in needs.metrics:
        if not served.get(group):
            why = f"nobody serves the metrics that {by} reads ({group})"
            text = "its APIService is not Available" if group in served else "there is no APIService for it"
            yield translated(Reason("no-controller", why, METRICS[group]), "error", by, text)


def lacking_references(needs: Needs, answers: Mapping[str, Answer], namespace: str) -> Iterator[Finding]:
    """Names that lead nowhere, Secrets without the key that is read, and gateways that are not programmed."""
    for one in needs.references:
        answer = answers[one.title]
        where = f"{one.kind}/{one.name}"
        if answer.problem == "absent":
            rule = {
                "Secret": "missing-secret",
                "ConfigMap": "missing-secret",
                "PersistentVolumeClaim": "claim",
            }
            inside = (
                f" in namespace {one.namespace or namespace}" if "{namespace}" in PLACES[one.kind][0] else ""
            )
            why = f"the {one.kind} {one.name} does not exist{inside}"
            reason = Reason(rule.get(one.kind, "missing-object"), why, PLACES[one.kind][1])
            yield translated(reason, "error", where, f"{one.by} refers to it")
        elif not answer.problem:
            yield from _unfit(one, answer, where)


def _unfit(one: Reference, answer: Answer, where: str) -> Iterator[Finding]:
    """An object that is there, and not as it is needed."""
    item = answer.document
    if one.key:
        keys = {**(item.get("data") or {}), **(item.get("binaryData") or {})}
        if one.key not in keys:
            why = f"the {one.kind} {one.name} has no key {one.key}"
            text = f"{one.by} reads it; there are {', '.join(sorted(keys)) or 'none'}"
            yield translated(Reason("missing-secret", why, "add the key"), "error", where, text)
    if one.kind == "Gateway" and not is_true(item, "Programmed"):
        why = f"no controller has programmed the Gateway {one.name}"
        fix = "does the controller of its gatewayClassName run? `kubectl describe gateway`"
        yield translated(Reason("no-controller", why, fix), "error", where, "Programmed is not True")


def lacking_classes(
    needs: Needs, answers: Mapping[str, Answer], made: set[tuple[str, str]]
) -> Iterator[Finding]:
    """Claims that the values make, and that no class makes a volume for."""
    if answers["storageclasses"].problem:
        return
    classes = answers["storageclasses"].items
    for claim in needs.claims:
        wanted = claim["spec"].get("storageClassName")
        if ("StorageClass", wanted or "") in made:
            continue
        reason = class_problem(name(claim), wanted, classes, bool(claim["spec"].get("volumeName")))
        if reason is not None:
            yield translated(reason, "error", f"PersistentVolumeClaim/{name(claim)}", "the values make it")
