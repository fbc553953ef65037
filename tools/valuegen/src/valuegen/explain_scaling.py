"""When a scaler should add a replica, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.catalog.gpus import price_date
from valuegen.explanation import Explanation
from valuegen.scaling import FULL_SHARE, LEAST_WINDOW, MOST_WINDOW, WAIT_SHARE, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult
    from valuegen.host import HostNeeds

SECTION = "Scaling, for each replica"


def explain_scaling(result: FitResult, host: HostNeeds) -> Iterator[Explanation]:
    """The targets of a scaler, how long it waits, and what a replica costs; nothing for what does not fit."""
    found = targets(result)
    if found is None:
        return
    held = found.requests_per_replica
    yield Explanation(
        SECTION,
        "waiting requests",
        f"{found.waiting_requests}",
        "assumed",
        (
            f"max(1, {WAIT_SHARE:g} x {held} requests at once): the wait is {WAIT_SHARE:.0%} of an answer's time",
        ),
        "Little's law; the share is a proposal",
    )
    yield Explanation(
        SECTION,
        "running requests",
        f"{found.running_requests:g}",
        "assumed",
        (
            f"{FULL_SHARE:g} x {held} requests of {result.settings.max_model_len:,} tokens at the safe end; the rest "
            "takes the load until another replica answers",
        ),
        "Kubernetes ignores a difference of 10 %, so the share must stay below 0.91; the rest is a proposal",
    )
    if found.kv_cache_usage is not None:
        yield Explanation(
            SECTION,
            "KV cache usage",
            f"{found.kv_cache_usage:g}",
            "assumed",
            ("the same share of the KV cache; cached prefixes count as free",),
            "kvCacheThreshold of the Workload Variant Autoscaler 0.9.0",
        )
    yield Explanation(
        SECTION,
        "low load before one goes",
        f"{found.scale_down_seconds} s",
        "assumed",
        (f"min({MOST_WINDOW}, max({LEAST_WINDOW}, start-up of {host.startup_seconds} s))",),
        "autoscaling/v2 stabilizationWindowSeconds: default 300, at most 3600",
    )
    yield Explanation(
        SECTION,
        "cost",
        f"{found.cost_per_hour:.2f} USD per hour",
        "assumed",
        (f"{result.gpus} x {result.gpu.usd_per_hour:.2f} USD",),
        f"list prices of {price_date()}; `plan --price` sets yours",
    )
