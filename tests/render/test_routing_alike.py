"""Every kind of routing does with a request what the abstract routes say, or refuses them."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.render import routing_kinds
from tests.render.routing_kinds import KINDS, Answer, Request

from charttest.helm import HelmError

if TYPE_CHECKING:
    from charttest.plugin import Chart

SOURCE = {"source": {"uri": "hf://org/model"}}
# Models of one prefix serve a common name, those of different prefixes none.
MODELS: dict[str, Any] = {
    "a": {**SOURCE, "servedNames": ["x"], "variants": {"canary": {}}},
    "b": {**SOURCE, "servedNames": ["x"]},
    "c": {**SOURCE, "servedNames": ["z"], "variants": {"canary": {}}},
    "d": {**SOURCE, "servedNames": ["z", "w"]},
    "e": SOURCE,
    "f": {**SOURCE, "variants": {"canary": {}}},
}
PREFIXES = {"": ("a", "b"), "/p": ("c", "d"), "/p/q.r": ("e",), "/v": ("f",)}
HEADERS: list[dict[str, Any]] = [
    {},
    {"x-long": "true"},
    {"x-tier": {"regex": "gold|silver"}},
    {"x-long": {"exact": "true"}, "x-tier": "gold"},
]
REQUESTS = [
    Request(host, path, headers)
    for host, path, headers in product(
        ("one.example.com", "two.example.com", "three.example.com"),
        ("/v1/chat/completions", "/p/v1/models", "/p/q.r/v1/x", "/p/qxr/v1/x", "/v/v1/x", "/v1x/y", "/p", "/metrics", "/p/health"),
        ({}, {"x-long": "true"}, {"x-tier": "silver"}, {"x-tier": "golden"}, {"x-long": "true", "x-tier": "gold"}),
    )
]  # fmt: skip
# What a kind must be able to do for the routes that are generated here.
ABLE = {
    "gateway": {"prefix", "headers", "weight", "variants"},
    "istio": {"prefix", "headers", "weight", "variants"},
    "inferencePool": {"prefix", "headers", "weight"},
    "ingress/traefik": {"prefix"},
    "ingress/nginx": {"prefix"},
    "ingress/haproxy": {"prefix"},
    "ingress/contour": set[str](),
}


@st.composite
def targets(draw: st.DrawFn, able: set[str]) -> dict[str, Any]:
    """The models of a route, with what a kind of these abilities has, and now and then with more."""
    if draw(st.integers(0, 4)) == 0:
        able = ABLE["gateway"]
    prefixes = draw(
        st.lists(st.sampled_from([*PREFIXES] if "prefix" in able else [""]), min_size=1, unique=True)
    )
    found: dict[str, Any] = {}
    for prefix in prefixes:
        conditions = HEADERS if "headers" in able else HEADERS[:1]
        for headers in draw(st.lists(st.sampled_from(conditions), min_size=1, unique_by=str)):
            names = draw(st.permutations(PREFIXES[prefix]))
            split = len(names) > 1 and "weight" in able and draw(st.booleans())
            first = draw(st.integers(0, 100))
            for model, weight in zip(names, [first, 100 - first] if split else [None], strict=False):
                entry: dict[str, Any] = {"prefix": prefix, "headers": headers, "weight": weight}
                if "variants" in MODELS[model] and "variants" in able and draw(st.booleans()):
                    share = draw(st.integers(0, 100))
                    entry["variants"] = {"main": share, "canary": 100 - share}
                # The small form where it can be: the model's own name, and only what is there.
                entry = {key: value for key, value in entry.items() if value not in (None, "", {})}
                key = model if model not in found else f"rule-{len(found)}"
                found[key] = entry if key == model else {**entry, "model": model}
    return found


@st.composite
def routings(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(KINDS))
    hosts = draw(st.sampled_from([[["one.example.com"]], [["one.example.com", "two.example.com"]],
                                  [["one.example.com"], ["two.example.com"]]]))  # fmt: skip
    models = targets(ABLE[kind])
    return kind, {
        f"r{number}": {"hosts": names, "models": draw(models)} for number, names in enumerate(hosts)
    }


def meant(routes: dict[str, Any], request: Request) -> Answer | None:
    """What the abstract routes say about a request."""
    claims: dict[tuple[int, str], list[tuple[str, dict[str, Any]]]] = {}
    for route in routes.values():
        for key, target in route["models"].items():
            prefix, headers = target.get("prefix", ""), target.get("headers", {})
            conditions = {name: _condition(match) for name, match in headers.items()}
            if (
                request.host in route["hosts"]
                and request.path.startswith(f"{prefix}/v1/")
                and all(
                    re.fullmatch(regex, request.headers.get(name, "\0")) for name, regex in conditions.items()
                )
            ):
                claims.setdefault((-len(conditions), str(sorted(conditions))), []).append((key, target))
    if not claims:
        return None
    shares: dict[tuple[str, str], Fraction] = {}
    entries = claims[min(claims)]
    for key, target in entries:
        part = Fraction(target.get("weight", 100), 100)
        for variant, share in target.get("variants", {"": 100}).items():
            owner = target.get("model", key), variant
            if part * share:
                shares[owner] = shares.get(owner, Fraction(0)) + part * Fraction(share, 100)
    return Answer(shares, request.path.removeprefix(entries[0][1].get("prefix", "")))


def _condition(match: str | dict[str, str]) -> str:
    if isinstance(match, str):
        return re.escape(match)
    return match["regex"] if "regex" in match else re.escape(match["exact"])


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a failing case is short, and making it shorter takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(routing=routings())
def test_every_kind_leads_requests_as_the_routes_say_or_refuses_them(
    chart: Chart, routing: tuple[str, dict[str, Any]]
) -> None:
    kind, routes = routing
    pickers = {"endpointPickers": {name: f"{name}-epp" for name in MODELS}}
    values = routing_kinds.settings(kind, routes=routes, inferencePool=pickers)
    used = {key for route in routes.values() for target in route["models"].values() for key in target} - {
        "model"
    }
    external = [f"Service/{name}-epp" for name in MODELS]
    if used - ABLE[kind]:
        with pytest.raises(HelmError, match="has no"):
            chart.render({"models": MODELS, "routing": values}, external=external)
        return
    rendered = chart.render({"models": MODELS, "routing": values}, external=external)
    for request in REQUESTS:
        assert routing_kinds.answer(rendered, request) == meant(routes, request), request
