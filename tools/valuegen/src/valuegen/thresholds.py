"""Alert thresholds of one model, as the chart's monitoring.rules.models takes them, with a reason for each.

The chart's alerts compare the 95th percentile of a histogram, which Prometheus interpolates inside a
bucket: only an edge of a bucket is met exactly. What no rule decides keeps the chart's own threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.errors import UsageError
from valuegen.frozen import dataclass
from valuegen.scaling import WAIT_SHARE
from valuegen.workload import chart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult

# Seconds. Source: vLLM 0.33.0 v1/metrics/buckets.py; those of a whole request count its wait as well.
FIRST_TOKEN_EDGES = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
)
INTER_TOKEN_EDGES = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80),
)
REQUEST_EDGES = (
    *(0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120),
    *(240, 480, 960, 1920, 7680),
)


@dataclass(frozen=True)
class Objectives:
    """What 95 of 100 requests shall keep to, in seconds; None: nothing is promised."""

    time_to_first_token: float | None = None
    inter_token: float | None = None
    request_time: float | None = None


Threshold = tuple[str, float | None, str]  # key, value (None takes the alert away), reason


def thresholds(result: FitResult, objectives: Objectives) -> list[Threshold]:
    """Every threshold that an objective or the plan decides.

    Raises UsageError for an objective below vLLM's smallest bucket, or about tokens of a model that writes none.
    """
    return [*_asked(result, objectives), *_planned(result, objectives)]


def _asked(result: FitResult, objectives: Objectives) -> Iterator[Threshold]:
    if objectives.inter_token is not None and not result.bytes_per_block:
        raise UsageError(
            f"--inter-token: {result.model.name} writes no tokens", "drop it, or use --request-time"
        )
    for key, option, asked, edges in (
        (
            "timeToFirstTokenSeconds",
            "--time-to-first-token",
            objectives.time_to_first_token,
            FIRST_TOKEN_EDGES,
        ),
        ("interTokenSeconds", "--inter-token", objectives.inter_token, INTER_TOKEN_EDGES),
        ("requestSeconds", "--request-time", objectives.request_time, REQUEST_EDGES),
    ):
        if asked is None:
            continue
        edge = edge_within(asked, edges)
        if edge is None:
            raise UsageError(
                f"{option} {asked:g}: vLLM counts nothing shorter than {edges[0]:g} s apart",
                f"give at least {edges[0]:g}",
            )
        yield (
            key,
            edge,
            "As asked for." if edge == asked else f"The edge of vLLM's buckets within {asked:g} s.",
        )


def _planned(result: FitResult, objectives: Objectives) -> Iterator[Threshold]:
    if result.host is None:  # a ranked candidate fits
        return
    planned, alert = result.settings.gpu_memory_utilization, chart()["thresholds"]["gpuMemoryUsage"]
    if result.settings.kv_cache_memory_bytes is None and planned >= alert:
        why = f"vLLM itself takes {planned:g} of the memory, and the chart's alert begins at {alert:g}."
        yield "gpuMemoryUsage", None, why
    if not result.bytes_per_block:
        yield "kvCacheUsage", None, "There is no KV cache."
        yield "preemptedShare", None, "There is no KV cache to be pushed out of."
        return
    drain = result.host.drain_seconds
    within_drain = edge_within(drain, REQUEST_EDGES)
    if objectives.request_time is None and within_drain is not None:
        yield (
            "requestSeconds",
            within_drain,
            f"Within the drain of {drain} s: longer answers are cut off when a pod stops.",
        )
    answer = (
        min(result.settings.max_model_len, result.pace.longest_answer_tokens) / result.pace.tokens_per_second
    )
    wait, why = answer * WAIT_SHARE, f"A tenth of the {answer:g} s of the longest answer, as a scaler allows."
    if objectives.time_to_first_token is not None and objectives.time_to_first_token < wait:
        wait, why = objectives.time_to_first_token, "Within the time to the first token, which it is part of."
    queue = edge_within(wait, REQUEST_EDGES)
    if queue is not None:
        yield "queueSeconds", queue, why


def edge_within(seconds: float, edges: tuple[float, ...]) -> float | None:
    """The largest edge that is not above `seconds`; None if all are."""
    return max((edge for edge in edges if edge <= seconds), default=None)
