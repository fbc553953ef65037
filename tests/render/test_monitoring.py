"""Prometheus finds every engine once, by the port and path of its data file, with labels that the queries need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.test_notes import advice
from tests.render.test_refusals_scaling import refusal

from charttest.checks import Manifests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from charttest.checks.model import Pod
    from charttest.plugin import Chart
    from charttest.render import Rendered

    from .conftest import RenderModel

ENABLED: dict[str, Any] = {"monitoring": {"podMonitor": {"enabled": True}}}
TLS = {"tls": {"existingSecret": "certificate"}}
CERTIFICATE = ["Secret/certificate"]
CUSTOM = {"engine": "custom", "image": {"repository": "example.com/engine", "tag": "1"}}
GROUP = {"parallelism": {"tensor": 4, "nodes": 2}}
SPLIT = {
    "role": "decode",
    "disaggregation": {"sidecar": {"image": "example.com/sidecar:1"}},
    "variants": {"prefill": {"role": "prefill"}},
}
# What an engine's pods look like, and the (port, number, path) by which each tells its metrics.
SHAPES: dict[str, tuple[dict[str, Any], set[tuple[str, int, str]]]] = {
    "vllm": ({}, {("http", 8000, "/metrics")}),
    "sglang": ({"engine": "sglang"}, {("http", 8000, "/metrics")}),
    "tgi": ({"engine": "tgi"}, {("http", 8000, "/metrics")}),
    "triton": ({"engine": "triton"}, {("metrics", 8002, "/metrics")}),
    "custom": ({**CUSTOM, "custom": {"port": 9000, "metricsPath": "/m"}}, {("http", 9000, "/m")}),
    "without metrics": ({**CUSTOM, "custom": {"metricsPath": ""}}, set()),
    "variants": ({"variants": {"spot": {}}}, {("http", 8000, "/metrics")}),
    "group": (GROUP, {("http", 8000, "/metrics")}),
    "all pods of a group serve": (
        {"parallelism": {"data": 16, "nodes": 2, "expert": True, "balancing": "hybrid"}},
        {("http", 8000, "/metrics")},
    ),
    # The sidecar has the port http and the decode engine one behind it; prefill has no sidecar.
    "prefill and decode": (SPLIT, {("http", 8000, "/metrics"), ("engine", 8200, "/metrics")}),
    "tls": (TLS, {("http", 8000, "/metrics")}),
}


def source(body: dict[str, Any]) -> dict[str, Any]:
    return {"source": {"uri": "hf://org/model"}, **body}


def monitor(rendered: Rendered) -> dict[str, Any]:
    spec: dict[str, Any] = rendered.one("PodMonitor").spec
    return spec


def selected(spec: dict[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the operator takes a pod with these labels, by the operators that the chart uses."""
    wanted = spec["selector"]["matchLabels"].items() <= labels.items()
    (expression,) = spec["selector"]["matchExpressions"]
    assert expression["operator"] == "NotIn"
    return wanted and labels.get(expression["key"]) not in expression["values"]


def scraped(spec: dict[str, Any], pod: Pod) -> list[tuple[str, int, str, str]]:
    """The targets of one pod: port, number, path and scheme, as Prometheus Operator makes them of a PodMonitor."""
    if not selected(spec, pod.labels):
        return []
    found = []
    containers = [*pod.containers, *(pod.spec.get("initContainers") or [])]
    ports = {port["name"]: port["containerPort"] for item in containers for port in item.get("ports") or []}
    for endpoint in spec["podMetricsEndpoints"]:
        keeps = [rule for rule in endpoint["relabelings"] if rule.get("action") == "keep"]
        metadata = {
            f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}": value
            for key, value in pod.labels.items()
        }
        kept = all(
            re.fullmatch(rule["regex"], ";".join(metadata[label] for label in rule["sourceLabels"]))
            for rule in keeps
        )
        if kept and endpoint["port"] in ports:
            port = endpoint["port"]
            found.append((port, ports[port], endpoint["path"], endpoint.get("scheme", "http")))
    return found


def engines(rendered: Rendered) -> list[Pod]:
    """The pods that serve, leaving out the workers behind a leader."""
    return [
        pod
        for pod in Manifests(rendered.objects).pods
        if pod.labels.get("app.kubernetes.io/component") == "engine"
    ]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside every other"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_serving_pod_is_one_target_at_the_port_and_path_of_its_engine(
    chart: Chart, shape: str, beside: bool
) -> None:
    body, expected = SHAPES[shape]
    others = {f"o{number}": source(SHAPES[name][0]) for number, name in enumerate(SHAPES) if name != shape}
    models = {"m": source(body), **(others if beside else {"other": source({})})}
    rendered = chart.render({"models": models, **ENABLED}, external=CERTIFICATE)
    spec, found = monitor(rendered), set()
    for pod in engines(rendered):
        if pod.labels["vllm-stack.io/model"] != "m":
            continue
        targets = scraped(spec, pod)
        serves = pod.labels["vllm-stack.io/role"] != "worker" and shape != "without metrics"
        assert len(targets) == int(serves)
        found |= {target[:3] for target in targets}
        assert all(target[3] == ("https" if shape == "tls" else "http") for target in targets)
    assert found == expected


