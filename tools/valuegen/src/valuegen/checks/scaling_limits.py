"""How many pods there may be, said twice or the wrong way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

POD_METRICS = ("cpu", "memory")
POD_SERIES = ("vllm:", "sglang:", "tgi_", "DCGM_")  # what a query names that measures the pods themselves


def _look(subject: Subject) -> Iterator[Found]:
    scaling = subject.workload.section("autoscaling")
    mode = scaling.get("mode") or "none"
    if mode == "none":
        return
    replicas = subject.workload.body.get("replicas")
    if replicas is not None and (_is_written(subject) or replicas != 1):
        yield Found(
            ("replicas",),
            f"autoscaling.mode {mode} decides them, and the chart refuses both",
            "set null, and autoscaling.minReplicas",
        )
    least, most = scaling.get("minReplicas", 1), scaling.get("maxReplicas", 4)
    if least > most:
        yield Found(
            ("autoscaling", "minReplicas"),
            f"{least} is more than maxReplicas, {most}",
            "lower it, or raise the other",
        )
    if least == 0 and not _can_wake(mode, scaling):
        yield Found(
            ("autoscaling", "minReplicas"),
            "nothing could wake a model without pods",
            "set 1, or mode keda and a trigger that exists without pods, for example cron",
        )


def _is_written(subject: Subject) -> bool:
    """Whether model or variant set it; the chart's defaults always do."""
    return any(
        own.get("replicas") is not None for place, own in subject.workload.layers if place != ("defaults",)
    )


def _can_wake(mode: str, scaling: dict[str, Any]) -> bool:
    if mode == "wva":
        return bool(scaling.get("actuator", "keda") == "keda")
    return mode == "keda" and any(_exists_without_pods(trigger) for trigger in scaling.get("triggers") or [])


def _exists_without_pods(trigger: dict[str, Any]) -> bool:
    query = str((trigger.get("metadata") or {}).get("query"))
    return trigger.get("type") not in POD_METRICS and not any(series in query for series in POD_SERIES)


RULE = Rule(
    id="scaling-limits",
    sentence="One key decides how many pods run, and its limits are possible.",
    fix="set autoscaling.minReplicas and maxReplicas, and replicas to null",
    look=_look,
)
