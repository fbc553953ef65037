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
    from charttest.render import Rendered

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))
# What cannot run with the test engine and its nodes, and why.
NOT_HERE = {
    "LeaderWorkerSet": "the test engine forms no groups; tests/cluster runs their controller",
    "Job": "a download needs the Hub or a store; tests/render runs its program against servers",
    "PersistentVolume": "the storage is of a driver or server that does not run here",
    "StorageClass": "the storage is of a driver that does not run here",
    "ResourceClaimTemplate": "no driver of devices runs on these nodes",
}
STOPS_SOON = {"defaults": {"shutdown": {"preStopSeconds": 1}}}
ENGINE = {"repository": "vllm/vllm-openai", "tag": "v0.33.0"}


@pytest.fixture(scope="module")
def lives(
    chart: Chart, releases: Releases, pytestconfig: pytest.Config
) -> Iterator[dict[Path, Future[None]]]:
    with ThreadPoolExecutor(max_workers=3) as pool:
        images = pytestconfig.getini("test_engine_images")
        yield {path: pool.submit(live, chart, releases(timeout_seconds=300), path, images) for path in FILES}
        pool.shutdown(cancel_futures=True)


def name(path: Path) -> str:
    """The name of a scenario."""
    return path.stem.removesuffix("-values")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_scenario_becomes_ready_and_passes_its_helm_test(
    lives: dict[Path, Future[None]], path: Path
) -> None:
    lives[path].result()


def live(chart: Chart, release: Release, path: Path, images: list[str]) -> None:
    scenario = Scenario.of(path)
    rendered = chart.render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if reason := missing(rendered, images, release.kubectl.get("nodes")):
        pytest.skip(reason)
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


def missing(rendered: Rendered, images: list[str], nodes: list[dict[str, Any]]) -> str:
    """What these nodes lack for a scenario; tests/cluster proves that it is admitted and scheduled. Empty: nothing."""
    for kind, reason in NOT_HERE.items():
        if rendered.find(kind):
            return reason
    for pod in Manifests(rendered.objects).pods:
        if foreign := sorted(
            each["image"] for each in pod.containers if f"docker.io/{each['image']}" not in images
        ):
            return f"the nodes have no image {', '.join(foreign)}"
        devices = {name for each in pod.containers for name in limits(each) if "/" in name}
        labels = (pod.spec.get("nodeSelector") or {}).items()
        if not any(
            devices <= node["status"]["allocatable"].keys() and labels <= node["metadata"]["labels"].items()
            for node in nodes
        ):
            return (
                f"no node has {', '.join([*sorted(devices), *(f'{key}={value}' for key, value in labels)])}"
            )
        if any("image" in volume for volume in pod.spec.get("volumes", [])):
            return "the containers' runtime mounts no images as volumes here"
    return ""


def limits(container: dict[str, Any]) -> dict[str, Any]:
    """The limits of a container."""
    found: dict[str, Any] = container.get("resources", {}).get("limits", {})
    return found


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
