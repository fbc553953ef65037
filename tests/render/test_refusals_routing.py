"""What a kind of routing cannot express, and routes that contradict themselves, are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.routing_kinds import KINDS, settings

from charttest.helm import HelmError, helm

if TYPE_CHECKING:
    from charttest.plugin import Chart

SOURCE = {"source": {"uri": "hf://org/model"}}
MODELS: dict[str, Any] = {"a": {**SOURCE, "variants": {"canary": {}}}, "b": SOURCE}
PICKERS = {"endpointPickers": {"a": "a-epp", "b": "b-epp"}}


def refusal(chart: Chart, values: dict[str, Any], major: int = 4) -> list[str]:
    with pytest.raises(HelmError) as error:
        chart.render(values, helm=helm(major))
    first, *lines = [line.strip() for line in error.value.output.splitlines()]
    assert first == "vllm-stack cannot render these values:"
    return lines


# Routes with everything in them.
EVERYTHING: dict[str, Any] = {
    "one": {
        "hosts": ["one.example.com"],
        "timeouts": {"requestSeconds": 20, "backendSeconds": 10, "silenceSeconds": 5},
        "retries": {"attempts": 1},
        "rateLimit": {"requestsPerSecond": 5, "burst": 9, "per": "host"},
        "tls": {"secretName": "cert", "issuer": "ca"},
        "maxBodyMebibytes": 8,
        "models": {
            "a": {"prefix": "/a", "headers": {"x-long": "true"}, "variants": {"main": 50, "canary": 50}},
            "b": {"weight": 100},
        },
    },
    "two": {"hosts": ["two.example.com"], "tls": {"clusterIssuer": "ca"}, "models": {"b": {}}},
}
# What is said of each feature, after the route and before the name of the kind, and after it.
WORDS = {
    "prefix": ("one.models.a.prefix", "path rewrites; set a route with hosts of its own for each model"),
    "headers": ("one.models.a.headers", "header matches; set kind: gateway or istio"),
    "weight": ("one.models.b.weight", "weights; set kind: gateway or istio"),
    "variants": ("one.models.a.variants", "weights of variants; set kind: gateway or istio"),
    "timeouts.requestSeconds": (
        "one.timeouts.requestSeconds",
        "limit for a whole answer; set null, or kind: gateway",
    ),
    "timeouts.backendSeconds": (
        "one.timeouts.backendSeconds",
        "limit for one try; set null, or kind: gateway",
    ),
    "timeouts.silenceSeconds": (
        "one.timeouts.silenceSeconds",
        "limit of silence; set null, and a timeout of the gateway or controller itself",
    ),
    "retries.attempts": ("one.retries.attempts", "retries{because}; set null"),
    "rateLimit.requestsPerSecond": (
        "one.rateLimit.requestsPerSecond",
        "rate limits; set null, and a policy of your gateway in extraObjects",
    ),
    "rateLimit.burst": ("one.rateLimit.burst", "bursts above a rate limit; set null"),
    "rateLimit.per": ("one.rateLimit.per", "rate limit for all clients of a host together; set client"),
    "tls.secretName": (
        "one.tls.secretName",
        "certificates in routes; set the certificate at the listener of the Gateway",
    ),
    "tls.issuer": (
        "one.tls.issuer",
        "certificates in routes; set the certificate at the listener of the Gateway",
    ),
    "tls.clusterIssuer": (
        "two.tls.clusterIssuer",
        "certificates in routes; set the certificate at the listener of the Gateway",
    ),
    "maxBodyMebibytes": ("one.maxBodyMebibytes", "limit for the body of a request; set null"),
}
TLS = {"tls.secretName", "tls.issuer", "tls.clusterIssuer"}
RATE = {"rateLimit.requestsPerSecond", "rateLimit.burst", "rateLimit.per"}
SILENCE = {"timeouts.silenceSeconds"}
BODY = {"maxBodyMebibytes"}
MATCHES = {"headers", "weight", "variants"}
WHOLE = {"timeouts.requestSeconds", "timeouts.backendSeconds"}
LACKS: dict[str, set[str]] = {
    "gateway": TLS | RATE | SILENCE | BODY | {"retries.attempts"},
    "ingress/traefik": MATCHES | WHOLE | SILENCE | BODY,
    "ingress/nginx": MATCHES | WHOLE | {"retries.attempts", "rateLimit.per"},
    "ingress/haproxy": MATCHES | WHOLE | BODY | {"retries.attempts", "rateLimit.burst", "rateLimit.per"},
    "ingress/contour": MATCHES | RATE | SILENCE | BODY | {"prefix", "timeouts.backendSeconds"},
    "istio": TLS | RATE | SILENCE | BODY,
    "inferencePool": TLS | RATE | SILENCE | BODY | {"retries.attempts", "variants"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_cannot_express_is_refused_by_name(chart: Chart, kind: str) -> None:
    said = refusal(
        chart, {"models": MODELS, "routing": settings(kind, routes=EVERYTHING, inferencePool=PICKERS)}
    )
    label = kind.replace("ingress/", "ingress with ")
    because = "" if kind.startswith("ingress") else " (GEP-1731 is not in its standard channel)"
    wanted = []
    for feature in LACKS[kind]:
        path, words = WORDS[feature]
        wanted.append(f"routing.routes.{path}: kind {label} has no {words.format(because=because)}")
    assert sorted(said) == sorted(wanted)


def test_the_documented_table_is_the_one_of_the_refusals(chart: Chart) -> None:
    table = yaml.safe_load((chart.path / "files/routing.yaml").read_text())
    assert table["kinds"] == list(KINDS)
    assert {name: set(KINDS) - set(feature["in"]) for name, feature in table["features"].items()} == {
        name: {kind for kind in KINDS if name in LACKS[kind]} for name in WORDS
    }
    document = (chart.path.parents[1] / "docs/routing.md").read_text()
    names = " | ".join(kind.removeprefix("ingress/") for kind in KINDS)
    rows = [
        f"| `{name}` | {' | '.join('no' if name in LACKS[kind] else 'yes' for kind in KINDS)} |"
        for name in WORDS
    ]
    assert "\n".join([f"| feature | {names} |", f"|{'---|' * (len(KINDS) + 1)}", *rows, ""]) in document


def llm(models: dict[str, Any], **route: Any) -> dict[str, Any]:
    return {"routes": {"llm": {"models": models, **route}}}


def two(models: dict[str, Any], **route: Any) -> dict[str, Any]:
    return {"routes": {name: {"models": models, **route} for name in ("one", "two")}}


COLLIDING = {"endpointPickers": {"x": "x-epp", "x-y": "y-epp"}, "tiers": {"y-z": 1, "z": 1}}
HALVES = {"main": 50, "canary": 50}
MANY = {f"rule-{number}": {"model": "b", "prefix": f"/p{number}"} for number in range(17)}
# The kind, what is under routing, and everything that is said about it.
CONTRADICTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "ingress/",
        llm({"b": {}}),
        [
            "routing.ingress.controller: each controller has annotations of its own; set traefik, nginx, haproxy or contour"
        ],
    ),
    (
        "istio",
        {**llm({"b": {}}), "istio": {"gateways": []}},
        ["routing.istio.gateways: kind istio needs a Gateway; set [namespace/name]"],
    ),
    (
        "istio",
        {**llm({"b": {}}), "istio": {"gateways": ["a/b"], "loadBalancer": "RANDOM", "hashHeader": "x-id"}},
        ['routing.istio.hashHeader: the hash of a header decides alone; set loadBalancer: ""'],
    ),
    (
        "inferencePool",
        {**llm({"b": {}}), "gateway": {"parentRefs": []}, "inferencePool": PICKERS},
        ["routing.gateway.parentRefs: kind inferencePool needs a Gateway; set [{name: …, namespace: …}]"],
    ),
    (
        "inferencePool",
        llm({"b": {}}),
        [
            "routing.inferencePool.endpointPickers.b: a routed model needs an endpoint picker of its own; set the name"
            " of its Service"
        ],
    ),
    (
        "inferencePool",
        {**llm({"x": {}, "x-y": {"prefix": "/y"}}), "inferencePool": COLLIDING},
        [
            "routing.inferencePool.tiers.z: its objective of the model x-y has the name of another one, r-x-y-z; rename"
            " the tier"
        ],
    ),
    ("gateway", llm({}), ["routing.routes.llm.models: is empty; set the models that it leads to"]),
    (
        "gateway",
        {"routes": {"L_M": {"models": {"b": {}}}}},
        ["routing.routes.L_M: the name is no DNS-1035 label; rename it"],
    ),
    (
        "gateway",
        llm({"b": {}, "long": {"model": "c"}}),
        ["routing.routes.llm.models.long.model: no enabled model has this name; set one of: a, b"],
    ),
    (
        "gateway",
        llm({"a": {"variants": {"main": 90, "test": 10}}}),
        [
            "routing.routes.llm.models.a.variants.test: the model a has no enabled variant of this name; set one of:"
            " canary, main"
        ],
    ),
    (
        "gateway",
        llm({"a": {"variants": {"main": 90, "canary": 5}}}),
        ["routing.routes.llm.models.a.variants: the weights sum to 95; set 100 in all"],
    ),
    (
        "gateway",
        llm({"b": {"weight": 60}}),
        ["routing.routes.llm: the weights of b sum to 60; set 100 in all"],
    ),
    (
        "gateway",
        llm({"b": {"weight": 60}, "c": {"model": "b"}, "d": {"model": "b"}}),
        [
            "routing.routes.llm.models.c.weight: b, c, d share requests by weight; set one here too, 100 in all",
            "routing.routes.llm.models.d.weight: b, c, d share requests by weight; set one here too, 100 in all",
        ],
    ),
    (
        "gateway",
        llm({"a": {"weight": 60}, "b": {"weight": 40}}),
        [
            "routing.routes.llm: a, b share requests, but no name that all of them serve; set the same servedNames"
        ],
    ),
    (
        "gateway",
        llm(
            {
                "b": {"headers": {"x-long": "true"}},
                "c": {"model": "b", "headers": {"x-long": {"exact": "true"}}},
            }
        ),
        [
            'routing.routes.llm.models.c.prefix: "" is also the prefix of b; set another one, for example /c, or headers,'
            " or a weight for each"
        ],
    ),
    *[
        (
            "gateway",
            llm({"b": {"prefix": prefix}}),
            [
                f'routing.routes.llm.models.b.prefix: "{prefix}" has a part that is v1, . or .., so its paths are not its'
                " own; set another one"
            ],
        )
        for prefix in ("/v1", "/a/v1/b", "/a/..", "/.")
    ],
    (
        "gateway",
        two({"b": {}}, hosts=["a.example.com"]),
        [
            "routing.routes.two: requests for /v1 of a.example.com with the same headers are those of"
            " routing.routes.one; set another host, prefix or headers"
        ],
    ),
    (
        "gateway",
        two({"b": {"prefix": "/b"}}),
        [
            "routing.routes.two: requests for /b/v1 of every host with the same headers are those of"
            " routing.routes.one; set another host, prefix or headers"
        ],
    ),
    *[
        (
            kind,
            {
                "routes": {
                    "one": {"hosts": ["a.example.com"], "models": {"a": {}}},
                    "two": {"hosts": ["a.example.com"], "models": {"b": {"prefix": "/b"}}},
                }
            },
            [
                f"routing.routes.two.hosts: a.example.com is also of routing.routes.one, and kind {label} takes one route"
                " for a host; put the models into one route"
            ],
        )
        for kind, label in (("istio", "istio"), ("ingress/nginx", "ingress with nginx"))
    ],
    (
        "gateway",
        llm({"b": {}}, timeouts={"requestSeconds": 10, "backendSeconds": 20}),
        [
            "routing.routes.llm.timeouts.backendSeconds: one try of 20 s cannot last longer than the request of 10 s; set"
            " requestSeconds or less"
        ],
    ),
    (
        "istio",
        llm({"b": {}}, timeouts={"backendSeconds": 20}),
        [
            "routing.routes.llm.timeouts.backendSeconds: kind istio limits a try only where there are several; set"
            " retries.attempts, or requestSeconds instead"
        ],
    ),
    (
        "ingress/traefik",
        llm({"b": {}}, rateLimit={"burst": 20}),
        ["routing.routes.llm.rateLimit.burst: there is no rate to exceed; set rateLimit.requestsPerSecond"],
    ),
    (
        "ingress/traefik",
        llm({"b": {}}, tls={"issuer": "ca"}),
        ["routing.routes.llm.hosts: a certificate needs names; set the hosts"],
    ),
    (
        "ingress/traefik",
        llm({"b": {}}, tls={"issuer": "ca", "clusterIssuer": "ca"}, hosts=["a.example.com"]),
        ["routing.routes.llm.tls: issuer and clusterIssuer exclude each other; set one of them to null"],
    ),
    (
        "ingress/traefik",
        {**llm({"b": {}}), "defaults": {"timeouts": {"requestSeconds": 60}}},
        [
            "routing.defaults.timeouts.requestSeconds: kind ingress with traefik has no limit for a whole answer; set"
            " null, or kind: gateway"
        ],
    ),
    (
        "gateway",
        llm(MANY),
        ["routing.routes.llm: 17 rules, and an HTTPRoute has room for 16; set a second route"],
    ),
    (
        "gateway",
        llm({"b": {}}, hosts=[f"h{number}.example.com" for number in range(17)]),
        ["routing.routes.llm: 17 hosts, and an HTTPRoute has room for 16; set a second route"],
    ),
    (
        "gateway",
        llm({f"rule-{number}": {"model": "b", "weight": 100 if number == 0 else 0} for number in range(17)}),
        [
            "routing.routes.llm: 17 models and variants share requests, and an HTTPRoute has room for 16; set fewer"
        ],
    ),
]


@pytest.mark.parametrize(
    ("kind", "routing", "lines"),
    CONTRADICTIONS,
    ids=[f"{case[0]}: {case[2][0].partition(';')[0][:60]}" for case in CONTRADICTIONS],
)
def test_routes_that_contradict_themselves_are_refused(
    chart: Chart, kind: str, routing: dict[str, Any], lines: list[str]
) -> None:
    used = {"x": SOURCE, "x-y": SOURCE} if routing.get("inferencePool") is COLLIDING else MODELS
    assert refusal(chart, {"models": used, "routing": settings(kind, **routing)}) == lines


def test_a_kind_that_speaks_plain_http_is_refused_before_an_engine_with_tls(chart: Chart) -> None:
    model = {**SOURCE, "tls": {"existingSecret": "tls"}}
    routing = {"kind": "istio", "istio": {"gateways": ["public"]}, "routes": {"r": {"models": {"t": {}}}}}
    assert refusal(chart, {"models": {"t": model}, "routing": routing}) == [
        "routing.routes.r.models.t: the engine of t speaks TLS, and kind istio sends plain HTTP; set kind: gateway"
        " with a BackendTLSPolicy in extraObjects, or end TLS before the engine"
    ]


def test_a_route_to_an_engine_without_v1_is_refused(chart: Chart) -> None:
    gateway = {"kind": "gateway", "gateway": {"parentRefs": [{"name": "public"}]}}
    routing = {**gateway, "routes": {"llm": {"models": {"t": {}}}}}
    assert refusal(chart, {"models": {"t": {**SOURCE, "engine": "triton"}}, "routing": routing}) == [
        "routing.routes.llm.models.t: the engine of t answers under /v2, and routes publish /v1 only; set a route of"
        " your own in extraObjects"
    ]


def test_the_service_of_a_variant_takes_no_name_that_is_taken(chart: Chart) -> None:
    models = {**MODELS, "a-canary-only": SOURCE}
    routing = settings("gateway", **llm({"a": {"variants": HALVES}}))
    assert refusal(chart, {"models": models, "routing": routing}) == [
        "models.a.variants.canary: the name of its own Service, r-a-canary-only, is already that of"
        " models.a-canary-only; rename one of them"
    ]


def test_a_route_gives_no_share_to_a_variant_that_prefills(chart: Chart) -> None:
    split = {**SOURCE, "role": "decode", "variants": {"early": {"role": "prefill"}, "other": {}}}
    routing = settings("gateway", **llm({"a": {"variants": {"main": 90, "early": 10}}}))
    assert refusal(chart, {"models": {"a": split}, "routing": routing}) == [
        "routing.routes.llm.models.a.variants.early: the variant has the role prefill, which reads prompts for the"
        " decoders and answers no client; remove it, and weigh variants of the role decode"
    ]
    routing = settings("gateway", **llm({"a": {"variants": {"main": 90, "other": 10}}}))
    assert chart.render({"models": {"a": split}, "routing": routing}).find("HTTPRoute")


# A value of the wrong type or out of range at a path under `routing`, and what the schema says.
TYPES: list[tuple[str, Any, str]] = [
    ("kind", "nginx", "value must be one of 'none', 'gateway', 'ingress', 'istio', 'inferencePool'"),
    (
        "ingress/controller",
        "ingress-nginx",
        "value must be one of '', 'traefik', 'nginx', 'haproxy', 'contour'",
    ),
    ("istio/gateways/0", "a/b/c", "does not match pattern"),
    ("istio/loadBalancer", "LEAST_CONN", "value must be one of '', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM'"),
    ("inferencePool/failureMode", "Open", "value must be one of 'FailOpen', 'FailClose'"),
    ("inferencePool/tiers/chat", "high", "got string, want integer"),
    ("routes/llm/hosts/0", "https://llm.example.com", "does not match pattern"),
    ("routes/llm/timeouts/requestSeconds", 0, "minimum: got 0, want 1"),
    ("routes/llm/timeouts/backendSeconds", "10s", "got string, want null or integer"),
    ("routes/llm/retries/attempts", -1, "minimum: got -1, want 0"),
    ("routes/llm/rateLimit/per", "user", "value must be one of 'client', 'host'"),
    ("routes/llm/models/b/prefix", "/b/", "does not match pattern"),
    ("routes/llm/models/b/weight", 101, "maximum: got 101, want 100"),
    ("routes/llm/models/b/variants/main", 0.5, "got number, want null or integer"),
    ("routes/llm/models/b/headers/x-long", True, "got boolean, want null or string or object"),
    ("routes/llm/models/b/headers/x-tier", {"prefix": "g"}, "additional properties 'prefix' not allowed"),
]


def test_a_value_of_the_wrong_type_or_range_is_refused_with_its_path(chart: Chart) -> None:
    routing: dict[str, Any] = {}
    for path, value, _ in TYPES:
        *parents, key = path.split("/")
        place = routing
        for part in parents:
            place = place.setdefault(part, {})
        place[key] = value
    routing["istio"]["gateways"] = list(routing["istio"]["gateways"].values())
    routing["routes"]["llm"]["hosts"] = list(routing["routes"]["llm"]["hosts"].values())
    with pytest.raises(HelmError) as error:
        chart.render({"models": MODELS, "routing": routing})
    for path, _, message in TYPES:
        lines = [line for line in error.value.output.splitlines() if f"at '/routing/{path}'" in line]
        assert lines, f"{path} is not refused:\n{error.value.output}"
        assert message in lines[0]


def test_an_inference_pool_without_its_section_is_refused_by_key(chart: Chart) -> None:
    routing = settings("inferencePool", inferencePool=None, routes={"llm": {"models": {"b": {}}}})
    assert refusal(chart, {"models": MODELS, "routing": routing}) == [
        "routing.inferencePool.endpointPickers.b: a routed model needs an endpoint picker of its own; "
        "set the name of its Service"
    ]
