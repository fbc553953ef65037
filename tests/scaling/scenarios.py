"""The courses: each installs a release, loads it and watches it, and knows nothing of what the tests expect."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from charttest.helm import HelmError, helm
from charttest.load.shapes import step
from charttest.load.sources import READY
from tests.scaling.course import BEHAVIOR, ENGINE, SCRAPED, Course, Driver, wait_for

if TYPE_CHECKING:
    from charttest.release import Release

# Twelve requests at a time, as six arrive a second and each takes two: four pods by the target of three.
BUSY = step(0.5, 6, at=10, seconds=90)
TARGETS = {"runningRequests": 3, "waitingRequests": 12}
LIMITS = {"minReplicas": 1, "maxReplicas": 6, "behavior": BEHAVIOR, "metrics": TARGETS}


def values(driver: Driver, **autoscaling: Any) -> dict[str, Any]:
    """A release of one model that is scraped every two seconds."""
    return {
        "models": {"m": {**ENGINE, "autoscaling": autoscaling}},
        "monitoring": SCRAPED,
        "scaling": prometheus(driver),
    }


def prometheus(driver: Driver) -> dict[str, Any]:
    """What KEDA needs to ask Prometheus; the Secret is made by `sign_in`."""
    return {
        "prometheus": {
            "serverAddress": driver.scaling.prometheus.url,
            "authModes": ["bearer"],
            "authenticationRef": {"name": "prometheus"},
        },
        "authentications": {
            "prometheus": {
                "secretTargetRef": [
                    {"parameter": "bearerToken", "name": "monitoring", "key": "token"},
                    {"parameter": "ca", "name": "monitoring", "key": "ca.crt"},
                ]
            }
        },
    }


def sign_in(driver: Driver, release: Release) -> None:
    """The Secret that KEDA's sign-in reads; this Prometheus asks nobody for a token, but it has a private CA."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "monitoring"},
        "stringData": {"token": "any", "ca.crt": driver.scaling.authority},
    }
    release.kubectl.apply(secret, namespace=release.namespace)


def keda(driver: Driver, release: Release) -> Course:
    """KEDA asks Prometheus."""
    sign_in(driver, release)
    release.install(values(driver, mode="keda", **LIMITS))
    return driver.run("keda", release, BUSY)


def hpa(driver: Driver, release: Release) -> Course:
    """The HPA controller asks prometheus-adapter, which has the rules of the documentation."""
    release.install(values(driver, mode="hpa", **LIMITS))
    return driver.run("hpa", release, BUSY)


@dataclass(frozen=True)
class Handover:
    """One workload after another: what was ready over time, by variant, and which pods there were."""

    ready: list[float]
    """Of all variants together, second by second."""
    pods: list[set[str]]
    """The names of the ready pods after each step."""
    refusal: str = ""
    """What the cluster said to a step that it did not take."""


def schedule(driver: Driver, release: Release) -> list[tuple[int, int]]:
    """KEDA's cron wakes a model without pods for two minutes; what was wanted and ready before, within and after."""
    scaler = {"mode": "keda", "minReplicas": 0, "maxReplicas": 3, "behavior": BEHAVIOR}
    timing = {"pollingSeconds": 2, "cooldownSeconds": 2}

    def awake(begin: dt.datetime) -> dict[str, Any]:
        end = begin + dt.timedelta(minutes=2)
        cron = {"timezone": "Etc/UTC", "start": _cron(begin), "end": _cron(end), "desiredReplicas": "2"}
        return values(driver, **scaler, **timing, triggers=[{"type": "cron", "metadata": cron}])

    deployment, seen = f"{release.name}-m", []
    release.install(awake(_minute_after(hours=12)))
    for count in (0, 2, 0):
        if count:
            release.upgrade(awake(_minute_after(seconds=20)))
        driver.settle(release, deployment, count)
        seen.append(driver.replicas(release, deployment))
    return seen


def _minute_after(**wait: float) -> dt.datetime:
    """The first whole minute after this time."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1, **wait)
    return moment.replace(second=0, microsecond=0)


def _cron(moment: dt.datetime) -> str:
    return f"{moment.minute} {moment.hour} * * *"


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
    with driver.watch(release, {"": f"{release.name}-m"}) as recorder:
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

    names = {"main": f"{release.name}-m", "scaled": f"{release.name}-m-scaled"}
    release.install(of(fixed))
    with driver.watch(release, names) as recorder:
        pods = [ready_pods(release)]
        release.upgrade(of({**fixed, "variants": {"scaled": scaled}}))
        driver.settle(release, names["scaled"], 2)
        release.upgrade(of({**ENGINE, "variants": {"main": {"enabled": False}, "scaled": scaled}}))
        driver.settle(release, names["scaled"], 2)
        pods.append(ready_pods(release))
        kept = {"replicas": 2, "autoscaling": {"mode": "none"}}
        release.upgrade(of({**ENGINE, "variants": {"main": {"enabled": False}, "scaled": kept}}))
        driver.settle(release, names["scaled"], 2)
        pods.append(ready_pods(release))
    series = [recorder.series.get(f"{label}: {READY}", []) for label in names]
    return Handover([sum(each or 0 for each in second) for second in zip_longest(*series)], pods)


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
