"""What scalers do when the series that they scale by are missing: a scrape that was removed, and came back."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.scaling.course import ENGINE, SCRAPED, SECONDS, TOKENS, Driver, wait_for
from tests.scaling.scenarios import BUSY, LIMITS, WANTED, prometheus, sign_in

from charttest.load import LoadPod
from charttest.load.sources import DESIRED

if TYPE_CHECKING:
    from charttest.release import Release

MODES = ("keda", "hpa")
HELD = WANTED
# Longer than the time after which replicas fall when the load is low: see BEHAVIOR.
WITHOUT_SECONDS = 40


@dataclass(frozen=True)
class Missing:
    """The replicas that were wanted, by mode."""

    without: dict[str, set[float]]
    """While the series were missing, and no request came."""
    after: dict[str, int]
    """Once they were back."""


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
        with driver.watch(release, names) as recorder:
            release.kubectl(
                "delete", "podmonitor", f"{release.name}-engines", "--namespace", release.namespace
            )
            wait_for("KEDA to fall back", lambda: condition(driver, release, "keda", "Fallback") == "True")
            wait_for(
                "the HPA to miss it", lambda: condition(driver, release, "hpa", "ScalingActive") == "False"
            )
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


def values(driver: Driver) -> dict[str, Any]:
    """One model for each mode."""
    models = {mode: {**ENGINE, "autoscaling": {"mode": mode, **LIMITS}} for mode in MODES}
    return {"models": models, "monitoring": SCRAPED, "scaling": prometheus(driver)}


def condition(driver: Driver, release: Release, mode: str, name: str) -> str:
    """The status of a condition of a model's scaler; empty as long as there is none."""
    kind = {
        "keda": "keda.sh/v1alpha1/namespaces/{}/scaledobjects/{}",
        "hpa": "autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{}",
    }[mode].format(release.namespace, f"{release.name}-{mode}")
    found = driver.scaling.cluster.api.get(f"/apis/{kind}") or {}
    conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", ())}
    return str(conditions.get(name, ""))
