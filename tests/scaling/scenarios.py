"""The courses: each installs a release, loads it and watches it, and knows nothing of what the tests expect."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from tests.scaling.course import BEHAVIOR, ENGINE, REQUEST_SECONDS, SCRAPED, SECONDS, Course, Driver

from charttest.load.shapes import step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from charttest.release import Release

# Fourteen requests at a time, by Little's law; it is ended when the replicas are steady.
BUSY = step(0.2, 2, at=5, seconds=2 * SECONDS)
AT_A_TIME = 2 * REQUEST_SECONDS
TARGETS = {"runningRequests": 4, "waitingRequests": 8}
# Far enough from three and from five that a request more or less changes nothing.
WANTED = math.ceil(AT_A_TIME / TARGETS["runningRequests"])
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
    return driver.run("keda", release, BUSY, during=steady(driver, release))


def hpa(driver: Driver, release: Release) -> Course:
    """The HPA controller asks prometheus-adapter, which has the rules of the documentation."""
    release.install(values(driver, mode="hpa", **LIMITS))
    return driver.run("hpa", release, BUSY, during=steady(driver, release))


def steady(driver: Driver, release: Release) -> Callable[[float], Mapping[str, float]]:
    """Until the replicas stay at what the targets say; the note is since when."""

    def wait(begin: float) -> Mapping[str, float]:
        return {"steady": driver.hold(release, f"{release.name}-m", WANTED) - begin}

    return wait


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
