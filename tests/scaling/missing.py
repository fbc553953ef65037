"""What scalers do when what they scale by is missing: a scrape that was removed, or Prometheus itself, and came back."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.scaling.course import ENGINE, SCRAPED, SECONDS, TOKENS, Driver, wait_for
from tests.scaling.scenarios import BUSY, LIMITS, WANTED, prometheus, sign_in
from tests.scaling.scenarios import values as one_model

from charttest.load import LoadPod
from charttest.load.sources import DESIRED

if TYPE_CHECKING:
    from charttest.release import Release

MODES = ("keda", "hpa")
HELD = WANTED
# Longer than the time after which replicas fall when the load is low: see BEHAVIOR.
WITHOUT_SECONDS = 40
NOWHERE = "https://127.0.0.1:1"  # nothing listens there


@dataclass(frozen=True)
class Missing:
    """The replicas that were wanted, by mode."""

    without: dict[str, set[float]]
    """From the moment at which the scaler missed it, still under load, to long after the load."""
    after: dict[str, int]
    """Once it was back."""


def missing_series(driver: Driver, release: Release) -> Missing:
    """Two loaded models, one by KEDA and one by an HPA, are no longer scraped; then their load ends."""
    sign_in(driver, release)
    release.install(values(driver))
    names = {mode: f"{release.name}-{mode}" for mode in MODES}
    with (
        LoadPod(release.kubectl, release.namespace, ready_seconds=SECONDS) as pod,
        contextlib.ExitStack() as ends,
    ):
        loads = [
            pod.offer(name, BUSY, model=mode, stream="none", max_tokens=TOKENS, timeout_seconds=SECONDS)
            for mode, name in names.items()
        ]
        for load in loads:
            ends.callback(load.stop)
        for name in names.values():
            driver.hold(release, name, HELD)
        release.kubectl("delete", "podmonitor", f"{release.name}-engines", "--namespace", release.namespace)
        fallen_back(driver, release, names["keda"])
        hpa = f"autoscaling/v2/namespaces/{release.namespace}/horizontalpodautoscalers/{names['hpa']}"
        wait_for("the HPA to miss it", lambda: condition(driver, hpa, "ScalingActive") == "False")
        with driver.watch(release, names) as recorder:
            for load in loads:
                load.stop()
            time.sleep(WITHOUT_SECONDS)  # what is shown is that nothing happens
        without = {
            mode: {value for value in recorder.series[f"{mode}: {DESIRED}"] if value} for mode in MODES
        }
    release.upgrade(values(driver))
    for name in names.values():
        driver.settle(release, name, 1)
    return Missing(without, {mode: driver.replicas(release, name)[0] for mode, name in names.items()})


def prometheus_gone(driver: Driver, release: Release) -> Missing:
    """KEDA's Prometheus no longer answers while a model is loaded; then its load ends."""
    sign_in(driver, release)
    there = one_model(driver, mode="keda", **LIMITS)
    server = {**there["scaling"]["prometheus"], "serverAddress": NOWHERE}
    release.install(there)
    name = f"{release.name}-m"
    with (
        LoadPod(release.kubectl, release.namespace, ready_seconds=SECONDS) as pod,
        pod.offer(name, BUSY, model="m", stream="none", max_tokens=TOKENS, timeout_seconds=SECONDS) as load,
    ):
        driver.hold(release, name, HELD)
        release.upgrade({**there, "scaling": {**there["scaling"], "prometheus": server}})
        fallen_back(driver, release, name)
        with driver.watch(release, {"": name}) as recorder:
            load.stop()
            time.sleep(WITHOUT_SECONDS)  # what is shown is that nothing happens
    release.upgrade(there)
    driver.settle(release, name, 1)
    without = {value for value in recorder.series[DESIRED] if value}
    return Missing({"keda": without}, {"keda": driver.replicas(release, name)[0]})


def values(driver: Driver) -> dict[str, Any]:
    """One model for each mode."""
    models = {mode: {**ENGINE, "autoscaling": {"mode": mode, **LIMITS}} for mode in MODES}
    return {"models": models, "monitoring": SCRAPED, "scaling": prometheus(driver)}


def fallen_back(driver: Driver, release: Release, name: str) -> None:
    """Wait until KEDA says of a ScaledObject that it goes by its fallback."""
    path = f"keda.sh/v1alpha1/namespaces/{release.namespace}/scaledobjects/{name}"
    wait_for("KEDA to fall back", lambda: condition(driver, path, "Fallback") == "True")


def condition(driver: Driver, path: str, name: str) -> str:
    """The status of a condition of a scaler; empty as long as there is none."""
    found = driver.scaling.cluster.api.get(f"/apis/{path}") or {}
    conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", ())}
    return str(conditions.get(name, ""))
