"""Every scenario of the chart becomes Ready on real nodes, in a namespace that enforces `restricted`."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import engine, pods

from charttest.externals import stand_ins
from charttest.lint import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart
    from charttest.release import Release, Releases

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))
STOPS_SOON = {"defaults": {"shutdown": {"preStopSeconds": 1}}}
ENGINE = {"repository": "vllm/vllm-openai", "tag": "v0.33.0"}


@pytest.fixture(scope="module")
def lives(chart: Chart, releases: Releases) -> Iterator[dict[Path, Future[None]]]:
    with ThreadPoolExecutor(max_workers=3) as pool:
        yield {path: pool.submit(live, chart, releases(timeout_seconds=120), path) for path in FILES}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem.removesuffix("-values"))
def test_a_scenario_becomes_ready_and_passes_its_helm_test(
    lives: dict[Path, Future[None]], path: Path
) -> None:
    lives[path].result()


def live(chart: Chart, release: Release, path: Path) -> None:
    scenario = Scenario.of(path)
    rendered = chart.render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if objects := stand_ins(rendered, scenario.external):
        release.kubectl.apply(*objects, namespace=release.namespace)
    release.install(path, STOPS_SOON, wait=False)
    stores = list(model_stores(rendered.find("Deployment")))
    for store, model in stores:
        fill(release, store, model)
    status = ("rollout", "status", "deployments", "--selector", f"app.kubernetes.io/instance={release.name}")
    release.kubectl(*status, "--namespace", release.namespace, "--timeout=120s")
    assert "Succeeded" in release.test()
    if not stores:  # an engine whose model is not there yet ends, and is started again
        assert {engine(found)["restartCount"] for found in pods(release)} == {0}
    release.uninstall()


def model_stores(deployments: list[Any]) -> Iterator[tuple[str, str]]:
    """The claims that models are read from, each with the path of its model in it."""
    for deployment in deployments:
        spec = deployment["spec"]["template"]["spec"]
        for volume in spec["volumes"]:
            if volume["name"] == "models":
                model = spec["containers"][0]["args"][0]
                yield volume["persistentVolumeClaim"]["claimName"], model


def fill(release: Release, claim: str, model: str) -> None:
    """Put a model into a claim, as somebody does before a release that reads it."""
    script = f"import os; os.makedirs({model!r}, exist_ok=True); open({model!r} + '/config.json', 'w').write('{{}}')"
    container = {
        "name": "fill",
        "image": f"{ENGINE['repository']}:{ENGINE['tag']}",
        "command": ["python3", "-c", script],
        "volumeMounts": [{"name": "models", "mountPath": "/models"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": claim}}],
    }
    release.kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fill"}, "spec": spec},
        namespace=release.namespace,
    )
    succeeded = "--for=jsonpath={.status.phase}=Succeeded"
    release.kubectl("wait", "pod/fill", succeeded, "--namespace", release.namespace, "--timeout=60s")
    release.kubectl("delete", "pod/fill", "--namespace", release.namespace)
