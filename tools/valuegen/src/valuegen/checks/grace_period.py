"""The time between the stop signal and the kill.

The chart's grace period is preStopSeconds + drainSeconds + 30 s, so only an argument behind the chart's
own can make it too short. Without any drain vLLM 0.33 leaves the clients of running requests hanging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

MARGIN = 30  # seconds that the chart adds (_shape.tpl)


def _look(subject: Subject) -> Iterator[Found]:
    shutdown = subject.workload.section("shutdown")
    wait, drain = shutdown.get("preStopSeconds") or 0, shutdown.get("drainSeconds") or 0
    flag = subject.last("shutdown-timeout")
    timeout = flag if flag is not None and flag.at[0] == "extraArgs" else None
    if timeout is not None and str(timeout.value).isdecimal() and int(timeout.value) > drain:
        grace = wait + drain + MARGIN
        yield Found(
            timeout.at,
            f"{timeout.written} {timeout.value}: the pod is killed after {grace} s, {wait} s of preStop and "
            f"{drain} s of drain and {MARGIN} s more, before running requests end",
            f"remove the flag and set shutdown.drainSeconds: {timeout.value}",
        )
    elif not drain:
        yield Found(
            ("shutdown", "drainSeconds"),
            "without a drain the clients of running requests hang when a pod stops",
            "set it above your longest request, for example 120",
            "warning",
        )


RULE = Rule(
    id="grace-period",
    sentence="Running requests end before the pod is killed.",
    fix="set shutdown.drainSeconds above the longest request",
    look=_look,
)
