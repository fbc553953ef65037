"""What the gateway of each kind does with a request, read from the rendered objects alone."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from charttest.checks import Manifest
    from charttest.render import Rendered

KINDS = (
    "gateway",
    "ingress/traefik",
    "ingress/nginx",
    "ingress/haproxy",
    "ingress/contour",
    "istio",
    "inferencePool",
)


class Request(NamedTuple):
    """What a client sends; header names are in lower case."""

    host: str
    path: str
    headers: Mapping[str, str] = {}


class Answer(NamedTuple):
    """Where a request goes: the share of each (model, variant), "" for all variants, and the path that the engine sees."""

    shares: Mapping[tuple[str, str], Fraction]
    path: str


def settings(kind: str, **routing: Any) -> dict[str, Any]:
    """The values under `routing` for this kind, such as ingress/traefik, with all that it needs beside the routes."""
    name, _, controller = kind.partition("/")
    return {
        "kind": name,
        "gateway": {"parentRefs": [{"name": "public"}]},
        "ingress": {"controller": controller},
        "istio": {"gateways": ["istio-ingress/public"]},
        **routing,
    }


def answer(rendered: Rendered, request: Request) -> Answer | None:
    """What happens to a request; None where nothing takes it."""
    for find in (_httproutes, _ingresses, _virtual_services):
        if found := find(rendered, request):
            return found
    return None


def _owner(rendered: Rendered, kind: str, name: str) -> tuple[str, str]:
    selector = rendered.one(kind, name).spec["selector"]
    labels = selector.get("matchLabels", selector)
    return labels["vllm-stack.io/model"], labels.get("vllm-stack.io/variant", "")


def _shares(backends: list[tuple[tuple[str, str], int]]) -> dict[tuple[str, str], Fraction]:
    total = sum(weight for _, weight in backends)
    shares: dict[tuple[str, str], Fraction] = {}
    for owner, weight in backends:
        if weight:
            shares[owner] = shares.get(owner, Fraction(0)) + Fraction(weight, total)
    return shares


def _under(path: str, prefix: str) -> bool:
    """Whether a path is under a prefix, part by part."""
    return path == prefix.rstrip("/") or path.startswith(prefix.rstrip("/") + "/")


def _httproutes(rendered: Rendered, request: Request) -> Answer | None:
    found: list[tuple[int, int, int, dict[str, Any]]] = []
    for item in rendered.find("HTTPRoute"):
        if request.host in item.spec.get("hostnames", [request.host]):
            for rule in item.spec["rules"]:
                (match,) = rule["matches"]
                assert match["path"]["type"] == "PathPrefix"
                headers = match.get("headers", [])
                if _under(request.path, match["path"]["value"]) and all(
                    _has(request, entry["name"], entry["value"], entry["type"] == "Exact")
                    for entry in headers
                ):
                    found.append((-len(match["path"]["value"]), -len(headers), len(found), rule))
    if not found:
        return None
    rule = min(found, key=lambda entry: entry[:3])[3]
    path = request.path
    for entry in rule.get("filters", []):
        prefix = rule["matches"][0]["path"]["value"]
        path = entry["urlRewrite"]["path"]["replacePrefixMatch"] + path.removeprefix(prefix)
    refs = rule["backendRefs"]
    backends = [
        (_owner(rendered, ref.get("kind", "Service"), ref["name"]), ref.get("weight", 1)) for ref in refs
    ]
    return Answer(_shares(backends), path)


def _has(request: Request, name: str, value: str, exact: bool) -> bool:
    sent = request.headers.get(name)
    return sent is not None and (sent == value if exact else re.fullmatch(value, sent) is not None)


def _ingresses(rendered: Rendered, request: Request) -> Answer | None:
    found: list[tuple[int, int, Manifest, dict[str, Any]]] = []
    for item in rendered.find("Ingress"):
        for rule in item.spec["rules"]:
            for path in rule["http"]["paths"] if rule.get("host", request.host) == request.host else []:
                assert path["pathType"] == "Prefix"
                if _under(request.path, path["path"]):
                    found.append((len(path["path"]), len(found), item, path))
    if not found:
        return None
    _, _, item, path = max(found, key=lambda entry: entry[:2])
    service = path["backend"]["service"]["name"]
    owner = _owner(rendered, "Service", service)
    return Answer({owner: Fraction(1)}, _rewritten(rendered, item, path["path"], service, request.path))


def _rewritten(rendered: Rendered, item: Manifest, prefix: str, service: str, path: str) -> str:
    """The path after what the annotations of a controller say about it."""
    annotations = item["metadata"].get("annotations", {})
    for name in annotations.get("traefik.ingress.kubernetes.io/router.middlewares", "").split(","):
        found = rendered.find("Middleware", name.partition("@")[0].removeprefix("default-"))
        for replace in (
            entry.spec["replacePathRegex"] for entry in found if "replacePathRegex" in entry.spec
        ):
            path = re.sub(replace["regex"], replace["replacement"].replace("$", "\\"), path)
    for entry in filter(None, annotations.get("nginx.org/rewrites", "").split(";")):
        name, _, start = entry.partition(" rewrite=")
        if name == f"serviceName={service}":
            path = start + path.removeprefix(prefix)
    for line in annotations.get("haproxy.org/path-rewrite", "").splitlines():
        regex, _, replacement = line.partition(" ")
        path = re.sub(regex, replacement, path)
    return path


def _virtual_services(rendered: Rendered, request: Request) -> Answer | None:
    for item in rendered.find("VirtualService"):
        if request.host in item.spec["hosts"] or item.spec["hosts"] == ["*"]:
            for rule in item.spec["http"]:
                (match,) = rule["match"]
                prefix = match["uri"]["prefix"]
                if request.path.startswith(prefix) and all(_conditions(request, match)):
                    path = rule.get("rewrite", {}).get("uri", prefix) + request.path.removeprefix(prefix)
                    backends = [
                        (_owner(rendered, "Service", entry["destination"]["host"]), entry.get("weight", 1))
                        for entry in rule["route"]
                    ]
                    return Answer(_shares(backends), path)
    return None


def _conditions(request: Request, match: dict[str, Any]) -> Iterator[bool]:
    for name, condition in match.get("headers", {}).items():
        ((how, value),) = condition.items()
        yield _has(request, name, value, exact=how == "exact")
