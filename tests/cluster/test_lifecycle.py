"""Every scenario installs, upgrades, rolls back and goes, with Helm 3 or Helm 4, on simulated GPU nodes.

tests/render shows that both render the same; they differ in how they wait, so each has every other scenario. The
lives of all scenarios run side by side in a few threads; each test waits for its own.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest.checks import Manifests
from charttest.checks.model import SERVING
from charttest.externals import stand_ins
from charttest.helm import helm
from charttest.lint import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart, GpuNode
    from charttest.release import Release, Releases

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))
LIVES = [(path, (4, 3)[number % 2]) for number, path in enumerate(FILES)]
NAMES = [f"{path.stem.removesuffix('-values')}-helm{major}" for path, major in LIVES]
# The label that says which template a pod is made from: of a group, of a Deployment, of a StatefulSet.
REVISIONS = (
    "leaderworkerset.sigs.k8s.io/template-revision-hash",
    "pod-template-hash",
    "controller-revision-hash",
)
# Rolls every pod and nothing else.
CHANGE = {"defaults": {"podAnnotations": {"example.com/change": "1"}}}


@pytest.fixture(scope="module")
def lives(
    chart: Chart,
    release_factory: Releases,
    gpu_nodes: list[GpuNode],
    group_controller: bool,
    request: pytest.FixtureRequest,
) -> Iterator[dict[tuple[Path, int], Future[None]]]:
    selected = {item.name.partition("[")[2].rstrip("]") for item in request.session.items}
    chosen = [life for life, name in zip(LIVES, NAMES, strict=True) if name in selected]
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            (path, major): pool.submit(
                live, chart, release_factory(helm=helm(major)), path, gpu_nodes, group_controller
            )
            for path, major in chosen
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    ("path", "major"),
    LIVES,
    ids=NAMES,
)
def test_a_scenario_installs_rolls_and_leaves_nothing(
    lives: dict[tuple[Path, int], Future[None]], path: Path, major: int
) -> None:
    lives[path, major].result()


def live(
    chart: Chart,
    release: Release,
    path: Path,
    gpu_nodes: list[GpuNode],
    groups: bool,
) -> None:
    """One life of a release, from the objects it expects to what it leaves behind."""
    scenario = Scenario.of(path)
    rendered = chart.render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if rendered.find("LeaderWorkerSet") and not groups:
        pytest.skip("the cluster of --kubeconfig has no LeaderWorkerSet controller")
    if objects := stand_ins(rendered, scenario.external):
        release.kubectl.apply(*objects, namespace=release.namespace)

    release.install(path)
    pods = running(release)
    served = [pod for pod in Manifests(rendered.objects).pods if pod.owner.kind in SERVING]
    workloads = [pod for pod in served if pod.labels["app.kubernetes.io/component"] == "engine"]
    # Nobody runs the scalers here: what they own has the one replica that Kubernetes starts with.
    assert len(pods) == sum(pod.owner.spec.get("replicas", 1) * pod.per_replica for pod in workloads)
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
    # A claim that a hook's StatefulSet made belongs to no release.
    kept |= {
        f"{claim['metadata']['name']}-{item.name}-0"
        for item in rendered.find("StatefulSet")
        if "helm.sh/hook" in item["metadata"].get("annotations", {})
        for claim in item.spec["volumeClaimTemplates"]
    }
    kept |= declared(scenario, "PersistentVolumeClaim")
    # Those of a StatefulSet or LeaderWorkerSet stay as their retention says: one for each of its pods.
    of_pods = {f"cache-{pod['metadata']['name']}" for pod in pods if owns_a_claim(pod)}
    assert {claim["metadata"]["name"] for claim in release.get("persistentvolumeclaims")} == kept | of_pods
    kinds = (
        "deployments,statefulsets,leaderworkersets,jobs,services,poddisruptionbudgets,configmaps,secrets,"
        "serviceaccounts,networkpolicies,httproutes,ingresses,middlewares.traefik.io,virtualservices,"
        "destinationrules,inferencepools,inferenceobjectives,horizontalpodautoscalers,scaledobjects,"
        "triggerauthentications"
    )
    selector = f"app.kubernetes.io/instance={release.name}"
    assert release.get(kinds, "--selector", selector) == []


def declared(scenario: Scenario, kind: str) -> set[str]:
    """The names of the objects of a kind that the scenario expects to exist."""
    return {name.partition("/")[2] for name in scenario.external if name.startswith(f"{kind}/")}


def rolled_out(release: Release) -> None:
    """Wait for the last pods: `helm --wait` of Helm 3 is content with all but maxUnavailable of them."""
    which = ("--selector", f"app.kubernetes.io/instance={release.name}", "--namespace", release.namespace)
    for kind in ("deployments", "statefulsets"):
        if release.get(kind, *which[:2]):
            release.kubectl("rollout", "status", kind, *which, "--timeout=120s")


def running(release: Release) -> list[dict[str, Any]]:
    """The pods of a release that are not on their way out; all of them are ready."""
    where = ("--selector", f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=engine")
    # Helm 3 waits until at most maxUnavailable pods are missing, not until the rollout is over.
    rolled_out(release)
    pods = [pod for pod in release.get("pods", *where) if "deletionTimestamp" not in pod["metadata"]]
    for pod in pods:
        conditions = {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}
        assert (pod["status"]["phase"], conditions["Ready"]) == ("Running", "True")
    return pods


def revisions(pods: list[dict[str, Any]]) -> set[str]:
    """The pod templates that these pods are made from."""
    return {
        next(pod["metadata"]["labels"][label] for label in REVISIONS if label in pod["metadata"]["labels"])
        for pod in pods
    }


def owns_a_claim(pod: dict[str, Any]) -> bool:
    """Whether the pod mounts a claim that was made for it alone."""
    claims = [volume.get("persistentVolumeClaim", {}) for volume in pod["spec"]["volumes"]]
    return any(claim.get("claimName") == f"cache-{pod['metadata']['name']}" for claim in claims)


def assert_is_on_its_node(pod: dict[str, Any], gpu_nodes: list[GpuNode]) -> None:
    """The node has the accelerators that the pod asks for, and the labels that it selects."""
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    devices = {name: int(number) for name, number in limits.items() if "/" in name}
    if not devices:
        return
    node = next(node for node in gpu_nodes if node.name == pod["spec"]["nodeName"])
    assert all(node.accelerators[name] >= number for name, number in devices.items())
    assert (pod["spec"].get("nodeSelector") or {}).items() <= node.labels.items()
