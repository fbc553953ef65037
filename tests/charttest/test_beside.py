"""What is told to the controllers beside a cluster, without running them; tests/scaling runs them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from charttest.cluster import LocalCluster, audit
from charttest.controllers import beside, prometheus
from charttest.scaling import documented_rules

ROOT = Path(__file__).parents[2]
DISCOVERY = {"role": "pod", "namespaces": {"names": ["llm"]}}
CONFIGURATION = {
    "global": {"external_labels": {"prometheus_replica": "$(POD_NAME)"}},
    "rule_files": ["/etc/prometheus/rules/prometheus-main-rulefiles-0/*.yaml"],
    "scrape_configs": [
        {
            "job_name": "podMonitor/llm/engines/0",
            "kubernetes_sd_configs": [DISCOVERY],
            "authorization": {"credentials_file": "/var/run/secrets/kubernetes.io/serviceaccount/token"},
            "tls_config": {"ca_file": "/etc/prometheus/certs/0_secret_llm_tls_ca.crt"},
            "relabel_configs": [{"action": "keep", "regex": "$(SHARD)"}],
        }
    ],
}


def localised(folder: Path) -> dict[str, Any]:
    cluster = cast("LocalCluster", SimpleNamespace(server="https://127.0.0.1:6443"))
    text = prometheus.local(yaml.safe_dump(CONFIGURATION), folder, cluster)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_operators_configuration_reads_files_of_this_machine(tmp_path: Path) -> None:
    job = localised(tmp_path)["scrape_configs"][0]
    assert localised(tmp_path)["rule_files"] == [f"{tmp_path}/rules/*.yaml"]
    assert job["authorization"] == {"credentials_file": f"{tmp_path}/token"}
    assert job["tls_config"] == {"ca_file": f"{tmp_path}/certs/0_secret_llm_tls_ca.crt"}


def test_the_operators_configuration_asks_the_clusters_api_server_with_the_accounts_token(
    tmp_path: Path,
) -> None:
    (discovery,) = localised(tmp_path)["scrape_configs"][0]["kubernetes_sd_configs"]
    assert discovery == {
        **DISCOVERY,
        "api_server": "https://127.0.0.1:6443",
        "tls_config": {"ca_file": f"{tmp_path}/ca.crt"},
        "authorization": {"credentials_file": f"{tmp_path}/token"},
    }


def test_the_variables_of_the_operators_pods_have_their_values(tmp_path: Path) -> None:
    assert "$(" not in yaml.safe_dump(localised(tmp_path))


def test_webhooks_are_called_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    service = {"name": "keda-admission-webhooks", "namespace": "keda", "path": "/validate"}
    configuration = {"webhooks": [{"name": "a", "clientConfig": {"service": service}}]}
    (found,) = beside.by_url([configuration], tmp_path, 9443)
    assert found["webhooks"][0]["clientConfig"] == {
        "url": "https://127.0.0.1:9443/validate",
        "caBundle": "UEVN",
    }


def test_the_rules_of_the_documentation_are_those_of_every_metric() -> None:
    rules = documented_rules(ROOT / "docs/scaling.md")
    names = {rule["name"]["as"] for rule in rules}
    assert {"vllm_num_requests_waiting", "vllm_num_requests_running", "vllm_kv_cache_usage_perc"} <= names


@pytest.fixture
def log(tmp_path: Path) -> Path:
    def event(user: str, what: dict[str, str] | None, decision: str) -> str:
        return json.dumps(
            {
                "verb": "get",
                "user": {"username": user},
                "requestURI": "/metrics?x=1",
                "objectRef": what,
                "annotations": {"authorization.k8s.io/decision": decision},
            }
        )

    mine = "system:serviceaccount:wva:controller"
    scale = {"resource": "deployments", "subresource": "scale", "apiGroup": "apps"}
    lines = [
        event(mine, scale, "allow"),
        event(mine, {"resource": "secrets"}, "forbid"),
        event(mine, None, "allow"),
        event("system:serviceaccount:other:controller", {"resource": "nodes"}, "allow"),
    ]
    (tmp_path / audit.LOG).write_text("\n".join([*lines, '{"half": ']))
    return tmp_path


def test_the_audit_log_tells_what_one_account_asked_for(log: Path) -> None:
    assert audit.requests(log, "controller", "wva") == {
        audit.Request("get", "apps", "deployments/scale", allowed=True),
        audit.Request("get", "", "secrets", allowed=False),
        audit.Request("get", "", "/metrics", allowed=True),
    }
