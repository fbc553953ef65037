"""No two rules of a release claim the same requests, and every rule lets some through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


class Match(NamedTuple):
    """What requests a rule claims: a host ("*" for any), a path as JSON and header conditions as JSON."""

    host: str
    path: str
    headers: frozenset[str]

    def __str__(self) -> str:
        """Say it as a person would."""
        more = f" with {', '.join(sorted(self.headers))}" if self.headers else ""
        return f"{self.path} of {self.host}{more}"


def _of_httproute(item: Manifest) -> Iterator[Match]:
    for rule in item.spec.get("rules") or []:
        for match in rule.get("matches") or [{}]:
            path = match.get("path") or {"type": "PathPrefix", "value": "/"}
            headers = frozenset(json.dumps(entry, sort_keys=True) for entry in match.get("headers") or [])
            more = {key: value for key, value in match.items() if key not in ("path", "headers")}
            headers |= {json.dumps(more, sort_keys=True)} if more else frozenset()
            for host in item.spec.get("hostnames") or ["*"]:
                yield Match(host, f"{path.get('type')} {path.get('value')}", headers)


def _of_ingress(item: Manifest) -> Iterator[Match]:
    for rule in item.spec.get("rules") or []:
        for path in (rule.get("http") or {}).get("paths") or []:
            where = f"{path.get('pathType')} {path.get('path')}"
            yield Match(rule.get("host") or "*", where, frozenset())


def _of_virtual_service(item: Manifest) -> Iterator[Match]:
    for rule in item.spec.get("http") or []:
        for match in rule.get("match") or [{}]:
            conditions = {key: value for key, value in match.items() if key != "uri"}
            headers = conditions.pop("headers", {})
            told = [{"header": name, **value} for name, value in headers.items()]
            told += [{key: value} for key, value in conditions.items()]
            uri = match.get("uri") or {"prefix": "/"}
            for host in item.spec.get("hosts") or ["*"]:
                where = " ".join(f"{kind} {value}" for kind, value in uri.items())
                yield Match(host, where, frozenset(json.dumps(entry, sort_keys=True) for entry in told))


_MATCHES = {"HTTPRoute": _of_httproute, "Ingress": _of_ingress, "VirtualService": _of_virtual_service}


def _covers(first: Match, later: Match) -> bool:
    """Whether everything that `later` claims is claimed by `first`, where the first rule wins."""
    kind, _, value = first.path.partition(" ")
    other, _, path = later.path.partition(" ")
    wider = first.path == later.path or (
        kind == "prefix" and other in ("prefix", "exact") and path.startswith(value)
    )
    return first.host == later.host and wider and first.headers <= later.headers


def _backends(item: Manifest) -> Iterator[list[dict[str, Any]]]:
    for rule in item.spec.get("rules") or []:
        yield rule.get("backendRefs") or []
    for rule in item.spec.get("http") or []:
        yield rule.get("route") or []


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for kind, matches in _MATCHES.items():
        seen: dict[Match, Manifest] = {}
        for item in manifests.of(kind):
            before: list[Match] = []
            for match in matches(item):
                if match in seen:
                    yield item, f"claims {match}, which {kind}/{seen[match].name} does too"
                elif kind == "VirtualService" and any(_covers(first, match) for first in before):
                    yield item, f"claims {match} after a rule that takes all of these requests"
                before.append(match)
                seen.setdefault(match, item)
    for item in manifests.of("HTTPRoute", "VirtualService"):
        for backends in _backends(item):
            if backends and not any(backend.get("weight", 1) for backend in backends):
                yield item, "has a rule whose weights are all 0: no request gets through"


CHECK = Check(
    id="route-matches",
    sentence="No two routes of a kind claim the same requests, and no rule has only weights of 0.",
    fix="tell them apart by host, path or headers, put the more special rule first, or weigh the backends of one rule",
    run=_run,
)
