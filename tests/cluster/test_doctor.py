"""`valuegen doctor` against a real API server, scheduler and controllers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.test_scheduling import values, wait
from tests.doctors import doctor
from tests.render import wva

from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from charttest.kubectl import Kubectl
    from charttest.release import Release

L40S = {"product": "NVIDIA-L40S"}


def unscheduled(release: Release) -> None:
    wait(release, f"deployment/{release.name}-m", "jsonpath={.status.unavailableReplicas}=1")
    wait(release, "pods", "condition=PodScheduled=false", "--all")


def refused(release: Release) -> None:
    wait(release, f"deployment/{release.name}-m", "condition=ReplicaFailure")


def small_quota(release: Release) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "gpus"},
        "spec": {"hard": {"requests.nvidia.com/gpu": "1"}},
    }
    release.kubectl.apply(quota, namespace=release.namespace)
    wait(release, "resourcequota/gpus", "jsonpath={.status.hard.requests\\.nvidia\\.com/gpu}=1")


def no_metrics(release: Release) -> None:
    wait(release, f"hpa/{release.name}-m", "condition=ScalingActive=false")


def nothing(_release: Release) -> None:
    """Nothing to prepare, or to wait for."""


# What is wrong: the model, what is made before, what is waited for, and the words of the first line.
FAULTS: dict[str, tuple[dict[str, Any], Callable[[Release], None], Callable[[Release], None], str]] = {
    "a GPU that no node has": (
        {"accelerator": {"product": "NVIDIA-Z9"}},
        nothing,
        unscheduled,
        "no node has the label nvidia.com/gpu.product=NVIDIA-Z9",
    ),
    "too many GPUs": (
        {"accelerator": L40S, "parallelism": {"tensor": 8}},
        nothing,
        unscheduled,
        "no node has enough free GPUs: a pod needs 8 nvidia.com/gpu, the largest node that it selects has 4",
    ),
    "another vendor's GPU": (
        {"accelerator": {"resource": "habana.ai/gaudi"}},
        nothing,
        unscheduled,
        "no node offers habana.ai/gaudi",
    ),
    "too much memory": (
        {"accelerator": L40S, "resources": {"requests": {"memory": "100Ti"}}},
        nothing,
        unscheduled,
        "no node has enough free memory: a pod needs 102,400 GiB memory",
    ),
    "a claim that does not exist": (
        {"cache": {"type": "existingClaim", "claimName": "models"}},
        nothing,
        unscheduled,
        "the claim models does not exist",
    ),
    "a class that does not exist": (
        {"cache": {"type": "claim", "size": "10Gi", "storageClassName": "nope"}},
        nothing,
        unscheduled,
        "the StorageClass nope of the claim",
    ),
    "a quota": (
        {"accelerator": L40S, "parallelism": {"tensor": 2}},
        small_quota,
        refused,
        "the quota gpus has no room: asked requests.nvidia.com/gpu=2",
    ),
    "a priority that does not exist": (
        {"scheduling": {"priorityClassName": "nope"}},
        nothing,
        refused,
        "the PriorityClass nope does not exist",
    ),
    "a pod that the namespace does not allow": (
        {"podSecurityContext": {"runAsNonRoot": False}},
        nothing,
        refused,
        "the namespace enforces Pod Security restricted:latest, which the pod breaks",
    ),
    "a scaler without metrics": (
        {"accelerator": L40S, "autoscaling": {"mode": "hpa", "metrics": {"waitingRequests": 5}}},
        nothing,
        no_metrics,
        "has no metrics: FailedGetPodsMetric",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_line_names_the_cause(release: Release, fault: str) -> None:
    body, before, after, words = FAULTS[fault]
    before(release)
    release.install(values(**body), wait=False)
    after(release)
    said = doctor(release, release.name)
    assert words in said.first_line
    assert said.code == 3


def test_a_healthy_release_is_one_line(release: Release) -> None:
    release.install(values(accelerator=L40S, replicas=2))
    said = doctor(release, release.name)
    assert (said.code, said.stdout, said.stderr) == (
        0,
        f"{release.name}: healthy: 1 model, 2 pods ready, 0 restarts\n",
        "",
    )


def test_a_release_that_is_not_there_is_an_error_of_the_call(release: Release) -> None:
    said = doctor(release, "nobody")
    assert said.code == 2
    assert f"nobody: namespace {release.namespace} has nothing of a release of that name" in said.stderr


def test_without_rights_it_says_what_it_may_not_read(release: Release, tmp_path: Path) -> None:
    release.install(values(accelerator=L40S))
    here = ("--namespace", release.namespace)
    release.kubectl("create", "serviceaccount", "reader", *here)
    release.kubectl(
        "create", "role", "reader", "--verb=list", "--resource=pods,events,deployments.apps", *here
    )
    bound = ("--role=reader", f"--serviceaccount={release.namespace}:reader")
    release.kubectl("create", "rolebinding", "reader", *bound, *here)
    # kubectl reads from the kubeconfig whom to act as.
    config = json.loads(release.kubectl("config", "view", "--raw", "--output=json"))
    for user in config["users"]:
        user["user"]["as"] = f"system:serviceaccount:{release.namespace}:reader"
    mine = tmp_path / "kubeconfig"
    mine.write_text(json.dumps(config))
    said = doctor(release, release.name, kubeconfig=mine)
    assert said.first_line == f"{release.name}: healthy: 1 model, 1 pod ready, 0 restarts"
    assert "not judged, since you may not read them: services, replicasets, statefulsets" in said.stdout
    assert said.code == 0


SCALED = {"accelerator": L40S, "autoscaling": {"mode": "hpa", "metrics": {"waitingRequests": 5}}}

# What the values ask for that the cluster has not -> words of the first line.
LACKING: dict[str, tuple[dict[str, Any], str]] = {
    "a label": (values(accelerator={"product": "NVIDIA-Z9"}), "no node has the label"),
    "GPUs": (values(parallelism={"tensor": 16}), "no node has enough free GPUs"),
    "a class": (
        values(cache={"type": "claim", "size": "10Gi", "storageClassName": "nope"}),
        "the StorageClass nope of the claim",
    ),
    "a claim": (
        values(cache={"type": "existingClaim", "claimName": "models"}),
        "the PersistentVolumeClaim models",
    ),
    "a Secret": (
        {**values(accelerator=L40S), "secrets": {"huggingFace": {"existingSecret": "hf"}}},
        "the Secret hf does not exist in namespace",
    ),
    "a priority": (values(scheduling={"priorityClassName": "nope"}), "the PriorityClass nope does not exist"),
    "a runtime": (
        values(scheduling={"runtimeClassName": "nvidia"}),
        "the RuntimeClass nvidia does not exist",
    ),
    "metrics": (values(**SCALED), "nobody serves the metrics"),
    "a kind": (
        {
            **values(accelerator=L40S),
            "extraObjects": [{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}],
        },
        "the cluster does not know the kind Thing of example.com/v1",
    ),
}


def preflight(release: Release, tmp_path: Path, asked: dict[str, Any]) -> tuple[str, ...]:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(asked))
    return ("--preflight", "--values", str(file), "--chart", str(release.chart))


@pytest.mark.parametrize("lack", LACKING)
def test_preflight_names_what_the_cluster_lacks(release: Release, tmp_path: Path, lack: str) -> None:
    asked, words = LACKING[lack]
    said = doctor(release, *preflight(release, tmp_path, asked))
    assert words in said.first_line
    assert said.code == 3
    assert release.get("all") == []


def test_preflight_of_a_quota_counts_what_is_used(release: Release, tmp_path: Path) -> None:
    small_quota(release)
    said = doctor(release, *preflight(release, tmp_path, values(accelerator=L40S, replicas=2)))
    assert (
        "the quota gpus has no room: the values ask for 2 requests.nvidia.com/gpu, 1 of 1 are left"
        in said.first_line
    )


def test_preflight_of_a_fitting_cluster_is_one_line_and_the_install_succeeds(
    release: Release, tmp_path: Path
) -> None:
    asked = values(accelerator=L40S, replicas=2)
    said = doctor(release, *preflight(release, tmp_path, asked))
    assert "nothing is missing: there is room for 2 pods with 2 nvidia.com/gpu" in said.stdout
    assert (said.code, said.stdout.count("\n"), said.stderr) == (0, 1, "")
    release.install(asked)


def test_preflight_says_what_the_chart_refuses(release: Release, tmp_path: Path) -> None:
    said = doctor(release, *preflight(release, tmp_path, values(replica=2)))
    assert said.code == 2
    assert "helm says:" in said.stderr
    assert "replica" in said.stderr


@pytest.fixture
def controller(kubectl: Kubectl) -> Iterator[Release]:
    """A release of charts/wva, not installed yet."""
    with Releases(kubectl, wva.FOLDER) as releases:
        made = releases()
        yield made
        made.uninstall()


def leading(controller: Release) -> None:
    """What a pod of the controller does when it leads."""
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": controller.get("deployments")[0]["metadata"]["name"]},
        "spec": {"holderIdentity": "a", "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
    }
    controller.kubectl.apply(lease, namespace=controller.namespace)


def test_a_variant_needs_a_controller_that_runs_and_leads(
    release: Release, controller: Release, tmp_path: Path
) -> None:
    asked = values(accelerator=L40S, autoscaling={"mode": "wva", "actuator": "hpa"})
    before = preflight(release, tmp_path, asked)
    release.install(asked)
    none = "no Workload Variant Autoscaler is installed, so nobody decides the replicas of its variants"
    assert doctor(release, release.name).first_line == f"{release.name}: {none}"
    assert none in " ".join(doctor(release, *before).stdout.split())

    controller.install(wva.HTTP)  # its pods are simulated, and hold no lease
    for arguments in ((release.name,), before):
        said = " ".join(doctor(release, *arguments).stdout.split())
        assert none not in said
        assert "leads, so none decides" in said

    leading(controller)
    for arguments in ((release.name,), before):
        said = " ".join(doctor(release, *arguments).stdout.split())
        assert "Variant Autoscaler" not in said

    older = values(accelerator=L40S, autoscaling={"mode": "wva", "actuator": "hpa"})
    older["scaling"] = {"wvaApi": "variantautoscaling"}
    said = " ".join(doctor(release, *preflight(release, tmp_path, older)).stdout.split())
    assert "reads annotations of scalers, and the release has VariantAutoscaling objects" in said


def test_preflight_reads_files_and_settings_in_helms_order(release: Release, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(json.dumps({"models": {"m": {"accelerator": {"product": "NVIDIA-Z8"}}}}))
    asked = preflight(release, tmp_path, values(accelerator={"product": "NVIDIA-Z9"}))
    assert "nvidia.com/gpu.product=NVIDIA-Z9" in doctor(release, *asked).first_line
    later = (*asked, "--values", str(more))
    assert "nvidia.com/gpu.product=NVIDIA-Z8" in doctor(release, *later).first_line
    last = (*later, "--set", "models.m.accelerator.product=NVIDIA-L40S,models.m.replicas=2")
    said = doctor(release, *last)
    assert "nothing is missing: there is room for 2 pods with 2 nvidia.com/gpu" in said.stdout
    assert said.code == 0
    # Text where the chart wants a number, a key that it does not know, and words that helm cannot read.
    for setting, word in (
        (("--set-string", "models.m.replicas=2"), "replicas"),
        (("--set", "models.m.replica=2"), "replica"),
        (("--set", "models.m.servedNames[a]=x"), "failed parsing --set data"),
        (("--set-json", "models.m.args={"), "failed parsing --set-json data"),
    ):
        refused = doctor(release, *last, *setting)
        assert (refused.code, refused.stdout) == (2, "")
        assert "helm says:" in refused.stderr
        assert word in refused.stderr
