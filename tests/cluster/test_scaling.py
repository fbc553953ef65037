"""Handing the replicas to a scaler and back, with the real HPA controller; it needs no metrics to keep a minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from charttest.helm import helm

if TYPE_CHECKING:
    from charttest.release import Release, Releases

MODEL = {"source": {"uri": "hf://org/model"}, "accelerator": {"product": "NVIDIA-L40S"}}
FIXED = {"models": {"m": {**MODEL, "replicas": 3}}}
METRICS = {"metrics": {"waitingRequests": 5}}
# The first step of the handover of docs/scaling.md: both limits at the present number.
STILL = {
    "models": {"m": {**MODEL, "autoscaling": {"mode": "hpa", "minReplicas": 3, "maxReplicas": 3, **METRICS}}}
}
BESIDE: dict[str, Any] = {
    "scaled": {
        "replicas": None,
        "autoscaling": {"mode": "hpa", "minReplicas": 3, "maxReplicas": 3, **METRICS},
    }
}


def pods(release: Release, variant: str = "main") -> set[str]:
    """The names of the ready pods of a variant that are not on their way out."""
    found = release.get("pods", "--selector", f"vllm-stack.io/variant={variant}")
    return {
        pod["metadata"]["name"]
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    }


def wait_for(release: Release, deployment: str, count: int) -> None:
    """Until so many are wanted, by whoever decides it, and are there: the status alone may be of before."""
    release.wait("wait", f"--for=jsonpath={{.spec.replicas}}={count}", f"deployment/{deployment}")
    release.wait("rollout", "status", f"deployment/{deployment}")


def gone(release: Release, variant: str) -> None:
    """Until a variant has no pods: they are deleted some time after their Deployment."""
    which = f"--selector=vllm-stack.io/variant={variant}"
    release.wait("wait", "pods", which, "--for=delete")


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_a_scaler_restores_the_number_that_helm_reset_and_gives_it_back_without_a_restart(
    release_factory: Releases, major: int
) -> None:
    release = release_factory(helm=helm(major))
    release.install(FIXED)
    wait_for(release, f"{release.name}-m", 3)
    release.upgrade(STILL)
    wait_for(release, f"{release.name}-m", 3)
    scaled = pods(release)
    assert len(scaled) == 3
    release.upgrade(FIXED)
    wait_for(release, f"{release.name}-m", 3)
    assert pods(release) == scaled


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_a_scaled_variant_beside_the_model_takes_over_without_touching_its_pods(
    release_factory: Releases, major: int
) -> None:
    release = release_factory(helm=helm(major))
    release.install(FIXED)
    wait_for(release, f"{release.name}-m", 3)
    before = pods(release)
    release.upgrade({"models": {"m": {**FIXED["models"]["m"], "variants": BESIDE}}})
    wait_for(release, f"{release.name}-m-scaled", 3)
    assert pods(release) == before
    after = pods(release, "scaled")
    release.upgrade({"models": {"m": {**MODEL, "variants": {"main": {"enabled": False}, **BESIDE}}}})
    gone(release, "main")
    assert pods(release, "scaled") == after


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_another_scaler_and_the_way_back_leave_one_scaler_and_the_same_pods(
    release_factory: Releases, major: int
) -> None:
    release = release_factory(helm=helm(major))
    limits = {"minReplicas": 2, "maxReplicas": 4, **METRICS}
    hpa = {"models": {"m": {**MODEL, "autoscaling": {"mode": "hpa", "handover": True, **limits}}}}
    keda = {
        "models": {"m": {**MODEL, "autoscaling": {"mode": "keda", **limits}}},
        "scaling": {"prometheus": {"serverAddress": "http://prometheus:9090"}},
    }
    release.install(hpa)
    wait_for(release, f"{release.name}-m", 2)
    before = pods(release)
    release.upgrade(keda)
    assert (scalers(release), pods(release)) == (["ScaledObject"], before)
    release.rollback()
    assert (scalers(release), pods(release)) == (["HorizontalPodAutoscaler"], before)


def scalers(release: Release) -> list[str]:
    return [item["kind"] for item in release.get("horizontalpodautoscalers,scaledobjects")]
