"""A route leads to what exists, at a port it has: HTTPRoutes, Ingresses, Istio's objects and InferencePools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from charttest.checks.model import Check, Manifest, Manifests
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
_ISSUERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")


class Target(NamedTuple):
    """What a route leads to; `port` is a number or a name of a Service's port, or nothing."""

    kind: str
    name: str
    port: int | str | None = None


def _of_httproute(item: Manifest) -> Iterator[Target]:
    for rule in item.spec.get("rules") or []:
        for backend in rule.get("backendRefs") or []:
            if "namespace" not in backend:
                yield Target(backend.get("kind", "Service"), str(backend.get("name")), backend.get("port"))


def _of_ingress(item: Manifest) -> Iterator[Target]:
    rules = item.spec.get("rules") or []
    paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or []]
    backends = [path.get("backend") or {} for path in paths] + [item.spec.get("defaultBackend") or {}]
    for service in (backend["service"] for backend in backends if backend.get("service")):
        port = service.get("port") or {}
        yield Target("Service", str(service.get("name")), port.get("number") or port.get("name"))
    annotations = item["metadata"].get("annotations") or {}
    if not any(issuer in annotations for issuer in _ISSUERS):
        for entry in item.spec.get("tls") or []:
            if entry.get("secretName"):
                yield Target("Secret", entry["secretName"])


def _of_virtual_service(item: Manifest) -> Iterator[Target]:
    for rule in item.spec.get("http") or []:
        for route in rule.get("route") or []:
            destination = route.get("destination") or {}
            if "." not in str(destination.get("host")):  # else it is of another namespace, or no Service
                port = (destination.get("port") or {}).get("number")
                yield Target("Service", str(destination.get("host")), port)


def _of_destination_rule(item: Manifest) -> Iterator[Target]:
    if "." not in str(item.spec.get("host")):
        yield Target("Service", str(item.spec.get("host")))


def _of_pool(item: Manifest) -> Iterator[Target]:
    picker = item.spec.get("endpointPickerRef") or {}
    port = (picker.get("port") or {}).get("number")
    yield Target(picker.get("kind", "Service"), str(picker.get("name")), port)


def _of_objective(item: Manifest) -> Iterator[Target]:
    pool = item.spec.get("poolRef") or {}
    yield Target(pool.get("kind", "InferencePool"), str(pool.get("name")))


_TARGETS = {
    "HTTPRoute": _of_httproute,
    "Ingress": _of_ingress,
    "VirtualService": _of_virtual_service,
    "DestinationRule": _of_destination_rule,
    "InferencePool": _of_pool,
    "InferenceObjective": _of_objective,
}


def _without_backend(item: Manifest) -> Iterator[str]:
    for rule in item.spec.get("rules") or []:
        redirects = any(entry.get("type") == "RequestRedirect" for entry in rule.get("filters") or [])
        if item.kind == "HTTPRoute" and not rule.get("backendRefs") and not redirects:
            yield "has a rule without a backend: every request gets a 500"


def _of_middlewares(manifests: Manifests, item: Manifest) -> Iterator[str]:
    """Traefik names a Middleware as <namespace>-<name>@kubernetescrd, and the namespace is not in the manifest."""
    named = (
        (item["metadata"].get("annotations") or {}).get(_MIDDLEWARES, "") if item.kind == "Ingress" else ""
    )
    made = [middleware.name for middleware in manifests.of("Middleware")]
    for entry in filter(None, (part.strip() for part in named.split(","))):
        full, _, provider = entry.partition("@")
        known = any(full.endswith(f"-{name}") for name in made) or manifests.is_external("Middleware", full)
        if provider == "kubernetescrd" and not known:
            yield f"names the Middleware {full}, which is neither rendered nor declared external"


def _pods_of_pool(manifests: Manifests, item: Manifest) -> Iterator[str]:
    if item.kind != "InferencePool":
        return
    selector: dict[str, Any] = (item.spec.get("selector") or {}).get("matchLabels") or {}
    pods = [pod for pod in manifests.pods if matches(selector, pod.labels)]
    if not pods:
        yield f"its selector {selector} matches no pod of this release"
    for pod in pods:
        ports = [entry.get("containerPort") for each in pod.containers for entry in each.get("ports") or []]
        for port in (entry.get("number") for entry in item.spec.get("targetPorts") or []):
            if port not in ports:
                yield f"leads to port {port} of {pod.owner.kind}/{pod.owner.name}, which has {ports}"


def _at(manifests: Manifests, target: Target) -> Iterator[str]:
    kind, name, port = target
    if manifests.is_external(kind, name):
        return
    found = manifests.get(kind, name)
    if found is None:
        yield f"leads to {kind}/{name}, which is neither rendered nor declared external"
    elif kind == "Service" and port is not None:
        ports = found.spec.get("ports") or []
        if not any(port in (entry.get("port"), entry.get("name")) for entry in ports):
            yield f"leads to port {port} of Service/{name}, which has {[entry.get('port') for entry in ports]}"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of(*_TARGETS):
        told = [*_without_backend(item), *_of_middlewares(manifests, item), *_pods_of_pool(manifests, item)]
        for target in dict.fromkeys(_TARGETS[item.kind](item)):
            told.extend(_at(manifests, target))
        for message in told:
            yield item, message


CHECK = Check(
    id="routes",
    sentence="Whatever a route or a pool leads to is rendered or declared external, and has the port.",
    fix="correct the name or the port, or declare it with --external KIND/NAME",
    run=_run,
)
