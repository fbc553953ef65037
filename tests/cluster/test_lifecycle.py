"""Every scenario installs, upgrades, rolls back and goes, with Helm 3 and Helm 4, on simulated GPU nodes.

The lives of all scenarios run side by side in a few threads; each test waits for its own.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest.externals import stand_ins
from charttest.helm import helm
from charttest.lint import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart, GpuNode
    from charttest.release import Release, Releases

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))
LIVES = [(path, major) for path in FILES for major in (3, 4)]
# Rolls every pod and nothing else.
CHANGE = {"defaults": {"podAnnotations": {"example.com/change": "1"}}}


@pytest.fixture(scope="module")
def lives(
    chart: Chart, release_factory: Releases, gpu_nodes: list[GpuNode]
) -> Iterator[dict[tuple[Path, int], Future[None]]]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            (path, major): pool.submit(live, chart, release_factory, path, major, gpu_nodes)
            for path, major in LIVES
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    ("path", "major"),
    LIVES,
    ids=[f"{path.stem.removesuffix('-values')}-helm{major}" for path, major in LIVES],
)
def test_a_scenario_installs_rolls_and_leaves_nothing(
    lives: dict[tuple[Path, int], Future[None]], path: Path, major: int
) -> None:
    lives[path, major].result()


def live(
    chart: Chart,
    release_factory: Releases,
    path: Path,
    major: int,
    gpu_nodes: list[GpuNode],
) -> None:
    """One life of a release, from the objects it expects to what it leaves behind."""
    release = release_factory(helm=helm(major))
    scenario = Scenario.of(path)
    rendered = chart.render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if objects := stand_ins(rendered, scenario.external):
        release.kubectl.apply(*objects, namespace=release.namespace)

    release.install(path)
    pods = running(release)
    assert len(pods) == sum(item.spec.get("replicas", 1) for item in rendered.find("Deployment"))
    for pod in pods:
        assert_is_on_its_node(pod, gpu_nodes)
    first = revisions(pods)
    if rendered.find("Pod"):
        # The simulated node completes the pod without running it: this proves that it is admitted and ends.
        assert "Succeeded" in release.test()

    release.upgrade(path, CHANGE)
    rolled_out(release)
    assert first.isdisjoint(revisions(running(release)))
    release.rollback()
    rolled_out(release)
    assert revisions(running(release)) == first
    assert [entry["status"] for entry in release.history()] == ["superseded", "superseded", "deployed"]

    release.uninstall()
    kept = {
        item.name
        for item in rendered.find("PersistentVolumeClaim")
        if "helm.sh/resource-policy" in item["metadata"].get("annotations", {})
    }
    assert {claim["metadata"]["name"] for claim in release.get("persistentvolumeclaims")} == kept
    kinds = (
        "deployments,services,poddisruptionbudgets,configmaps,secrets,serviceaccounts,httproutes,networkpolicies"
        ",horizontalpodautoscalers,scaledobjects,triggerauthentications"
    )
    selector = f"app.kubernetes.io/instance={release.name}"
    assert release.get(kinds, "--selector", selector) == []


def rolled_out(release: Release) -> None:
    """Wait for the last pods: `helm --wait` of Helm 3 is content with all but maxUnavailable of them."""
    which = ("deployments", "--selector", f"app.kubernetes.io/instance={release.name}")
    release.kubectl("rollout", "status", *which, "--namespace", release.namespace, "--timeout=60s")


def running(release: Release) -> list[dict[str, Any]]:
    """The pods of a release that are not on their way out; all of them are ready."""
    where = ("--selector", f"app.kubernetes.io/instance={release.name}")
    # Helm 3 waits until at most maxUnavailable pods are missing, not until the rollout is over.
    status = ("status", "deployments", *where, "--namespace", release.namespace, "--timeout=60s")
    release.kubectl("rollout", *status)
    pods = [pod for pod in release.get("pods", *where) if "deletionTimestamp" not in pod["metadata"]]
    for pod in pods:
        conditions = {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}
        assert (pod["status"]["phase"], conditions["Ready"]) == ("Running", "True")
    return pods


def revisions(pods: list[dict[str, Any]]) -> set[str]:
    """The pod templates that these pods are made from."""
    return {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods}


def assert_is_on_its_node(pod: dict[str, Any], gpu_nodes: list[GpuNode]) -> None:
    """The node has the accelerators that the pod asks for, and the labels that it selects."""
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    devices = {name: int(number) for name, number in limits.items() if "/" in name}
    if not devices:
        return
    node = next(node for node in gpu_nodes if node.name == pod["spec"]["nodeName"])
    assert all(node.accelerators[name] >= number for name, number in devices.items())
    assert (pod["spec"].get("nodeSelector") or {}).items() <= node.labels.items()
