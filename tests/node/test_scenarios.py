"""Every scenario of the chart becomes Ready on real nodes, in a namespace that enforces `restricted`."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import engine, pods

from charttest.checks import Manifests
from charttest.externals import stand_ins
from charttest.lint import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart
    from charttest.release import Release, Releases

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))
# What cannot run with the test engine, and why.
LEFT_OUT = {"hardened": "the test engine speaks no TLS, and no node has this image"}
STOPS_SOON = {"defaults": {"shutdown": {"preStopSeconds": 1}}}
ENGINE = {"repository": "vllm/vllm-openai", "tag": "v0.33.0"}


@pytest.fixture(scope="module")
def lives(
    chart: Chart, releases: Releases, pytestconfig: pytest.Config
) -> Iterator[dict[Path, Future[None]]]:
    with ThreadPoolExecutor(max_workers=3) as pool:
        images = pytestconfig.getini("test_engine_images")
        yield {
            path: pool.submit(live, chart, releases(timeout_seconds=120), path, images)
            for path in FILES
            if name(path) not in LEFT_OUT
        }
        pool.shutdown(cancel_futures=True)


def name(path: Path) -> str:
    """The name of a scenario."""
    return path.stem.removesuffix("-values")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_scenario_becomes_ready_and_passes_its_helm_test(
    lives: dict[Path, Future[None]], path: Path
) -> None:
    if reason := LEFT_OUT.get(name(path)):
        pytest.skip(reason)
    lives[path].result()


def live(chart: Chart, release: Release, path: Path, images: list[str]) -> None:
    scenario = Scenario.of(path)
    rendered = chart.render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if rendered.find("LeaderWorkerSet"):
        pytest.skip("the test engine forms no groups; tests/cluster runs their controller")
    wanted = {each["image"] for pod in Manifests(rendered.objects).pods for each in pod.containers}
    if foreign := sorted(name for name in wanted if f"docker.io/{name}" not in images):
        pytest.skip(f"the nodes have no image {', '.join(foreign)}")
    if objects := stand_ins(rendered, scenario.external):
        release.kubectl.apply(*objects, namespace=release.namespace)
    claims = {claim["metadata"]["name"]: claim for claim in rendered.find("PersistentVolumeClaim")}
    for deployment in rendered.find("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        for volume in pod["volumes"]:
            if volume["name"] == "models":
                fill(release, claims[volume["persistentVolumeClaim"]["claimName"]], pod)
    release.install(path, STOPS_SOON)
    assert "Succeeded" in release.test()
    assert {engine(found)["restartCount"] for found in pods(release)} == {0}
    release.uninstall()


def fill(release: Release, claim: dict[str, Any], reader: dict[str, Any]) -> None:
    """Put the model that `reader` will read into a claim of the release, before there is a release."""
    owned = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": release.name,
            "meta.helm.sh/release-namespace": release.namespace,
        },
    }
    release.kubectl.apply({**claim, "metadata": {**claim["metadata"], **owned}}, namespace=release.namespace)
    model = reader["containers"][0]["args"][0]
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
        "nodeSelector": reader["nodeSelector"],
        "tolerations": reader["tolerations"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}],
    }
    release.kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fill"}, "spec": spec},
        namespace=release.namespace,
    )
    release.wait("wait", "pod/fill", "--for=jsonpath={.status.phase}=Succeeded")
    release.kubectl("delete", "pod/fill", "--namespace", release.namespace)
