"""What each kind of routing renders beside the way of a request: limits, streams, certificates, Services of variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.routing_kinds import KINDS, Request, answer, settings
from tests.render.test_notes import notes

from charttest.checks import Manifests
from charttest.checks.selectors import matches
from charttest.helm import helm

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.render import Rendered

SOURCE = {"source": {"uri": "hf://org/model"}}
MODELS: dict[str, Any] = {"a": {**SOURCE, "variants": {"canary": {}}}, "b": SOURCE}
PICKERS = {"endpointPickers": {"a": "a-epp", "b": "b-epp"}}
HOST = "llm.example.com"
HALVES = {"main": 90, "canary": 10}
EXTERNAL = ["Service/a-epp", "Service/b-epp", "Secret/cert"]


def routed(
    chart: Chart, kind: str, models: dict[str, Any] | None = None, root: Any = None, **route: Any
) -> Rendered:
    """The render of one route of this kind; `root` are other values under `routing`."""
    routes = {"llm": {"hosts": [HOST], "models": models or {"a": {}}, **route}}
    routing = settings(kind, **{"inferencePool": PICKERS, **(root or {})}, routes=routes)
    return chart.render({"models": MODELS, "routing": routing}, external=EXTERNAL)


def annotated(rendered: Rendered) -> dict[str, str]:
    found: dict[str, str] = rendered.one("Ingress")["metadata"].get("annotations", {})
    return found


# What vLLM 0.33.0 serves without asking for a key, and what is none of the API's paths.
UNPUBLISHED = [
    "/",
    "/metrics",
    "/health",
    "/ping",
    "/load",
    "/version",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/tokenize",
    "/detokenize",
    "/tokenizer_info",
    "/invocations",
    "/pooling",
    "/classify",
    "/score",
    "/rerank",
    "/v2/rerank",
    "/server_info",
    "/sleep",
    "/wake_up",
    "/is_sleeping",
    "/collective_rpc",
    "/reset_prefix_cache",
    "/scale_elastic_ep",
    "/is_scaling_elastic_ep",
    "/abort_requests",
    "/v10",
    "/v1x/models",
    "/v1metrics",
]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_v1_is_published(chart: Chart, kind: str) -> None:
    models = {"a": {}} if kind == "ingress/contour" else {"a": {}, "b": {"prefix": "/b"}}
    rendered = routed(chart, kind, models)
    published = answer(rendered, Request(HOST, "/v1/chat/completions"))
    assert published is not None
    assert published.path == "/v1/chat/completions"
    for path in UNPUBLISHED:
        for prefix in ("", "/b", "/a"):
            assert answer(rendered, Request(HOST, prefix + path)) is None, path
    assert answer(rendered, Request("other.example.com", "/v1/models")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_route_without_hosts_is_for_every_host(chart: Chart, kind: str) -> None:
    rendered = routed(chart, kind, hosts=[])
    assert answer(rendered, Request("any.example.com", "/v1/models")) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_null_unsets_the_defaults_of_all_routes_and_the_hosts_of_one(chart: Chart, kind: str) -> None:
    unset = routed(chart, kind, root={"defaults": None}, hosts=None)
    assert [dict(item) for item in unset.objects] == [
        dict(item) for item in routed(chart, kind, hosts=[]).objects
    ]


def test_routes_render_nothing_while_the_kind_is_none(chart: Chart) -> None:
    values = {"models": MODELS, "routing": {"routes": {"llm": {"models": {"a": {"variants": HALVES}}}}}}
    assert chart.render(values).names() == chart.render({"models": MODELS}).names()


# Limits of time


def test_no_kind_cuts_a_stream_unless_a_limit_is_set(chart: Chart) -> None:
    for kind in ("gateway", "inferencePool"):
        (rule,) = routed(chart, kind).one("HTTPRoute").spec["rules"]
        assert rule["timeouts"] == {"request": "0s"}
    assert "timeout" not in routed(chart, "istio").one("VirtualService").spec["http"][0]
    assert annotated(routed(chart, "ingress/traefik")) == {}
    assert annotated(routed(chart, "ingress/nginx")) == {
        "nginx.org/proxy-buffering": "False",
        "nginx.org/proxy-read-timeout": "3600s",
        "nginx.org/proxy-send-timeout": "3600s",
        "nginx.org/client-max-body-size": "0",
    }
    assert annotated(routed(chart, "ingress/haproxy")) == {"haproxy.org/timeout-server": "3600s"}
    assert annotated(routed(chart, "ingress/contour")) == {"projectcontour.io/response-timeout": "infinity"}


def test_limits_of_time_reach_each_kind_that_has_them(chart: Chart) -> None:
    limits = {"requestSeconds": 600, "backendSeconds": 300}
    (rule,) = routed(chart, "gateway", timeouts=limits).one("HTTPRoute").spec["rules"]
    assert rule["timeouts"] == {"request": "600s", "backendRequest": "300s"}
    route = routed(chart, "istio", timeouts=limits, retries={"attempts": 2}).one("VirtualService")
    assert route.spec["http"][0]["timeout"] == "600s"
    assert route.spec["http"][0]["retries"] == {
        "attempts": 2,
        "retryOn": "connect-failure,refused-stream",
        "perTryTimeout": "300s",
    }
    contour = routed(chart, "ingress/contour", timeouts={"requestSeconds": 600}, retries={"attempts": 2})
    assert annotated(contour) == {
        "projectcontour.io/response-timeout": "600s",
        "projectcontour.io/num-retries": "2",
        "projectcontour.io/retry-on": "connect-failure,refused-stream",
    }
    silence = {"silenceSeconds": 90}
    assert (
        annotated(routed(chart, "ingress/haproxy", timeouts=silence))["haproxy.org/timeout-server"] == "90s"
    )
    nginx = annotated(routed(chart, "ingress/nginx", timeouts=silence, maxBodyMebibytes=64))
    assert nginx["nginx.org/proxy-read-timeout"] == nginx["nginx.org/proxy-send-timeout"] == "90s"
    assert nginx["nginx.org/client-max-body-size"] == "64m"


def test_retries_of_istio_are_its_own_unless_they_are_set_and_0_is_none(chart: Chart) -> None:
    assert "retries" not in routed(chart, "istio").one("VirtualService").spec["http"][0]
    route = routed(chart, "istio", retries={"attempts": 0}).one("VirtualService")
    assert route.spec["http"][0]["retries"] == {"attempts": 0}
    for kind in ("gateway", "ingress/nginx", "ingress/haproxy"):  # they make none by themselves
        assert routed(chart, kind, retries={"attempts": 0}).names() == routed(chart, kind).names()


def test_a_route_overrides_the_defaults_of_all_and_null_unsets_them(chart: Chart) -> None:
    defaults = {"defaults": {"timeouts": {"requestSeconds": 60, "backendSeconds": 30}}}
    own = {"requestSeconds": 90, "backendSeconds": None}
    (rule,) = routed(chart, "gateway", root=defaults, timeouts=own).one("HTTPRoute").spec["rules"]
    assert rule["timeouts"] == {"request": "90s"}
    (rule,) = routed(chart, "gateway", root=defaults, timeouts=None).one("HTTPRoute").spec["rules"]
    assert rule["timeouts"] == {"request": "0s"}


# Rates


def test_rates_reach_each_controller_that_has_them(chart: Chart) -> None:
    rate = {"requestsPerSecond": 10}
    traefik = routed(chart, "ingress/traefik", rateLimit=rate).one("Middleware")
    assert traefik.spec == {"rateLimit": {"average": 10, "period": "1s", "burst": 10}}
    together = routed(chart, "ingress/traefik", rateLimit={**rate, "burst": 50, "per": "host"}).one(
        "Middleware"
    )
    assert together.spec["rateLimit"]["burst"] == 50
    assert together.spec["rateLimit"]["sourceCriterion"] == {"requestHost": True}
    nginx = annotated(routed(chart, "ingress/nginx", rateLimit={**rate, "burst": 50}))
    assert {key: value for key, value in nginx.items() if "limit-req" in key} == {
        "nginx.org/limit-req-rate": "10r/s",
        "nginx.org/limit-req-key": "${binary_remote_addr}",
        "nginx.org/limit-req-zone-size": "10m",
        "nginx.org/limit-req-burst": "50",
        "nginx.org/limit-req-no-delay": "true",
        "nginx.org/limit-req-reject-code": "429",
    }
    haproxy = annotated(routed(chart, "ingress/haproxy", rateLimit=rate))
    assert {key: value for key, value in haproxy.items() if "rate-limit" in key} == {
        "haproxy.org/rate-limit-requests": "10",
        "haproxy.org/rate-limit-period": "1s",
        "haproxy.org/rate-limit-status-code": "429",
    }


def test_traefik_limits_before_it_rewrites_and_tries_again_last(chart: Chart) -> None:
    route = {"rateLimit": {"requestsPerSecond": 1}, "retries": {"attempts": 1}}
    rendered = routed(chart, "ingress/traefik", {"a": {"prefix": "/a"}}, **route)
    assert annotated(rendered) == {
        "traefik.ingress.kubernetes.io/router.middlewares": "default-r-llm-rate@kubernetescrd,"
        "default-r-llm-prefix@kubernetescrd,default-r-llm-retry@kubernetescrd"
    }
    assert rendered.one("Middleware", "r-llm-retry").spec == {"retry": {"attempts": 1}}


# Certificates and annotations


@pytest.mark.parametrize("controller", ["traefik", "nginx", "haproxy", "contour"])
def test_an_ingress_has_its_certificate_made_or_given(chart: Chart, controller: str) -> None:
    made = routed(chart, f"ingress/{controller}", tls={"clusterIssuer": "letsencrypt"})
    assert made.one("Ingress").spec["tls"] == [{"hosts": [HOST], "secretName": "r-llm-tls"}]
    assert annotated(made)["cert-manager.io/cluster-issuer"] == "letsencrypt"
    own = routed(chart, f"ingress/{controller}", tls={"issuer": "ca", "secretName": "mine"})
    assert own.one("Ingress").spec["tls"][0]["secretName"] == "mine"
    assert annotated(own)["cert-manager.io/issuer"] == "ca"
    given = routed(chart, f"ingress/{controller}", tls={"secretName": "cert"})
    assert given.one("Ingress").spec["tls"] == [{"hosts": [HOST], "secretName": "cert"}]
    assert not any("cert-manager" in key for key in annotated(given))
    assert "tls" not in routed(chart, f"ingress/{controller}").one("Ingress").spec


def test_plain_http_is_sent_to_https_where_the_controller_is_to_be_told(chart: Chart) -> None:
    told = {
        "traefik": ("traefik.ingress.kubernetes.io/router.entrypoints", "websecure"),
        "haproxy": ("haproxy.org/ssl-redirect", "true"),
        "contour": ("ingress.kubernetes.io/force-ssl-redirect", "true"),
    }
    for controller, (key, value) in told.items():
        assert key not in annotated(routed(chart, f"ingress/{controller}"))
        assert annotated(routed(chart, f"ingress/{controller}", tls={"secretName": "cert"}))[key] == value


def test_annotations_of_a_route_win_over_the_charts(chart: Chart) -> None:
    own = {"haproxy.org/timeout-server": "2h", "team": "x"}
    assert annotated(routed(chart, "ingress/haproxy", annotations=own)) == own
    for kind, name in (("gateway", "HTTPRoute"), ("istio", "VirtualService")):
        assert routed(chart, kind, annotations=own).one(name)["metadata"]["annotations"] == own


def test_the_ingress_class_is_the_controller_unless_it_is_named(chart: Chart) -> None:
    assert routed(chart, "ingress/traefik").one("Ingress").spec["ingressClassName"] == "traefik"
    named = {"ingress": {"controller": "traefik", "className": "public"}}
    assert routed(chart, "ingress/traefik", root=named).one("Ingress").spec["ingressClassName"] == "public"


# Variants and ports


@pytest.mark.parametrize("kind", ["gateway", "istio"])
def test_a_variant_has_a_service_of_its_own_only_where_it_is_weighed(chart: Chart, kind: str) -> None:
    weighed = routed(chart, kind, {"a": {"variants": HALVES}})
    before = routed(chart, kind)
    assert {item.name for item in before.find("Service")} == {"r-a", "r-b"}
    assert {item.name for item in weighed.find("Service")} == {
        "r-a",
        "r-b",
        "r-a-main-only",
        "r-a-canary-only",
    }
    for variant, name in (("main", "r-a"), ("canary", "r-a-canary")):
        selector = weighed.one("Service", f"r-a-{variant}-only").spec["selector"]
        selected = [
            pod.owner.name for pod in Manifests(weighed.objects).pods if matches(selector, pod.labels)
        ]
        assert selected == [name]
    # Nothing that runs changes, and what looks for the model's Service by its labels finds one.
    for item in before.find("Deployment"):
        assert weighed.one("Deployment", item.name) == item
    labels = before.one("Service", "r-a")["metadata"]["labels"]
    assert [item.name for item in weighed.find("Service") if matches(labels, item["metadata"]["labels"])] == [
        "r-a"
    ]


def test_a_weight_of_0_prepares_a_canary(chart: Chart) -> None:
    rendered = routed(chart, "gateway", {"a": {"variants": {"main": 100, "canary": 0}}})
    found = answer(rendered, Request(HOST, "/v1/models"))
    assert found is not None
    assert found.shares == {("a", "main"): 1}


def test_models_that_share_requests_can_have_a_prefix_each_too(chart: Chart) -> None:
    models = {name: {**SOURCE, "servedNames": ["llm"]} for name in ("old", "new")}
    shared = {name: {"model": name, "weight": 50} for name in models}
    direct = {f"only-{name}": {"model": name, "prefix": f"/{name}"} for name in models}
    routing = settings("gateway", routes={"llm": {"hosts": [HOST], "models": {**shared, **direct}}})
    rendered = chart.render({"models": models, "routing": routing})
    found = answer(rendered, Request(HOST, "/new/v1/models"))
    assert found is not None
    assert found.shares == {("new", ""): 1}


@pytest.mark.parametrize("kind", ["gateway", "istio", "ingress/traefik"])
def test_the_port_of_a_route_is_that_of_the_service(chart: Chart, kind: str) -> None:
    models = {"a": {**MODELS["a"], "service": {"port": 80}}}
    models_of_route = {"a": {} if kind.startswith("ingress") else {"variants": HALVES}}
    routing = settings(kind, routes={"llm": {"models": models_of_route}})
    rendered = chart.render({"models": models, "routing": routing})  # render() checks the ports
    assert {entry["port"] for item in rendered.find("Service") for entry in item.spec["ports"]} == {80}


# Istio and InferencePools


def test_istio_spreads_requests_over_every_service_that_a_route_leads_to(chart: Chart) -> None:
    rendered = routed(chart, "istio", {"a": {"variants": HALVES}, "b": {"prefix": "/b"}})
    rules = {item.spec["host"]: item.spec["trafficPolicy"] for item in rendered.find("DestinationRule")}
    assert set(rules) == {"r-a-main-only", "r-a-canary-only", "r-b"}
    assert all(policy == {"loadBalancer": {"simple": "LEAST_REQUEST"}} for policy in rules.values())


def test_istio_policies_are_those_of_the_values(chart: Chart) -> None:
    istio = {"gateways": ["a/b"], "hashHeader": "x-session-id", "outlierDetection": {"consecutive5xxErrors": 3},
             "connectionPool": {"tcp": {"maxConnections": 100}}}  # fmt: skip
    rendered = routed(chart, "istio", root={"istio": istio})
    assert rendered.one("DestinationRule").spec["trafficPolicy"] == {
        "loadBalancer": {"consistentHash": {"httpHeaderName": "x-session-id"}},
        "outlierDetection": {"consecutive5xxErrors": 3},
        "connectionPool": {"tcp": {"maxConnections": 100}},
    }
    random = routed(chart, "istio", root={"istio": {"gateways": ["a/b"], "loadBalancer": "RANDOM"}})
    assert random.one("DestinationRule").spec["trafficPolicy"]["loadBalancer"] == {"simple": "RANDOM"}


def test_a_pool_has_all_pods_of_its_model_and_an_objective_for_each_tier(chart: Chart) -> None:
    pools = {
        **PICKERS,
        "port": 9003,
        "failureMode": "FailClose",
        "tiers": {"chat": 10, "batch": -10, "other": 0},
    }
    rendered = routed(chart, "inferencePool", root={"inferencePool": pools})
    pool = rendered.one("InferencePool").spec
    assert pool["endpointPickerRef"] == {
        "name": "a-epp",
        "port": {"number": 9003},
        "failureMode": "FailClose",
    }
    assert pool["targetPorts"] == [{"number": 8000}]
    pods = Manifests(rendered.objects).pods
    selected = {pod.owner.name for pod in pods if matches(pool["selector"]["matchLabels"], pod.labels)}
    assert selected == {"r-a", "r-a-canary"}
    priorities = {item.name: item.spec["priority"] for item in rendered.find("InferenceObjective")}
    assert priorities == {"r-a-chat": 10, "r-a-batch": -10, "r-a-other": 0}
    assert {item.spec["poolRef"]["name"] for item in rendered.find("InferenceObjective")} == {"r-a"}


def test_helm_3_renders_the_same_routes(chart: Chart) -> None:
    path = chart.path / "ci/istio-canary-values.yaml"
    one, other = (chart.render(path, helm=helm(major)) for major in (3, 4))
    assert yaml.safe_dump([dict(item) for item in one.find("VirtualService")]) == yaml.safe_dump(
        [dict(item) for item in other.find("VirtualService")]
    )


def test_the_notes_say_what_leads_where(chart: Chart) -> None:
    models = {
        "a": {"variants": HALVES},
        "tests": {"model": "b", "headers": {"x-a": "1", "x-b": {"regex": "2|3"}}},
    }
    routing = settings(
        "gateway",
        routes={"llm": {"hosts": [HOST], "models": models}, "other": {"models": {"b": {"prefix": "/b"}}}},
    )
    told = notes(chart, {"models": MODELS, "routing": routing})
    assert (
        f"""Routes, kind gateway:
  {HOST}: /v1 with x-a: 1 with x-b ~ 2|3 -> r-b
  {HOST}: /v1 -> r-a-canary-only (10) r-a-main-only (90)
  every host: /b/v1 -> r-b
"""
        in told
    )
    assert "Routes" not in notes(chart, {"models": MODELS})