def test_a_release_has_one_monitor_that_does_not_grow_with_its_models(chart: Chart) -> None:
    def size(number: int) -> int:
        models = {f"m{index}": source({"variants": {"b": {}}}) for index in range(number)}
        return len(str(monitor(chart.render({"models": models, **ENABLED}))))

    assert size(1) == size(20)


def test_every_target_gets_the_labels_that_rules_dashboards_and_scalers_ask_for(
    render_model: RenderModel,
) -> None:
    rendered = render_model({"variants": {"b": {"autoscaling": {"mode": "wva", "actuator": "hpa"}}}}, ENABLED)
    (endpoint,) = monitor(rendered)["podMetricsEndpoints"]
    prefix = "__meta_kubernetes_pod_label_"
    labels = {
        rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"] if "regex" not in rule
    }
    assert labels == {
        "release": [f"{prefix}app_kubernetes_io_instance"],
        "model": [f"{prefix}vllm_stack_io_model"],
        "variant": [f"{prefix}vllm_stack_io_variant"],
        "role": [f"{prefix}vllm_stack_io_role"],
        "llm_d_ai_variant": [f"{prefix}llm_d_ai_variant"],
    }
    # Each of them is a label that the pods have.
    names = {
        f"{prefix}{re.sub(r'[^a-zA-Z0-9_]', '_', key)}" for pod in engines(rendered) for key in pod.labels
    }
    assert {name for sources in labels.values() for name in sources} <= names


def test_the_role_of_prefill_and_decode_is_theirs_and_not_that_of_the_selector(chart: Chart) -> None:
    rendered = chart.render({"models": {"m": source(SPLIT), "n": source({})}, **ENABLED})
    (endpoint, *_) = monitor(rendered)["podMetricsEndpoints"]
    (first, second) = [rule for rule in endpoint["relabelings"] if rule.get("targetLabel") == "role"]
    assert first == {
        "sourceLabels": ["__meta_kubernetes_pod_label_vllm_stack_io_role"],
        "targetLabel": "role",
    }
    # One that a pod does not have is empty, and then the expression leaves the label as it is.
    assert second == {
        "sourceLabels": ["__meta_kubernetes_pod_label_llm_d_ai_role"],
        "regex": "(.+)",
        "targetLabel": "role",
    }
    roles = {pod.labels.get("llm-d.ai/role", pod.labels["vllm-stack.io/role"]) for pod in engines(rendered)}
    assert roles == {"server", "prefill", "decode"}


def test_an_engine_with_tls_is_scraped_by_the_ca_of_its_secret_and_the_name_of_its_service(
    render_model: RenderModel,
) -> None:
    def tls(**settings: Any) -> dict[str, Any]:
        root = {"monitoring": {"podMonitor": {"enabled": True, "tls": settings}}}
        (endpoint,) = monitor(render_model(TLS, root, external=CERTIFICATE))["podMetricsEndpoints"]
        assert endpoint["scheme"] == "https"
        config: dict[str, Any] = endpoint["tlsConfig"]
        return config

    ca = {"secret": {"name": "certificate", "key": "ca.crt"}}
    assert tls() == {"ca": ca, "serverName": "r-m.default.svc"}
    assert tls(caKey="", serverName="llm.example.com") == {"serverName": "llm.example.com"}
    assert tls(insecureSkipVerify=True) == {"insecureSkipVerify": True}


def test_what_a_user_adds_to_the_monitor_is_in_it(render_model: RenderModel) -> None:
    added: dict[str, Any] = {
        "namespace": "monitoring",
        "labels": {"release": "prometheus"},
        "interval": "1m",
        "scrapeTimeout": "20s",
        "authorization": {"credentials": {"name": "clients", "key": "token"}},
        "relabelings": [{"targetLabel": "cluster", "replacement": "eu"}],
        "metricRelabelings": [],
    }
    rendered = render_model(root={"monitoring": {"podMonitor": {"enabled": True, **added}}}, namespace="llm")
    found = rendered.one("PodMonitor")
    assert (found["metadata"]["namespace"], found["metadata"]["labels"]["release"]) == (
        "monitoring",
        "prometheus",
    )
    assert found.spec["namespaceSelector"] == {"matchNames": ["llm"]}
    (endpoint,) = found.spec["podMetricsEndpoints"]
    assert endpoint["relabelings"][-1] == added["relabelings"][0]
    assert {key: endpoint[key] for key in ("interval", "scrapeTimeout", "authorization")} == {
        key: added[key] for key in ("interval", "scrapeTimeout", "authorization")
    }
    assert "metricRelabelings" not in endpoint


def test_without_monitoring_nothing_needs_the_operator(render_model: RenderModel) -> None:
    assert not [item for item in render_model().objects if item.group == "monitoring.coreos.com"]


