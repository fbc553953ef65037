"""What to change in a request that nothing carries: every change is tried before it is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.advice import useful_length
from valuegen.catalog.gpus import planned_gpus
from valuegen.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.errors import Reason
    from valuegen.plan import Candidate, Plan

MORE_NODES = (2, 4)


def nearest_miss(made: Plan) -> Reason:
    """Why nothing carries the load: the reason of what came closest, and what would carry it."""
    closest = made.rejected[0]
    reason = closest.rejected or closest.fit.reasons[0]
    if reason.code == "no-split":
        return reason
    return replace(reason, fix=", or ".join([*_other_ways(made, closest)]) or reason.fix)


def _other_ways(made: Plan, closest: Candidate) -> Iterator[str]:
    """Changes of the request with which a plan has a candidate."""
    request, result = made.request, closest.fit
    if result.verdict == "fits":
        yield f"offer {closest.gpus}"
        within = closest.offer.at_most or 0
        fewer = (within // result.gpus) * closest.requests_per_replica
        if fewer:
            yield f"lower --concurrency to {fewer}"
        return
    if result.verdict == "too-big":
        length = useful_length(result)
        if length:
            yield f"lower --max-model-len to {length}"
    anywhere = {offer.gpu.name for offer in request.offers} == {gpu.name for gpu in planned_gpus()}
    if not anywhere:
        for best in _ranked_anywhere(made, closest, request.max_nodes):
            name, cost = best.fit.gpu.name, f"{best.cost_per_hour:.2f} USD per hour"
            yield f"use --gpu {name} ({best.gpus} of them, {cost})"
    elif result.verdict == "too-big":
        for nodes in MORE_NODES:
            if nodes > request.max_nodes and (found := _ranked_anywhere(made, closest, nodes)):
                yield f"use --max-nodes {nodes} ({found[0].gpus} x {found[0].fit.gpu.name})"
                break
        yield "use a quantized checkpoint: no GPU of the catalogue holds this one within a node"


def _ranked_anywhere(made: Plan, closest: Candidate, max_nodes: int) -> list[Candidate]:
    """The best candidate among the GPUs that clouds rent, if there is one."""
    request = made.request
    return plan(
        made.model,
        (),
        request.settings,
        concurrency=request.concurrency,
        max_gpus_per_node=request.max_gpus_per_node,
        max_nodes=max_nodes,
        profile=request.profile,
        vllm_version=closest.fit.vllm_version,
    ).ranked[:1]
