"""Whether a container ended because it did not answer a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor.objects import declared, moment
from valuegen.errors import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from valuegen.doctor.gathering import Seen
    from valuegen.doctor.objects import Object

# How a container ends that somebody else ends: by itself after SIGTERM or SIGINT, or by SIGTERM or SIGKILL.
FROM_OUTSIDE = (0, 130, 137, 143)
# What a kubelet with much to do needs between a probe and the kill, and between the kill and the record of it.
SLACK_SECONDS = 30


def ended_by_probe(seen: Seen, pod: Object, container: str, end: Object) -> Reason | None:
    """What it means if the kubelet killed the container in this life because a probe failed."""
    started, finished = moment(end.get("startedAt")), moment(end.get("finishedAt"))
    own = [kill for kill in _kills(seen, pod, container) if _within(kill, started, finished)]
    return _meaning(pod, container, own[-1]) if own else None


def likely_ended_by_probe(seen: Seen, pod: Object, container: str, end: Object) -> Reason | None:
    """The same where the kill left no time of its own, and the log says nothing either.

    Of an event that repeats Kubernetes keeps the first time and the last. Of those of one pod the kubelet tells 25
    that are normal and 25 warnings, then one in five minutes (client-go's tools/record/events_cache.go); an hour later
    they are gone. What lasts is the warning that a probe fails.
    """
    if end.get("exitCode") not in FROM_OUTSIDE:
        return None
    kills = _kills(seen, pod, container)
    if kills and "startup probe" not in kills[-1]["message"]:
        return _meaning(pod, container, kills[-1])
    warned = any(
        event.get("reason") == "Unhealthy" and event["message"].startswith("Startup probe failed")
        for event in seen.events(pod)
    )
    budget = _patience(pod, container, "startupProbe")
    lasted = (moment(end.get("finishedAt")) - moment(end.get("startedAt"))).total_seconds()
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
    cut_off = budget - SLACK_SECONDS <= lasted <= budget + grace + SLACK_SECONDS
    return _slow_start(budget) if budget and cut_off and (kills or warned) else None


def _kills(seen: Seen, pod: Object, container: str) -> list[Object]:
    """The events in which the kubelet kills the container because a probe failed, newest last."""
    about = f"Container {container} failed "
    events = [event for event in seen.events(pod) if event.get("reason") == "Killing"]
    return [event for event in events if event["message"].startswith(about)]


def _within(event: Object, started: datetime, finished: datetime) -> bool:
    """Whether an event fell into the life of the container; events that repeat are counted in one."""
    times = (event.get("firstTimestamp"), event.get("lastTimestamp"), event.get("eventTime"))
    return any(started <= moment(time) <= finished for time in times)


def _meaning(pod: Object, container: str, kill: Object) -> Reason:
    """What it means that the kubelet kills a container because of this probe."""
    if "startup probe" in kill["message"]:
        return _slow_start(_patience(pod, container, "startupProbe"))
    patience = _patience(pod, container, "livenessProbe")
    return Reason(
        "engine-hang",
        f"the {container} hangs: it did not answer its liveness probe for {patience} s",
        "it is started again by itself; if it hangs again, read the log before the restart",
    )


def _slow_start(budget_seconds: int) -> Reason:
    why = f"the start takes longer than its budget: no answer within {budget_seconds} s"
    return Reason("startup-budget", why, "raise startup.budgetSeconds; the log says what takes so long")


def _patience(pod: Object, container: str, probe: str) -> int:
    """The seconds until a probe gives up; 0 where the container has none."""
    found = declared(pod, container).get(probe)
    seconds: int = found.get("periodSeconds", 10) * found.get("failureThreshold", 3) if found else 0
    return seconds