def pod_annotations(pod: Pod) -> dict[str, str]:
    """The annotations of a Deployment's or LeaderWorkerSet's pods."""
    spec = pod.owner.spec
    groups = spec.get("leaderWorkerTemplate", {})
    templates = [spec.get("template"), groups.get("leaderTemplate"), groups.get("workerTemplate")]
    (found,) = [item for item in templates if item and item["spec"] == pod.spec]
    told: dict[str, str] = found["metadata"].get("annotations", {})
    return told


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "all pods of a group serve"])
def test_annotations_name_the_port_and_path_for_a_prometheus_without_the_operator(
    chart: Chart, shape: str
) -> None:
    body, expected = SHAPES[shape]
    values = {"models": {"m": source(body)}, "monitoring": {"scrapeAnnotations": True}}
    found = set()
    for pod in engines(chart.render(values, external=CERTIFICATE)):
        told = pod_annotations(pod)
        assert ("prometheus.io/scrape" in told) == (
            pod.labels["vllm-stack.io/role"] != "worker" and shape != "without metrics"
        )
        assert told.get("prometheus.io/scheme") == ("https" if shape == "tls" else None)
        if "prometheus.io/scrape" in told:
            found.add((int(told["prometheus.io/port"]), told["prometheus.io/path"]))
    assert found == {target[1:] for target in expected}


def test_annotations_that_a_user_sets_stay(render_model: RenderModel) -> None:
    body = {"podAnnotations": {"prometheus.io/scrape": "false"}}
    rendered = render_model(body, {"monitoring": {"scrapeAnnotations": True}})
    (pod,) = engines(rendered)
    assert pod_annotations(pod)["prometheus.io/scrape"] == "false"
    assert pod_annotations(pod)["prometheus.io/port"] == "8000"


def test_the_network_policy_lets_scrapers_reach_the_ports_that_tell_metrics(chart: Chart) -> None:
    models = {
        name: source(SHAPES[shape][0]) for name, shape in (("t", "triton"), ("s", "prefill and decode"))
    }
    scrapers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    policy = {"enabled": True, "from": [{"podSelector": {}}], "scrapeFrom": scrapers}
    rendered = chart.render({"models": models, "networkPolicy": policy})
    for name, ports in (("r-t", ["metrics"]), ("r-s", ["engine", "http"])):
        (rule,) = [
            rule for rule in rendered.one("NetworkPolicy", name).spec["ingress"] if rule["from"] == scrapers
        ]
        assert sorted(port["port"] for port in rule["ports"]) == ports


def values(monitoring: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"models": {"m": source(body or {})}, "monitoring": monitoring}


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        values({"podMonitor": {"enabled": True}, "scrapeAnnotations": True}),
        "monitoring.scrapeAnnotations: podMonitor scrapes the pods already, and whoever reads both would count everything"
        " twice; set one of them",
    ),
    (
        values({"podMonitor": {"enabled": True, "labels": {"app.kubernetes.io/name": "x"}}}),
        "monitoring.podMonitor.labels.app.kubernetes.io/name: the PodMonitor has this label already; remove it",
    ),
    (
        values({"dashboards": {"enabled": True, "labels": {"app.kubernetes.io/name": "x"}}}),
        "monitoring.dashboards.labels.app.kubernetes.io/name: the ConfigMap has this label already; remove it",
    ),
    (
        values({"podMonitor": {"enabled": True, "interval": "15s", "scrapeTimeout": "1m"}}),
        "monitoring.podMonitor.scrapeTimeout: 1m is longer than interval, 15s, which Prometheus refuses; lower it, or"
        " raise the other",
    ),
    (
        values({"podMonitor": {"enabled": True, "namespace": "monitoring"}}, TLS),
        "monitoring.podMonitor.namespace: the CA of models.m.tls is in default, where a PodMonitor of monitoring cannot"
        ' read it; set "", or tls.caKey: ""',
    ),
    (
        values({"podMonitor": {"enabled": True}}, SHAPES["without metrics"][0]),
        "monitoring.podMonitor.enabled: no engine of the release tells metrics; set false, or custom.metricsPath",
    ),
    (
        values({"scrapeAnnotations": True}, {"args": {"disable-log-stats": True}}),
        "models.m.args.disable-log-stats: the engine then tells no metrics, and monitoring reads them; set false",
    ),
]


@pytest.mark.parametrize(("given", "line"), REFUSALS, ids=[line.partition(":")[0] for _, line in REFUSALS])
def test_monitoring_that_cannot_work_is_refused(chart: Chart, given: dict[str, Any], line: str) -> None:
    assert refusal(chart, given) == ["vllm-stack cannot render these values:", line]


def test_the_notes_say_what_would_keep_prometheus_away(chart: Chart) -> None:
    policy = {"enabled": True, "from": [{"podSelector": {}}]}
    told = advice(chart, {}, **ENABLED, networkPolicy=policy)
    assert "set monitoring.podMonitor.labels, for example {release: kube-prometheus-stack}" in told
    assert "networkPolicy.scrapeFrom is empty" in told
    labelled = {"monitoring": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}}}
    scrapers = {**policy, "scrapeFrom": [{"podSelector": {}}]}
    told = advice(chart, {}, **labelled, networkPolicy=scrapers)
    assert "podMonitor" not in told
    assert "scrapeFrom" not in told
