"""The chart's `autoscaling` block for one candidate of a plan, with a reason for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from valuegen.errors import UsageError
from valuegen.frozen import dataclass
from valuegen.scaling import FULL_SHARE, targets
from valuegen.words import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.plan import Candidate

Mode = Literal["hpa", "keda", "wva"]
LEAST_MAXIMUM = 2  # a scaler that can add nothing is none


@dataclass(frozen=True)
class Scaler:
    """Who scales, and between which limits; None: from the plan."""

    mode: Mode
    min_replicas: int | None = None
    max_replicas: int | None = None


WHO = {
    "hpa": "Kubernetes decides; it needs prometheus-adapter with the rules of docs/scaling.md.",
    "keda": "KEDA decides, and asks scaling.prometheus at the root of the values.",
    "wva": "The Workload Variant Autoscaler decides; KEDA does it, and asks scaling.prometheus at the root.",
}


def block(scaler: Scaler, candidate: Candidate, concurrency: int) -> dict[str, Any]:
    """What the template writes: mode, limits and targets, each as (key, value, reason).

    Raises UsageError for limits that contradict each other or the GPUs on offer.
    """
    least = scaler.min_replicas or 1
    most = scaler.max_replicas or _most(candidate, least)
    _require_possible(candidate, least, most)
    asked = "As asked for."
    limits = [
        ("minReplicas", least, asked if scaler.min_replicas else "One replica always answers."),
        (
            "maxReplicas",
            most,
            asked
            if scaler.max_replicas
            else f"{requests(concurrency)} at once need {candidate.replicas}; at least {LEAST_MAXIMUM}, so that "
            "there is something to scale.",
        ),
    ]
    metrics = [] if scaler.mode == "wva" else list(_metrics(candidate))
    return {"mode": scaler.mode, "who": WHO[scaler.mode], "limits": limits, "metrics": metrics}


def _most(candidate: Candidate, least: int) -> int:
    """Replicas for the load that was planned for, within the offer."""
    most = max(LEAST_MAXIMUM, least, candidate.replicas)
    if candidate.offer.at_most is not None:
        most = min(most, candidate.offer.at_most // candidate.fit.gpus)
    return most


def _require_possible(candidate: Candidate, least: int, most: int) -> None:
    if least > most:
        raise UsageError(
            f"--min-replicas {least}: more than the most replicas, {most}",
            "lower it, or raise --max-replicas and what --gpu offers",
        )
    offered, needed = candidate.offer.at_most, most * candidate.fit.gpus
    if offered is not None and needed > offered:
        raise UsageError(
            f"--max-replicas {most}: they need {needed} x {candidate.fit.gpu.name}, {offered} are offered",
            f"use --max-replicas {offered // candidate.fit.gpus} or less, or offer more with --gpu",
        )


def _metrics(candidate: Candidate) -> Iterator[tuple[str, float, str]]:
    found = targets(candidate.fit, candidate.offer.price)
    if found is None:  # a ranked candidate fits
        return
    held = requests(found.requests_per_replica)
    yield (
        "waitingRequests",
        found.waiting_requests,
        f"A tenth of {held}: who waits, waits a tenth of an answer's time.",
    )
    yield (
        "runningRequests",
        found.running_requests,
        f"Four fifths of {held} of {candidate.fit.settings.max_model_len} tokens, what a replica surely holds.",
    )
    if found.kv_cache_usage is not None:
        yield (
            "kvCacheUsage",
            found.kv_cache_usage,
            f"Full at {FULL_SHARE:.0%}: the rest takes the load until another replica answers.",
        )
