"""What the real controllers make of groups over nodes and of claims of replicas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import eventually

from charttest.errors import ClusterError
from charttest.helm import HelmError

if TYPE_CHECKING:
    from charttest.release import Release

LABEL = "leaderworkerset.sigs.k8s.io"
GPU = {"product": "NVIDIA-H100-80GB-HBM3"}
NODES = {"tensor": 8, "pipeline": 2, "nodes": 2}


def values(**body: Any) -> dict[str, Any]:
    return {"models": {"m": {"source": {"uri": "hf://org/model"}, "accelerator": GPU, **body}}}


@pytest.fixture
def groups(release: Release, group_controller: bool) -> Release:
    """A release in a cluster that has the controller of groups."""
    if not group_controller:
        pytest.skip("the cluster of --kubeconfig has no LeaderWorkerSet controller")
    return release


def by_role(release: Release) -> dict[str, dict[str, Any]]:
    """The pods of a release with one group, by the role that the chart gives them."""
    return {pod["metadata"]["labels"]["vllm-stack.io/role"]: pod for pod in release.get("pods")}


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def variables(pod: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in pod["spec"]["containers"][0]["env"]}


def test_every_pod_of_a_group_is_told_its_rank_and_its_leader(groups: Release) -> None:
    groups.install(values(parallelism=NODES))
    pods = by_role(groups)
    leader, worker = pods["server"], pods["worker"]
    ranks = [variables(pod)["LWS_WORKER_INDEX"] for pod in (leader, worker)]
    assert ranks == ["0", "1"]
    host, service, namespace = variables(worker)["LWS_LEADER_ADDRESS"].split(".")
    assert (host, namespace) == (leader["metadata"]["name"], groups.namespace)
    made = groups.get("services", service)
    assert made["spec"]["clusterIP"] == "None"
    assert made["spec"]["publishNotReadyAddresses"] is True
    assert leader["spec"]["nodeName"] != worker["spec"]["nodeName"]


def test_the_service_of_the_model_has_the_leader_alone(groups: Release) -> None:
    groups.install(values(parallelism=NODES))
    name = f"kubernetes.io/service-name={groups.name}-m"
    slices = ("endpointslices.discovery.k8s.io", "--selector", name)
    # Both pods are ready; the Service is told of it a moment later.
    groups.wait("wait", *slices, "--for=jsonpath={.endpoints[*].conditions.ready}=true")
    (piece,) = groups.get(*slices)
    leader = by_role(groups)["server"]
    assert [each["targetRef"]["name"] for each in piece["endpoints"]] == [leader["metadata"]["name"]]


def test_a_group_shares_the_domain_that_it_has_for_itself(groups: Release) -> None:
    rack = "topology.kubernetes.io/rack"
    groups.install(values(parallelism=NODES, scheduling={"exclusiveTopology": rack}, replicas=2))
    nodes = {node["metadata"]["name"]: node["metadata"]["labels"] for node in groups.get("nodes")}
    racks: dict[str, set[str]] = {}
    for pod in groups.get("pods"):
        index = pod["metadata"]["labels"][f"{LABEL}/group-index"]
        racks.setdefault(index, set()).add(nodes[pod["spec"]["nodeName"]][rack])
    assert sorted(map(len, racks.values())) == [1, 1]
    assert racks["0"] != racks["1"]


def test_a_group_that_loses_a_pod_is_made_anew_as_a_whole(groups: Release) -> None:
    groups.install(values(parallelism=NODES))
    before = by_role(groups)
    groups.kubectl(
        "delete", "pod", before["worker"]["metadata"]["name"], "--wait=false", "--namespace", groups.namespace
    )

    def anew() -> bool:
        """Asked for by its uid: the new leader has the old one's name, and may be there at once."""
        leader = by_role(groups).get("server", before["server"])
        return leader["metadata"]["uid"] != before["server"]["metadata"]["uid"] and is_ready(leader)

    eventually("a new leader", anew)


def test_a_budget_knows_how_many_pods_its_groups_have(groups: Release) -> None:
    groups.install(values(parallelism=NODES, replicas=2))
    name = f"poddisruptionbudget/{groups.name}-m-lws"
    groups.wait("wait", name, "--for=jsonpath={.status.currentHealthy}=4")
    status = groups.get("poddisruptionbudgets")[0]["status"]
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (4, 3, 1)


def test_the_claims_of_replicas_grow_as_documented(release: Release) -> None:
    """docs/workloads.md, "What cannot be changed": the refusal, then the steps."""

    def sized(size: str, replicas: int) -> dict[str, Any]:
        return values(cache={"type": "perReplica", "size": size}, replicas=replicas)

    name = f"{release.name}-m"
    release.install(sized("1Gi", 2))
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in release.get("pods")}
    with pytest.raises(HelmError, match="updates to statefulset spec for fields other than"):
        release.upgrade(sized("2Gi", 3))
    where = ("--namespace", release.namespace)
    release.kubectl("delete", "statefulset", name, "--cascade=orphan", *where)
    release.upgrade(sized("2Gi", 3))
    after = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in release.get("pods")}
    assert before.items() <= after.items()  # no pod was restarted for it
    sizes = {
        claim["metadata"]["name"]: claim["spec"]["resources"]["requests"]["storage"]
        for claim in release.get("persistentvolumeclaims")
    }
    assert sizes == {f"cache-{name}-0": "1Gi", f"cache-{name}-1": "1Gi", f"cache-{name}-2": "2Gi"}


def test_a_group_that_finds_no_nodes_is_told_with_its_pods(groups: Release) -> None:
    with pytest.raises(ClusterError, match=r"LeaderWorkerSet \S+-m-lws: not ready after 15 s") as error:
        replace(groups, timeout_seconds=15).install(values(parallelism={"tensor": 32, "nodes": 2}))
    assert "Insufficient nvidia.com/gpu" in "".join(error.value.__notes__)


def test_more_nodes_for_a_group_are_rolled_out(groups: Release) -> None:
    groups.install(values(parallelism={"tensor": 8, "pipeline": 2, "nodes": 2}))
    groups.upgrade(values(parallelism={"tensor": 8, "pipeline": 4, "nodes": 4}))
    indices = [variables(pod)["LWS_WORKER_INDEX"] for pod in groups.get("pods")]
    assert sorted(indices) == ["0", "1", "2", "3"]
    assert {variables(pod)["LWS_GROUP_SIZE"] for pod in groups.get("pods")} == {"4"}


def test_the_claims_of_a_group_stay_as_they_are(groups: Release) -> None:
    """docs/workloads.md, "What cannot be changed": nothing comes of the upgrade, then the steps."""

    def sized(size: str) -> dict[str, Any]:
        return values(parallelism=NODES, cache={"type": "perReplica", "size": size})

    groups.install(sized("1Gi"))
    with pytest.raises(HelmError, match="generation is 2, but latest observed generation is 1"):
        replace(groups, timeout_seconds=15).upgrade(sized("2Gi"))
    groups.kubectl("delete", "leaderworkerset", f"{groups.name}-m-lws", "--namespace", groups.namespace)
    groups.upgrade(sized("2Gi"))
    claims = groups.get("persistentvolumeclaims")
    assert [claim["spec"]["resources"]["requests"]["storage"] for claim in claims] == ["1Gi", "1Gi"]
