"""Who may reach the engines, what they may reach, and how both know each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.pods import engine, mounted, pod, variables

from charttest.checks import Manifests
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart
    from charttest.render import Rendered

SOURCE = {"source": {"uri": "hf://org/model"}}
CALLERS = {"podSelector": {"matchLabels": {"caller": "true"}}}
TLS = {"tls": {"existingSecret": "certificate"}}


def policy(rendered: Rendered, name: str | None = None) -> dict[str, Any]:
    return rendered.one("NetworkPolicy", name).spec


def closed(**more: Any) -> dict[str, Any]:
    return {"networkPolicy": {"enabled": True, "from": [CALLERS], **more}}


def test_one_switch_closes_every_model_for_itself(chart: Chart) -> None:
    values = {"models": {"a": {**SOURCE, "variants": {"b": {}}}, "c": SOURCE}}
    assert chart.render(values).find("NetworkPolicy") == []
    rendered = chart.render({**values, **closed()})
    pods = {
        item.owner.name: item.labels for item in Manifests(rendered.objects).pods if item.owner.kind != "Pod"
    }
    for name, own in {"r-a": {"r-a", "r-a-b"}, "r-c": {"r-c"}}.items():
        spec = policy(rendered, name)
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        selected = {
            pod for pod, labels in pods.items() if matches(spec["podSelector"]["matchLabels"], labels)
        }
        assert selected == own
        # A worker group and the variants of a model talk freely, whatever the port.
        assert spec["ingress"][0] == {"from": [{"podSelector": spec["podSelector"]}]}
        assert spec["egress"][0] == {"to": [{"podSelector": spec["podSelector"]}]}


def test_callers_scrapers_and_the_test_reach_only_the_port_of_the_engine(render_model: RenderModel) -> None:
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    rendered = render_model(root=closed(scrapeFrom=[scraper]))
    rules = policy(rendered)["ingress"][1:]
    assert [rule["ports"] for rule in rules] == [[{"port": "http"}]] * 2
    callers, scrapers = (rule["from"] for rule in rules)
    assert callers[0] == CALLERS
    assert scrapers == [scraper]
    test = rendered.one("Pod")["metadata"]["labels"]
    assert matches(callers[1]["podSelector"]["matchLabels"], test)
    assert len(callers) == 2
    assert all(rule.get("from") for rule in policy(rendered)["ingress"])  # none is open to everybody


@pytest.mark.parametrize(
    ("body", "internet", "open_"),
    [
        ({"source": {"uri": "hf://org/model"}}, None, True),
        ({"source": {"uri": "/models/m"}}, None, False),
        (
            {"source": {"uri": "/m"}, "lora": {"enabled": True, "adapters": {"a": {"uri": "hf://o/a"}}}},
            None,
            True,
        ),
        ({"source": {"uri": "hf://org/model"}}, False, False),
        ({"source": {"uri": "/models/m"}}, True, True),
    ],
)
def test_the_internet_is_open_to_those_who_fetch(
    render_model: RenderModel, body: dict[str, Any], internet: bool | None, open_: bool
) -> None:
    egress = policy(render_model(body, closed(internet=internet)))["egress"]
    assert ({"ports": [{"port": 443}]} in egress) == open_


def test_names_can_be_resolved_and_more_can_be_allowed(render_model: RenderModel) -> None:
    more = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 4317}]}
    body = {"kvOffload": {"backend": "lmcache", "server": "cache.other:5556"}}
    egress = policy(render_model(body, closed(egress=[more])))["egress"]
    assert {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]} in egress
    assert {"ports": [{"port": 5556}]} in egress
    assert egress[-1] == more


def test_tls_is_spoken_by_the_engine_its_probes_its_service_and_the_test(render_model: RenderModel) -> None:
    rendered = render_model(
        {**TLS, "warmup": {"prompts": ["a"]}, "variants": {"v": {}}}, external=["Secret/certificate"]
    )
    container = engine(rendered, "r-m")
    at = "/etc/vllm-stack-tls"
    assert {f"--ssl-certfile={at}/tls.crt", f"--ssl-keyfile={at}/tls.key", "--enable-ssl-refresh"} <= set(
        container["args"]
    )
    assert {container[probe]["httpGet"]["scheme"] for probe in ("livenessProbe", "readinessProbe")} == {
        "HTTPS"
    }
    assert engine(rendered, "r-m-v")["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert rendered.one("Service").spec["ports"][0]["appProtocol"] == "https"
    assert '"url":"https://127.0.0.1:8000"' in rendered.one("ConfigMap", "r-m")["data"]["warm_up.json"]
    test = rendered.one("Pod").spec["containers"][0]["env"]
    assert list(json.loads(test[0]["value"])) == ["https://r-m:8000"]


def test_every_renewed_certificate_is_seen(render_model: RenderModel) -> None:
    """A Secret mounted as a whole is renewed, but its files are links: only polling sees the second renewal."""
    rendered = render_model(TLS, external=["Secret/certificate"])
    assert mounted(rendered)["/etc/vllm-stack-tls"]["secret"] == {"secretName": "certificate"}
    assert not any("subPath" in mount for mount in engine(rendered)["volumeMounts"])
    assert variables(rendered)["WATCHFILES_FORCE_POLLING"] == "true"


def test_without_tls_nothing_speaks_of_it(render_model: RenderModel) -> None:
    rendered = render_model()
    assert "scheme" not in engine(rendered)["startupProbe"]["httpGet"]
    assert "appProtocol" not in rendered.one("Service").spec["ports"][0]
    assert "WATCHFILES_FORCE_POLLING" not in variables(rendered)


def test_a_field_of_a_security_context_can_be_added_and_removed(render_model: RenderModel) -> None:
    """As OpenShift wants it, which chooses the user, and as RDMA wants it."""
    body = {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "securityContext": {"capabilities": {"add": ["IPC_LOCK"]}},
    }
    rendered = render_model(body, ignore=["pod-security"])
    assert pod(rendered)["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert engine(rendered)["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
    assert "runAsUser" not in rendered.one("Pod").spec["securityContext"]


def test_an_image_is_named_by_its_digest_and_pulled_with_a_secret(render_model: RenderModel) -> None:
    digest = f"sha256:{'0' * 64}"
    image = {
        "repository": "registry.example.com/vllm",
        "digest": digest,
        "tag": "v1",
        "pullSecrets": ["registry"],
    }
    rendered = render_model({"image": image}, external=["Secret/registry"])
    for spec in (pod(rendered), rendered.one("Pod").spec):
        assert spec["containers"][0]["image"] == f"registry.example.com/vllm@{digest}"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
