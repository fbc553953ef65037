"""What the operator makes of a release: who selects it, and which targets with which labels there are."""

from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.monitoring.live import INTERVAL, MODEL, STACK
from tests.scaling.course import wait_for

from charttest.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.monitoring.live import Live

STACKED = "stacked"  # a Prometheus as kube-prometheus-stack has it


@pytest.fixture
def stacked(running: Live) -> Iterator[str]:
    """The namespace of a second Prometheus that selects by the label of kube-prometheus-stack; it runs nowhere."""
    selector = {"matchLabels": STACK}
    kinds = {f"{kind}Selector": selector for kind in ("serviceMonitor", "podMonitor", "rule")}
    spaces: dict[str, Any] = {
        f"{kind}NamespaceSelector": {} for kind in ("serviceMonitor", "podMonitor", "rule")
    }
    found = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": STACKED},
        "spec": {"replicas": 0, "serviceAccountName": "default", **kinds, **spaces},
    }
    release = running.release
    release.kubectl.apply(found, unlabelled(), namespace=release.namespace)
    yield release.namespace
    release.kubectl("delete", "prometheus", STACKED, "--namespace", release.namespace)


def unlabelled() -> dict[str, Any]:
    """A PodMonitor without the label, which that Prometheus must not take."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "unlabelled"},
        "spec": {"selector": {"matchLabels": {"no": "pod"}}, "podMetricsEndpoints": [{"port": "http"}]},
    }


def test_a_prometheus_as_that_of_kube_prometheus_stack_selects_the_release_by_its_label(
    running: Live, stacked: str
) -> None:
    release = running.release

    def jobs() -> set[str]:
        (secret,) = running.driver.scaling.kubectl.get(
            "secrets", "--namespace", stacked, f"--field-selector=metadata.name=prometheus-{STACKED}"
        )
        packed = secret["data"]["prometheus.yaml.gz"]
        document = yaml.safe_load(gzip.decompress(base64.b64decode(packed)))
        return {job["job_name"] for job in document.get("scrape_configs") or ()}

    def ruled() -> str:
        name = f"prometheus-{STACKED}-rulefiles-0"
        return str(release.get("configmap", name).get("data", {}))

    def selected() -> bool:
        return jobs() == {f"podMonitor/{release.namespace}/{release.name}-engines/0"}

    eventually("its configuration", selected)
    eventually("its rules", lambda: f"vllm-stack.{release.name}.engines" in ruled())


def eventually(what: str, condition: Any) -> None:
    """Wait for what the operator writes; as long as it has not written, there is nothing to read."""

    def holds() -> bool:
        try:
            return bool(condition())
        except (KubectlError, KeyError, ValueError):
            return False

    wait_for(what, holds)


def test_every_engine_is_a_target_that_is_up_and_has_the_labels_of_the_documentation(running: Live) -> None:
    release = running.release
    job = f"podMonitor/{release.namespace}/{release.name}-engines/0"
    pods = {
        pod["metadata"]["name"]: pod
        for pod in release.get("pods", "--selector=app.kubernetes.io/component=engine")
        if "deletionTimestamp" not in pod["metadata"]
    }

    def targets() -> list[dict[str, Any]]:
        found = running.driver.scaling.prometheus.data("targets", state="active")["activeTargets"]
        return [each for each in found if each["scrapePool"] == job and each["health"] == "up"]

    found: dict[str, dict[str, Any]] = {}

    def complete() -> bool:
        found.update({each["labels"]["pod"]: each for each in targets()})
        return pods.keys() <= found.keys()

    wait_for("every target", complete)
    seen = set()
    for target in found.values():
        labels = target["labels"]
        if labels["pod"] not in pods:  # the scaler has added it meanwhile
            continue
        own = pods[labels["pod"]]["metadata"]["labels"]
        model, variant = own["vllm-stack.io/model"], own["vllm-stack.io/variant"]
        role = ROLES[model, variant]
        seen.add((model, variant))
        scaled = {"llm_d_ai_variant": f"{release.name}-{MODEL}-cheap"} if variant == "cheap" else {}
        assert labels == {
            "namespace": release.namespace,
            "pod": labels["pod"],
            "container": "engine",
            "job": f"{release.namespace}/{release.name}-engines",
            "instance": f"{pods[labels['pod']]['status']['podIP']}:8000",
            "endpoint": "http",
            "release": release.name,
            "model": model,
            "variant": variant,
            "role": role,
            **scaled,
        }
        assert target["scrapeInterval"] == INTERVAL
    assert seen == ROLES.keys()


# Of each model and variant of the release.
ROLES = {
    (MODEL, "main"): "server",
    (MODEL, "cheap"): "server",
    ("split", "main"): "decode",
    ("split", "prefill"): "prefill",
}
