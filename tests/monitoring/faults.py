"""Everything that there is an alert for goes wrong in one release, and is made well again.

Engines hang, crash and do not come up, scalers are at their maximum or blind; what test engines cannot suffer, such as
preemptions or a GPU that is too hot, is replayed for one model.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.monitoring.alerts import Watch, firing, rules
from tests.monitoring.live import ENGINE, monitoring, told
from tests.scaling.course import BEHAVIOR, wait_for
from tests.scaling.scenarios import prometheus, sign_in

from charttest.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scaling.course import Driver

    from charttest.release import Release

RUNBOOKS = Path(__file__).parents[2] / "docs/runbooks"
MODEL = "m"  # for which faults are replayed
HANGS, CRASHES, STUCK = "hangs", "crashes", "stuck"
# Instead of minutes, and of a start-up budget that is as long.
FOR_SECONDS = 4
NOT_SCRAPED = "VllmNotScraped"
# KEDA's errors of the last five minutes count, those among them that it made before the first engine was scraped, so that
# this one is there from the beginning, and ends five minutes after its fault.
LASTING = {"alertname": "VllmScalerWithoutMetrics", "kind": "ScaledObject"}
ABSENT = {"TEST_ENGINE_HANG_AT_START": "1"}


@dataclass(frozen=True)
class Faults:
    """What came of it: alerts with their labels and annotations."""

    known: frozenset[str]
    """The names of all alerts that the release has."""
    raised: list[dict[str, Any]]
    """Those that fired at any time."""
    left: list[dict[str, Any]]
    """Those that fire after everything is well again."""


def alerts_of_the_chart() -> list[str]:
    """Their names: each has a page in docs/runbooks."""
    return sorted(page.stem for page in RUNBOOKS.glob("*.md"))


def values(driver: Driver, waits: dict[str, str], stuck: dict[str, str]) -> dict[str, Any]:
    """One model whose faults are replayed, with both scalers of KEDA, and one for each fault of an engine."""
    keda = {
        "mode": "keda",
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": {"runningRequests": 4},
        "behavior": BEHAVIOR,
    }
    hpa = {**keda, "mode": "hpa"}
    long = {**ENGINE, "startup": {"budgetSeconds": 600}}
    return {
        "models": {
            MODEL: {
                **ENGINE,
                "autoscaling": keda,
                "variants": {"cheap": {"autoscaling": {"mode": "wva", "metrics": None}}},
            },
            HANGS: {**ENGINE, "autoscaling": hpa},
            CRASHES: ENGINE,
            STUCK: {**long, "env": {**ENGINE["env"], **stuck}},
        },
        "monitoring": monitoring(**{"for": waits}, thresholds={"requestSeconds": 60}),
        "scaling": prometheus(driver),
    }


def faults(driver: Driver, release: Release) -> Faults:
    """Installed, broken, mended, no longer scraped, and scraped again."""
    server = driver.scaling.prometheus
    waits = dict.fromkeys(alerts_of_the_chart(), f"{FOR_SECONDS}s")
    sign_in(driver, release)
    with Watch(server, release) as watch, told(driver, release, MODEL) as beside:
        release.install(values(driver, waits, ABSENT), wait=False)
        for name in (MODEL, f"{MODEL}-cheap", HANGS, CRASHES):
            driver.settle(release, f"{release.name}-{name}", 1)
        wait_for("its rules", lambda: rules(server, release))
        known = frozenset(rule["name"] for rule in rules(server, release) if rule["type"] == "alerting")
        wait_for("its engines to be scraped", lambda: _up(driver, release) == {MODEL, HANGS, CRASHES})
        beside.begin_load()

        def unwell() -> set[str]:
            found = _but_stuck(_but_lasting(firing(server, release)))
            return {str(alert["labels"]) for alert in found}

        _wait_for_alerts("health", lambda: not unwell(), unwell)

        beside.begin_fault()
        expected = known - {NOT_SCRAPED}

        def all_raised() -> bool:
            _ask_again(release, HANGS, "hang")
            if "VllmEngineCrashLooping" not in watch.names:
                _ask_again(release, CRASHES, "crash")
            return expected <= watch.names

        _wait_for_alerts("every alert to be raised", all_raised, lambda: expected - watch.names)

        beside.end_fault()
        # A pod that crashed twice, or whose GPU's memory failed, is replaced: that is what the runbooks say.
        for model in (MODEL, CRASHES):
            selector = f"vllm-stack.io/model={model}"
            where = ("--namespace", release.namespace)
            release.kubectl("delete", "pods", "--selector", selector, *where, "--grace-period=0", "--force")
        release.upgrade(values(driver, waits, {}))
        _wait_until_quiet(driver, release)

        monitor = f"{release.name}-engines"
        release.kubectl("delete", "podmonitor", monitor, "--namespace", release.namespace)
        wait_for(NOT_SCRAPED, lambda: NOT_SCRAPED in watch.names)
        release.upgrade(values(driver, waits, {}))
        _wait_until_quiet(driver, release)
        return Faults(known, watch.seen, _but_lasting(firing(server, release)))


def _ask_again(release: Release, model: str, what: str) -> None:
    """Have an engine fail, as often as it was started again meanwhile."""
    for pod in release.get("pods", f"--selector=vllm-stack.io/model={model}"):
        if not any(container["ready"] for container in pod["status"].get("containerStatuses") or ()):
            continue
        path = f"/api/v1/namespaces/{release.namespace}/pods/{pod['metadata']['name']}:8000/proxy"
        with contextlib.suppress(KubectlError):  # one that crashes on request does not answer
            release.kubectl(
                "create",
                "--raw",
                f"{path}/test-engine/{what}",
                "--filename=-",
                "--request-timeout=5s",
                stdin="{}",
            )


def _up(driver: Driver, release: Release) -> set[str]:
    found = driver.scaling.prometheus.query(
        f'up{{namespace="{release.namespace}",release="{release.name}"}} == 1'
    )
    return {each["metric"]["model"] for each in found}


def _but_stuck(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those about the engine that never comes up: it is there from the beginning."""
    return [alert for alert in alerts if STUCK not in str(alert["labels"])]


def _but_lasting(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [alert for alert in alerts if not LASTING.items() <= alert["labels"].items()]


def _wait_until_quiet(driver: Driver, release: Release) -> None:
    server = driver.scaling.prometheus

    def left() -> set[str]:
        return {str(alert["labels"]) for alert in _but_lasting(firing(server, release))}

    _wait_for_alerts("every alert to end", lambda: not left(), left)


def _wait_for_alerts(what: str, condition: Callable[[], bool], missing: Callable[[], object]) -> None:
    try:
        wait_for(what, condition)
    except AssertionError as error:
        raise AssertionError(f"{error}: {missing()}") from error
