"""An HTTPRoute leads to a Service that exists, at a port it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


def _backends(item: Manifest) -> Iterator[dict[str, Any]]:
    for rule in item.spec.get("rules") or []:
        yield from rule.get("backendRefs") or []


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("HTTPRoute"):
        for rule in item.spec.get("rules") or []:
            redirects = any(entry.get("type") == "RequestRedirect" for entry in rule.get("filters") or [])
            if not rule.get("backendRefs") and not redirects:
                yield item, "has a rule without a backend: every request gets a 500"
        for backend in _backends(item):
            kind, name, port = backend.get("kind", "Service"), str(backend.get("name")), backend.get("port")
            if manifests.is_external(kind, name) or "namespace" in backend:
                continue
            target = manifests.get(kind, name)
            if target is None:
                yield item, f"leads to {kind}/{name}, which is neither rendered nor declared external"
            elif kind == "Service":
                ports = [entry.get("port") for entry in target.spec.get("ports") or []]
                if port not in ports:
                    yield item, f"leads to port {port} of Service/{name}, which has {ports}"


CHECK = Check(
    id="routes",
    sentence="Every backend of an HTTPRoute has that port and is rendered or declared external.",
    fix="correct the backend's name or port, or declare it with --external Service/NAME",
    run=_run,
)
