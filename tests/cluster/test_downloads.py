"""Downloads on a cluster: done before any engine starts, on claims that outlive every release.

The simulated nodes end the Job's pod without running it; what the program does is in test_download_model.py.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from charttest.helm import HelmError, helm

if TYPE_CHECKING:
    from charttest.release import Release, Releases

MODEL: dict[str, Any] = {
    "source": {"uri": "hf://org/one", "download": "job", "job": {"claim": "models"}},
    "accelerator": {"product": "NVIDIA-L40S"},
}
VALUES: dict[str, Any] = {
    "storage": {"claims": {"models": {"size": "10Gi"}}},
    "secrets": {"huggingFace": {"token": "hf_placeholder"}},
    "models": {"one": MODEL},
}
OTHER = {**MODEL, "source": {**MODEL["source"], "uri": "hf://org/two"}}
BOTH = {**VALUES, "models": {"one": MODEL, "two": OTHER}}


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def release(request: pytest.FixtureRequest, release_factory: Releases) -> Any:
    made = release_factory(helm=helm(request.param))
    yield made
    made.uninstall()


def hooks(release: Release) -> list[dict[str, Any]]:
    """The hooks of the release that ran before its objects, in the order in which they did."""
    where = ("--kubeconfig", str(release.kubectl.kubeconfig), "--namespace", release.namespace)
    status = json.loads(release.helm.run("status", release.name, *where, "--output", "json"))
    ran = [hook for hook in status["hooks"] if "pre-install" in hook["events"]]
    return sorted(ran, key=lambda hook: moment(hook["last_run"]["started_at"]))


def moment(text: str) -> datetime:
    """Helm writes nanoseconds, which Python cuts to microseconds only from 3.11 on."""
    return datetime.fromisoformat(text)


def claim_uids(release: Release) -> dict[str, str]:
    return {c["metadata"]["name"]: c["metadata"]["uid"] for c in release.get("persistentvolumeclaims")}


def left_over(release: Release) -> list[str]:
    """What the hooks made and should have taken away."""
    kinds = "jobs,statefulsets,secrets,serviceaccounts"
    found = release.get(kinds, "--selector", f"app.kubernetes.io/instance={release.name}")
    # The release's own account and Secret are no hooks.
    return [
        f"{item['kind']}/{item['metadata']['name']}"
        for item in found
        if "helm.sh/hook" in item["metadata"].get("annotations", {})
    ]


def test_a_download_has_its_claim_secret_and_account_and_ends_before_any_engine_starts(
    release: Release,
) -> None:
    release.install(VALUES)
    ran = hooks(release)
    assert {hook["kind"] for hook in ran[:-1]} == {"ServiceAccount", "Secret", "StatefulSet"}
    assert ran[-1]["kind"] == "Job"
    assert all(str(hook["last_run"]["phase"]) == "Succeeded" for hook in ran)
    (deployment,) = release.get("deployments")
    created = moment(deployment["metadata"]["creationTimestamp"])
    assert moment(ran[-1]["last_run"]["completed_at"]).replace(microsecond=0) <= created
    assert left_over(release) == []


def test_a_claim_and_its_models_outlive_upgrade_rollback_uninstall_and_a_new_install(
    release: Release,
) -> None:
    release.install(VALUES)
    first = claim_uids(release)
    assert len(first) == 1
    release.upgrade(BOTH)
    assert sum(hook["kind"] == "Job" for hook in hooks(release)) == 2
    assert claim_uids(release) == first
    release.rollback()
    assert claim_uids(release) == first
    release.uninstall()
    assert left_over(release) == []
    assert claim_uids(release) == first
    release.install(BOTH)
    assert claim_uids(release) == first


def test_a_download_that_is_no_hook_any_more_takes_the_claim_over_and_gives_it_back(
    release: Release,
) -> None:
    release.install(VALUES)
    first = claim_uids(release)
    beside = {**MODEL, "source": {**MODEL["source"], "job": {"claim": "models", "hook": False}}}
    release.upgrade({**VALUES, "models": {"one": beside}})
    assert claim_uids(release) == first
    assert len(release.get("jobs")) == 1
    release.upgrade(VALUES)
    assert claim_uids(release) == first
    assert release.get("jobs") == []


def test_a_download_that_fails_stops_the_install_and_no_engine_takes_a_gpu(release: Release) -> None:
    nowhere = {**MODEL["source"], "job": {"claim": "models", "nodeSelector": {"no": "such-node"}}}
    late = {**MODEL, "startup": {"budgetSeconds": 3}, "source": nowhere}
    with pytest.raises(
        HelmError, match=r"(?s)failed pre-install.*-download-.*(DeadlineExceeded|status: Failed)"
    ):
        release.install({**VALUES, "models": {"one": late}})
    assert release.get("deployments") == []
    assert len(claim_uids(release)) == 1
    release.uninstall()
    release.install(VALUES)
    assert left_over(release) == []
