"""Cost variants: one model on several GPUs, so that a scaler grows the one whose capacity is cheapest.

Source: the Workload Variant Autoscaler's cost-aware optimizer, which scales up by cost / capacity of a replica.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.catalog.gpus import planned_gpus
from valuegen.errors import UsageError

if TYPE_CHECKING:
    from valuegen.plan import Candidate, Plan

MOST_UNNAMED = 3  # where no GPUs were named: more kinds of nodes than that are rare in a cluster


def variants_of(made: Plan) -> list[Candidate]:
    """The candidates that become a model's variants, the cheapest for its capacity first.

    Of every GPU the one that carries the load at the least cost; of a GPU that stands alone, its best
    splits, which share what is offered of it. Raises UsageError if there is only one to choose.
    """
    best: dict[str, Candidate] = {}
    for candidate in made.ranked:
        best.setdefault(candidate.fit.gpu.name, candidate)
    named = len(made.request.offers) < len(planned_gpus())
    chosen = list(best.values()) if named else list(best.values())[:MOST_UNNAMED]
    alone = len(chosen) == 1
    if alone:
        chosen = made.ranked[:MOST_UNNAMED]
    if len(chosen) == 1:
        raise UsageError("--variants: only one configuration carries the load", "offer more GPUs with --gpu")
    chosen = sorted(chosen, key=_cost_of_capacity)
    return _shared(chosen) if alone else chosen


def _shared(chosen: list[Candidate]) -> list[Candidate]:
    """Splits of one GPU, each with its part of the offer: one replica of each other, and the rest for the first."""
    first, *others = chosen
    most = first.offer.at_most
    if most is None:
        return chosen
    left, found = most - first.gpus, []
    for other in others:
        if other.fit.gpus <= left:
            left -= other.fit.gpus
            found.append(replace(other, offer=replace(other.offer, at_most=other.fit.gpus)))
    if not found:
        raise UsageError(
            f"--variants: the first configuration takes {first.gpus} of {most} x {first.fit.gpu.name}, "
            "which leaves no room for another",
            "offer more GPUs with --gpu, or another GPU",
        )
    return [replace(first, offer=replace(first.offer, at_most=first.gpus + left)), *found]


def variant_name(candidate: Candidate) -> str:
    """The key of a variant: the GPU and how the model is split over it, as a DNS label."""
    settings = candidate.fit.settings
    sizes = {
        "tp": settings.tensor_parallel_size,
        "pp": settings.pipeline_parallel_size,
        "dp": settings.data_parallel_size,
        "n": candidate.fit.nodes,
    }
    words = [candidate.fit.gpu.name, *(f"{label}{size}" for label, size in sizes.items() if size > 1)]
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    return name if name[0].isalpha() else f"gpu-{name}"


def _cost_of_capacity(candidate: Candidate) -> tuple[float, int]:
    return candidate.cost_per_replica / candidate.requests_per_replica, candidate.rank or 0
