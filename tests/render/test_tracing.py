"""Traces and logs: what the engine is told, where spans go, and the collector of the release."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.pods import engine
from tests.render.test_refusals_scaling import refusal

if TYPE_CHECKING:
    from charttest.plugin import Chart

    from .conftest import RenderModel

ENDPOINT = "http://tempo.monitoring:4317"
COLLECTOR = {
    "enabled": True,
    "image": "example.com/collector:1",
    "exporters": {"otlp": {"endpoint": "tempo:4317"}, "debug": {}},
}
COLLECTED: dict[str, Any] = {"monitoring": {"collector": COLLECTOR}}


def traced(**more: Any) -> dict[str, Any]:
    return {"tracing": {"enabled": True, "endpoint": ENDPOINT, **more}}


def environment(container: dict[str, Any]) -> dict[str, str]:
    """The variables of OpenTelemetry, with those that others name filled in as the kubelet does: in the order of the list."""
    known: dict[str, str] = {}
    for entry in container["env"]:
        if entry["name"].startswith("OTEL_"):
            source = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            value = source or entry["value"]
            known[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda match: known.get(match[1], match[0]), value)
    return known


def test_spans_are_told_where_they_go_and_whose_they_are(render_model: RenderModel) -> None:
    body = traced(sampling=0.1, attributes={"team": "search"}, detailed=["model", "worker"])
    container = engine(render_model(body, namespace="llm"))
    args = container["args"]
    assert f"--otlp-traces-endpoint={ENDPOINT}" in args
    at = args.index("--collect-detailed-traces")
    assert args[at + 1 : at + 3] == ["model", "worker"]
    told = environment(container)
    assert told["OTEL_SERVICE_NAME"] == "r-m"
    assert told["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "grpc"
    assert (told["OTEL_TRACES_SAMPLER"], told["OTEL_TRACES_SAMPLER_ARG"]) == (
        "parentbased_traceidratio",
        "0.1",
    )
    assert dict(pair.split("=") for pair in told["OTEL_RESOURCE_ATTRIBUTES"].split(",")) == {
        "k8s.namespace.name": "llm",
        "k8s.pod.name": "metadata.name",
        "k8s.node.name": "spec.nodeName",
        "vllm_stack.release": "r",
        "vllm_stack.model": "m",
        "vllm_stack.variant": "main",
        "team": "search",
    }


def test_without_a_share_the_engine_decides_and_without_tracing_nothing_is_set(
    render_model: RenderModel,
) -> None:
    assert "OTEL_TRACES_SAMPLER" not in environment(engine(render_model(traced())))
    plain = engine(render_model())
    assert environment(plain) == {}
    assert not [arg for arg in plain["args"] if "otlp" in arg or "log" in arg]


def test_a_share_of_zero_is_a_share(render_model: RenderModel) -> None:
    assert environment(engine(render_model(traced(sampling=0))))["OTEL_TRACES_SAMPLER_ARG"] == "0"


@pytest.mark.parametrize(
    ("protocol", "address"),
    [("grpc", "http://r-collector.llm:4317"), ("http/protobuf", "http://r-collector.llm:4318/v1/traces")],
)
def test_without_an_endpoint_spans_go_to_the_collector_of_the_release(
    render_model: RenderModel, protocol: str, address: str
) -> None:
    body = {"tracing": {"enabled": True, "protocol": protocol}}
    rendered = render_model(body, COLLECTED, namespace="llm")
    assert f"--otlp-traces-endpoint={address}" in engine(rendered, "r-m")["args"]
    ports = {port["port"] for port in rendered.one("Service", "r-collector").spec["ports"]}
    assert int(re.findall(r":(\d+)", address)[0]) in ports


def test_the_collector_has_a_pipeline_of_parts_that_are_all_configured(render_model: RenderModel) -> None:
    rendered = render_model(root=COLLECTED)
    config = yaml.safe_load(rendered.one("ConfigMap", "r-collector")["data"]["config.yaml"])
    assert config["exporters"] == COLLECTOR["exporters"]
    pipeline = config["service"]["pipelines"]["traces"]
    for part in ("receivers", "processors", "exporters"):
        assert pipeline[part]
        assert set(pipeline[part]) == set(config[part])
    assert set(config["service"]["extensions"]) == set(config["extensions"])
    container = rendered.one("Deployment", "r-collector").spec["template"]["spec"]["containers"][0]
    ports = {port["containerPort"] for port in container["ports"]}
    listening = [*config["receivers"]["otlp"]["protocols"].values(), *config["extensions"].values()]
    assert {int(part["endpoint"].rpartition(":")[2]) for part in listening} == ports


def test_the_collector_is_pulled_with_secrets_of_its_own(render_model: RenderModel) -> None:
    root = {"monitoring": {"collector": {**COLLECTOR, "pullSecrets": ["one", "two"]}}}
    rendered = render_model(root=root, external=["Secret/one", "Secret/two"])
    pod = rendered.one("Deployment", "r-collector").spec["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert "imagePullSecrets" not in rendered.one("Deployment", "r-m").spec["template"]["spec"]


def test_a_changed_configuration_restarts_the_collector(render_model: RenderModel) -> None:
    def checksum(**more: Any) -> str:
        rendered = render_model(root={"monitoring": {"collector": {**COLLECTOR, **more}}})
        metadata = rendered.one("Deployment", "r-collector").spec["template"]["metadata"]
        told: str = metadata["annotations"]["checksum/config"]
        return told

    assert checksum() != checksum(exporters={"debug": {}})
    assert checksum() == checksum(replicas=2)


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        (ENDPOINT, 4317),
        ("https://tempo.example.com", 443),
        ("http://tempo", 80),
        ("http://tempo:4318/v1", 4318),
    ],
)
def test_a_network_policy_lets_spans_out(render_model: RenderModel, endpoint: str, port: int) -> None:
    closed = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}], "internet": False}}
    rules = render_model(traced(endpoint=endpoint), closed).one("NetworkPolicy").spec["egress"]
    assert {"ports": [{"port": port}]} in rules


def test_logs_are_as_the_values_say(render_model: RenderModel) -> None:
    body = {"logging": {"format": "json", "level": "WARNING", "quietPaths": ["/health", "/metrics"]}}
    args = engine(render_model(body))["args"]
    assert {
        "--logging-config.formatter=json",
        "--log-level=WARNING",
        "--disable-access-log-for-endpoints=/health,/metrics",
    } <= set(args)


NO_SETTING = "engine sglang has no setting for it here; remove it, write the engine's own flags in args, or set engine: vllm"
BODIES: list[tuple[dict[str, Any], str]] = [
    ({"engine": "sglang", **traced()}, f"tracing: {NO_SETTING}"),
    ({"engine": "sglang", "logging": {"format": "json"}}, f"logging: {NO_SETTING}"),
    (
        {"tracing": {"enabled": True}},
        "tracing.endpoint: is empty, and the release has no collector; set the address, or monitoring.collector.enabled",
    ),
    (
        traced(protocol="http/protobuf"),
        f"tracing.endpoint: by http/protobuf spans go to a path, and {ENDPOINT} has none; add /v1/traces",
    ),
    (
        {**traced(), "args": {"otlp-traces-endpoint": "http://a:4317"}},
        "args.otlp-traces-endpoint: tracing.endpoint sets this flag; remove one of them",
    ),
    (
        {"logging": {"level": "DEBUG"}, "args": {"log-level": "INFO"}},
        "args.log-level: logging.level sets this flag; remove one of them",
    ),
]


@pytest.mark.parametrize(("body", "line"), BODIES, ids=[json.dumps(case[0]) for case in BODIES])
def test_what_cannot_be_traced_or_logged_is_refused(chart: Chart, body: dict[str, Any], line: str) -> None:
    said = refusal(chart, {"models": {"m": {"source": {"uri": "hf://org/m"}, **body}}})
    assert said == ["vllm-stack cannot render these values:", f"models.m.{line}"]


def test_a_collector_without_image_or_exporters_is_refused(chart: Chart) -> None:
    said = refusal(chart, {"monitoring": {"collector": {"enabled": True}}})
    assert said[1:] == [
        "monitoring.collector.image: is empty; set it, for example otel/opentelemetry-collector:0.130.0",
        "monitoring.collector.exporters: is empty, so that spans would go nowhere; set one, for example"
        ' {otlp: {endpoint: "tempo.monitoring:4317"}}',
    ]


def test_an_attribute_that_would_break_the_list_is_refused(chart: Chart) -> None:
    body = {"source": {"uri": "hf://org/m"}, **traced(attributes={"team": "a,b"})}
    assert any("/attributes/team" in line for line in refusal(chart, {"models": {"m": body}}))
