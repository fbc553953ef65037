"""An API server takes every kind of route with everything in it that the kind has: rules in CEL are not checked offline."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.routing_kinds import KINDS, settings
from tests.render.test_refusals_routing import EVERYTHING, LACKS

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.release import Releases

BODY = {"source": {"uri": "hf://org/model"}, "servedNames": ["llm"], "replicas": 0}
MODELS: dict[str, Any] = {"a": {**BODY, "variants": {"canary": {}}}, "b": BODY}
POLICIES = {
    "gateways": ["istio-ingress/public", "mesh"],
    "hashHeader": "x-session-id",
    "outlierDetection": {"consecutive5xxErrors": 3, "interval": "10s", "baseEjectionTime": "60s"},
    "connectionPool": {"tcp": {"maxConnections": 100}, "http": {"http1MaxPendingRequests": 10}},
}
POOLS: dict[str, dict[str, Any]] = {
    "endpointPickers": {"a": "a-epp", "b": "b-epp"},
    "tiers": {"chat": 10, "batch": -10},
}
ROUTED = "httproutes,ingresses,middlewares.traefik.io,virtualservices,destinationrules,inferencepools,inferenceobjectives"


def everything(kind: str) -> dict[str, Any]:
    """The routes with all that this kind has."""
    routes: dict[str, Any] = deepcopy(EVERYTHING)
    for route in routes.values():
        for feature in LACKS[kind]:
            part, _, key = feature.partition(".")
            if key:
                route.get(part, {}).pop(key, None)
            for place in (route, *route["models"].values()) if not key else ():
                place.pop(part, None)
    if "prefix" in LACKS[kind]:
        del routes["one"]["models"]["a"]
    if "weight" not in LACKS[kind]:
        shares = {"variants": {"main": 0, "canary": 100}} if "variants" not in LACKS[kind] else {}
        regex = {"x-tier": {"regex": "gold|silver"}, "x-long": "true"}
        routes["one"]["models"] |= {
            "b": {"weight": 30},
            "rest": {"model": "a", "weight": 70, **shares},
            "tier": {"model": "b", "prefix": "/tier", "headers": regex},
        }
        routes["three"] = {"hosts": ["*.example.org"], "models": {"b": {}}}
    return routes


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_takes_all_that_a_kind_has(chart: Chart, release_factory: Releases, kind: str) -> None:
    release = release_factory()
    routing = settings(kind, routes=everything(kind), istio=POLICIES, inferencePool=POOLS)
    values = {"models": MODELS, "routing": routing}
    if "weight" in LACKS[kind]:  # models of different prefixes share no name
        values = {
            "models": {name: {**body, "servedNames": []} for name, body in MODELS.items()},
            "routing": routing,
        }
    external = [*(f"Service/{name}" for name in POOLS["endpointPickers"].values()), "Secret/cert"]
    rendered = chart.render(values, release=release.name, namespace=release.namespace, external=external)
    release.install(values, wait=False)
    there = {f"{item['kind']}/{item['metadata']['name']}" for item in release.get(ROUTED)}
    kinds = {name.partition("/")[0] for name in there}
    assert there == {name for name in rendered.names() if name.partition("/")[0] in kinds}
    assert {"HTTPRoute", "Ingress", "VirtualService"} & kinds
