"""Courses of two variants of one model, whose replicas the Workload Variant Autoscaler decides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.scaling.course import BEHAVIOR, ENGINE, REQUEST_SECONDS, SCRAPED, SECONDS, Course, Driver, wait_for
from tests.scaling.scenarios import prometheus, sign_in

from charttest.load.shapes import Shape, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from charttest.load.recorder import Source
    from charttest.release import Release

CHEAP, COSTLY, DECIDED = "cheap", "costly", "decided"
MOST = 2  # replicas of either
# A prompt of four blocks of 16 tokens: four requests at a time hold 16 of the 20 blocks, the share at which the
# controller holds a replica for full.
WORDS = 62
PAGED = {
    **ENGINE,
    "args": {**ENGINE["args"], "max-num-seqs": 4, "block-size": 16, "num-gpu-blocks-override": 20},
}
# What a pod answers in a second.
RATE = 4 / REQUEST_SECONDS
# More than the three can answer that there are without the second of the costly ones.
TOO_MUCH = step(0.2, 3.5 * RATE, at=5, seconds=2 * SECONDS)
LOOK_SECONDS = 30  # between two decisions of version 0.7


def rise(begin: float, end: float, *, within: float, seconds: float) -> Shape:
    """From one rate to another in a straight line, and on at that."""
    slope = (end - begin) / within
    return Shape(
        f"rise from {begin:.2g} to {end:.2g} requests/s in {within:g} s",
        seconds,
        lambda t: begin + slope * min(t, within),
        lambda t: begin * t + slope * (min(t, within) ** 2 / 2 + within * max(0.0, t - within)),
    )


# From what one of each answers to more than three can, slowly: a decision comes every three seconds.
ENOUGH = rise(0.2, 3.4 * RATE, within=120, seconds=2 * SECONDS)


def values(driver: Driver, api: str) -> dict[str, Any]:
    """A release of one model with a cheap and a costly variant."""
    limits = {"mode": "wva", "minReplicas": 1, "maxReplicas": MOST, "behavior": BEHAVIOR}
    costly = {"cost": "40"}
    return {
        "models": {"m": {**PAGED, "cost": "10", "autoscaling": limits, "variants": {COSTLY: costly}}},
        "monitoring": SCRAPED,
        "scaling": {**prometheus(driver), "wvaApi": api},
    }


def deployments(release: Release) -> dict[str, str]:
    """The Deployments of the two, by their price."""
    return {CHEAP: f"{release.name}-m", COSTLY: f"{release.name}-m-{COSTLY}"}


def by_capacity(driver: Driver, release: Release) -> Course:
    """Version 0.9 by annotations, with the analyzer of tokens and capacity; it is killed while both are at their most."""
    controller = driver.controllers.install("annotations")
    sign_in(driver, release)
    release.install(values(driver, "annotations"))

    def kill(begin: float) -> Mapping[str, float]:
        for deployment in deployments(release).values():
            driver.settle(release, deployment, MOST)
        notes = {"killed": time.monotonic() - begin}
        old = controller_pods(controller)
        controller.kubectl(
            "delete", "pod", *old, "--namespace", controller.namespace, "--grace-period=0", "--force"
        )
        wait_for("a new controller", lambda: old.isdisjoint(controller_pods(controller)))
        wait_for("its leader", lambda: leaders(driver, controller) & controller_pods(controller))
        wait_for("its decisions", lambda: decided(driver, release))
        return {**notes, "back": time.monotonic() - begin}

    return driver.run(
        "wva-capacity",
        release,
        ENOUGH,
        variants=deployments(release),
        until={CHEAP: 1, COSTLY: 1},
        more=[decisions(driver, release)],
        during=kill,
        own_words=WORDS,
    )


def by_percentages(driver: Driver, release: Release) -> Course:
    """Version 0.7 by VariantAutoscaling objects, with its only analyzer."""
    driver.controllers.install("variantautoscaling")
    sign_in(driver, release)
    release.install(values(driver, "variantautoscaling"))

    def full(begin: float) -> Mapping[str, float]:
        driver.settle(release, deployments(release)[CHEAP], MOST)
        notes = {"full": time.monotonic() - begin}
        time.sleep(3 * LOOK_SECONDS)  # what is shown is that nothing happens
        return notes

    return driver.run(
        "wva-percentages",
        release,
        TOO_MUCH,
        variants=deployments(release),
        until={CHEAP: 1, COSTLY: 1},
        more=[decisions(driver, release)],
        during=full,
        own_words=WORDS,
    )


def decisions(driver: Driver, release: Release) -> Source:
    """What the controller says for each variant: both from one scrape."""
    names = {deployment: label for label, deployment in deployments(release).items()}

    def read() -> dict[str, float]:
        return {
            f"{names[variant]}: {DECIDED}": number for variant, number in decided(driver, release).items()
        }

    return read


def decided(driver: Driver, release: Release) -> dict[str, float]:
    """The controller's numbers by variant."""
    found = driver.scaling.prometheus.query(
        f'wva_desired_replicas{{exported_namespace="{release.namespace}"}}'
    )
    return {entry["metric"]["variant_name"]: float(entry["value"][1]) for entry in found}


def controller_pods(controller: Release) -> set[str]:
    """The names of the controller's pods that are not on their way out."""
    return {
        pod["metadata"]["name"]
        for pod in controller.get("pods")
        if "deletionTimestamp" not in pod["metadata"]
    }


def leaders(driver: Driver, controller: Release) -> set[str]:
    """The pods that hold a lease of the controller."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{controller.namespace}/leases"
    found = driver.scaling.cluster.api.get(path) or {"items": []}
    return {str(lease["spec"].get("holderIdentity", "")).partition("_")[0] for lease in found["items"]}
