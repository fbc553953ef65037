"""Handing a workload from one scaler to another and back, while its ready pods are watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.scaling.course import ENGINE, Driver, wait_for
from tests.scaling.scenarios import LIMITS, sign_in, values

from charttest.helm import HelmError, helm
from charttest.load.sources import READY

if TYPE_CHECKING:
    from charttest.release import Release


@dataclass(frozen=True)
class Handover:
    """One workload after another: what was ready over time, by variant, and which pods there were."""

    ready: list[float]
    """Of all variants together, second by second."""
    pods: list[set[str]]
    """The names of the ready pods after each step."""
    refusal: str = ""
    """What the cluster said to a step that it did not take."""


def hpa_to_keda_helm3(driver: Driver, release: Release) -> Handover:
    """See hpa_to_keda."""
    return hpa_to_keda(driver, replace(release, helm=helm(3)))


def hpa_to_keda_helm4(driver: Driver, release: Release) -> Handover:
    """See hpa_to_keda."""
    return hpa_to_keda(driver, replace(release, helm=helm(4)))


def hpa_to_keda(driver: Driver, release: Release) -> Handover:
    """From the chart's HPA to KEDA and back, as docs/scaling.md says, with KEDA's admission; first without the step."""
    sign_in(driver, release)
    limits = {**LIMITS, "minReplicas": 2}
    pods = []
    release.install(values(driver, mode="hpa", **limits))
    driver.settle(release, f"{release.name}-m", 2)
    with driver.watch_all(release) as recorder:
        pods.append(ready_pods(release))
        try:
            release.upgrade(values(driver, mode="keda", **limits))
            refusal = ""
        except HelmError as error:
            refusal = error.output
        release.upgrade(values(driver, mode="hpa", handover=True, **limits))
        release.upgrade(values(driver, mode="keda", **limits))
        wait_for("KEDA to own the HPA", lambda: scalers(release) == ["ScaledObject", "keda-hpa"])
        pods.append(ready_pods(release))
        release.upgrade(values(driver, mode="hpa", **limits))
        wait_for("the chart's HPA", lambda: scalers(release) == ["HorizontalPodAutoscaler"])
        pods.append(ready_pods(release))
    return Handover([value for value in recorder.series[READY] if value is not None], pods, refusal)


def fixed_to_keda_helm3(driver: Driver, release: Release) -> Handover:
    """See fixed_to_keda."""
    return fixed_to_keda(driver, replace(release, helm=helm(3)))


def fixed_to_keda_helm4(driver: Driver, release: Release) -> Handover:
    """See fixed_to_keda."""
    return fixed_to_keda(driver, replace(release, helm=helm(4)))


def fixed_to_keda(driver: Driver, release: Release) -> Handover:
    """From fixed replicas to KEDA and back, as docs/scaling.md says: by a variant beside the one that runs."""
    sign_in(driver, release)
    limits = {**LIMITS, "minReplicas": 2}
    scaled = {"replicas": None, "autoscaling": {"mode": "keda", **limits}}
    fixed = {**ENGINE, "replicas": 2}

    def of(model: dict[str, Any]) -> dict[str, Any]:
        return {**values(driver), "models": {"m": model}}

    name = f"{release.name}-m-scaled"
    release.install(of(fixed))
    driver.settle(release, f"{release.name}-m", 2)
    with driver.watch_all(release) as recorder:
        pods = [ready_pods(release)]
        release.upgrade(of({**fixed, "variants": {"scaled": scaled}}))
        driver.settle(release, name, 2)
        release.upgrade(of({**ENGINE, "variants": {"main": {"enabled": False}, "scaled": scaled}}))
        driver.settle(release, name, 2)
        wait_for("the first pods to go", lambda: pods[0].isdisjoint(ready_pods(release)))
        pods.append(ready_pods(release))
        kept = {"replicas": 2, "autoscaling": {"mode": "none"}}
        release.upgrade(of({**ENGINE, "variants": {"main": {"enabled": False}, "scaled": kept}}))
        driver.settle(release, name, 2)
        pods.append(ready_pods(release))
    return Handover([value for value in recorder.series[READY] if value is not None], pods)


def ready_pods(release: Release) -> set[str]:
    """The names of the ready engines that are not on their way out."""
    found = release.get("pods", "--selector=app.kubernetes.io/component=engine")
    return {
        pod["metadata"]["name"]
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    }


def scalers(release: Release) -> list[str]:
    """The scalers of a release: of KEDA's own HPA what its name begins with, of the others the kind."""
    found = release.get("scaledobjects,horizontalpodautoscalers")
    kinds = [
        "keda-hpa" if item["metadata"]["name"].startswith("keda-hpa-") else item["kind"] for item in found
    ]
    return sorted(kinds, key=lambda kind: kind == "keda-hpa")
