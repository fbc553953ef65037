"""What the control plane itself says: why a pod waits, and whether one may be evicted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.kubectl import KubectlError

if TYPE_CHECKING:
    from pytest_helm_charts.clusters import Cluster

    from charttest.release import Release


def values(**body: Any) -> dict[str, Any]:
    return {"models": {"m": {"source": {"uri": "hf://org/model"}, **body}}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"parallelism": {"tensor": 16}}, "Insufficient nvidia.com/gpu"),
        ({"accelerator": {"product": "NVIDIA-Z9"}}, "didn't match Pod's node affinity/selector"),
        ({"accelerator": {"resource": "habana.ai/gaudi"}}, "Insufficient habana.ai/gaudi"),
        ({"resources": {"requests": {"memory": "100Ti"}}}, "Insufficient memory"),
    ],
    ids=["too many GPUs", "a GPU that no node has", "another vendor's GPU", "too much memory"],
)
def test_a_pod_that_does_not_fit_stays_pending_with_the_reason(
    release: Release, body: dict[str, Any], reason: str
) -> None:
    release.install(values(**body), wait=False)
    wait(release, f"deployment/{release.name}-m", "jsonpath={.status.unavailableReplicas}=1")
    wait(release, "pods", "condition=PodScheduled=false", "--all")
    pod = release.get("pods")[0]
    assert pod["status"]["phase"] == "Pending"
    assert reason in next(c["message"] for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")


def test_an_eviction_that_breaks_the_budget_is_refused(release: Release) -> None:
    release.install(values(replicas=2, disruption={"minAvailable": 2}))
    wait(release, f"poddisruptionbudget/{release.name}-m", "jsonpath={.status.currentHealthy}=2")
    with pytest.raises(
        KubectlError, match=r"\(TooManyRequests\): .* would violate the pod's disruption budget"
    ):
        evict(release)


def test_an_eviction_within_the_budget_is_granted(release: Release) -> None:
    release.install(values(replicas=2))
    wait(release, f"poddisruptionbudget/{release.name}-m", "jsonpath={.status.disruptionsAllowed}=1")
    assert json.loads(evict(release))["status"] == "Success"


def test_a_namespace_that_enforces_restricted_refuses_a_pod_that_is_not(release: Release) -> None:
    """The lives of the scenarios prove something only if this namespace refuses what it should."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bad"},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        release.kubectl.apply(pod, namespace=release.namespace)


def test_the_cluster_of_pytest_helm_charts_is_this_one(kube_cluster: Cluster, release: Release) -> None:
    assert str(kube_cluster.kube_config_path) == str(release.kubectl.kubeconfig)
    assert kube_cluster.kube_client is not None
    assert kube_cluster.kube_client.version[0] == "1"


def wait(release: Release, what: str, condition: str, *more: str) -> None:
    """`kubectl wait`: watches until the condition holds, at most two minutes."""
    release.kubectl(
        "wait", what, f"--for={condition}", "--namespace", release.namespace, "--timeout=120s", *more
    )


def evict(release: Release) -> str:
    """Ask for the eviction of the first pod of the release, as a node drain does."""
    name = release.get("pods")[0]["metadata"]["name"]
    metadata = {"name": name, "namespace": release.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
    return release.kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(body))
