"""From what one replica holds to how many replicas a load needs, and when a scaler should add one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.fit import FitResult

# Kubernetes changes nothing while total / (replicas x target) is within this of 1
# (--horizontal-pod-autoscaler-tolerance of kube-controller-manager 1.36, its default).
TOLERANCE = 0.1
# The share of a replica at which the next one is started; the rest takes the load until that answers.
# The Workload Variant Autoscaler 0.9.0 calls a replica saturated at the same share of its KV cache
# (kvCacheThreshold, internal/config/saturation_scaling.go).
FULL_SHARE = 0.8
# Requests that wait wait_share of an answer's time: by Little's law a queue of W before R requests at once
# lasts W / R of the time that one takes.
WAIT_SHARE = 0.1
# How long the load must have been low before a replica goes: Kubernetes' default, and the most it accepts.
LEAST_WINDOW, MOST_WINDOW = 300, 3600


@dataclass(frozen=True)
class ScalingTargets:
    """Targets per replica, as the chart's autoscaling.metrics takes them; seconds, and USD per hour."""

    requests_per_replica: int
    waiting_requests: int
    running_requests: float
    kv_cache_usage: float | None  # None: the model has no KV cache
    scale_down_seconds: int
    cost_per_hour: float


def requests_per_replica(max_concurrency: float, max_num_seqs: int) -> int:
    """Requests of full length that one replica runs at once: KV cache and batch rows both bound it."""
    return min(int(max_concurrency), max_num_seqs)


def replicas_for(concurrency: int, per_replica: int) -> int:
    """Replicas that hold `concurrency` requests at once."""
    return math.ceil(concurrency / per_replica)


def targets(result: FitResult, usd_per_gpu: float | None = None) -> ScalingTargets | None:
    """When to add a replica of this configuration; None if it does not fit.

    Counted with requests of full length at the safe end of the estimates, over all data-parallel
    engines. `usd_per_gpu` is per hour (None: the catalogue's).
    """
    held = requests_at_once(result)
    if not held or result.host is None:
        return None
    price = result.gpu.usd_per_hour if usd_per_gpu is None else usd_per_gpu
    return ScalingTargets(
        requests_per_replica=held,
        waiting_requests=waiting_target(held),
        running_requests=running_target(held),
        kv_cache_usage=FULL_SHARE if result.bytes_per_block else None,
        scale_down_seconds=scale_down_seconds(result.host.startup_seconds),
        cost_per_hour=round(result.gpus * price, 4),
    )


def requests_at_once(result: FitResult) -> int:
    """Requests of full length that a replica surely runs at once, all its engines together; 0: it does not fit."""
    if not result.fits or result.capacity_range is None:
        return 0
    settings = result.settings
    each = requests_per_replica(result.capacity_range[0].max_concurrency, settings.max_num_seqs)
    return settings.data_parallel_size * each


def waiting_target(held: int) -> int:
    """Requests that may wait per replica: a tenth of what it runs, at least one."""
    return max(1, round(held * WAIT_SHARE))


def running_target(held: int) -> float:
    """Requests that run per replica when the next one is due: four fifths, whole where that is not too coarse."""
    share = held * FULL_SHARE
    return math.floor(share) if held >= 5 else round(share, 1)  # below 5, rounding takes a third


def scale_down_seconds(startup_seconds: int) -> int:
    """How long the load must have been low before a replica goes: at least as long as one takes to start.

    The chart derives the same from startup.budgetSeconds (templates/_scaling.tpl).
    """
    return min(MOST_WINDOW, max(LEAST_WINDOW, startup_seconds))


def is_reachable(target: float, most: float) -> bool:
    """Whether a replica whose figure ends at `most` can ever ask for another one."""
    return most > target * (1 + TOLERANCE)
