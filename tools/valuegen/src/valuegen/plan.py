"""Searches GPU type, count and parallelism for a load, and ranks what fits by cost."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from valuegen import search
from valuegen.calibration import DEFAULT_VLLM_VERSION
from valuegen.catalog.gpus import planned_gpus
from valuegen.document import SCHEMA, scaling_document
from valuegen.engine import EngineSettings
from valuegen.errors import Reason, UsageError
from valuegen.fit import AUTO_LENGTH, FitResult
from valuegen.frozen import dataclass
from valuegen.scaling import replicas_for, requests_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valuegen.catalog.gpus import Gpu
    from valuegen.host import Pace
    from valuegen.model import Model
    from valuegen.profiles import Preference

DEFAULT_CONTEXT = 8192  # tokens; a model's own maximum is rarely what a service needs
DEFAULT_CONCURRENCY = 16  # requests at once


@dataclass(frozen=True)
class GpuOffer:
    """GPUs that may be used: the type, how many of them (None: no limit), and their price."""

    gpu: Gpu
    at_most: int | None = None
    usd_per_hour: float | None = None  # per GPU; None: the catalogue's

    @property
    def price(self) -> float:
        """USD per GPU and hour."""
        return self.gpu.usd_per_hour if self.usd_per_hour is None else self.usd_per_hour


@dataclass(frozen=True)
class Request:
    """What the plan is for."""

    concurrency: int  # requests of max_model_len tokens at once
    max_model_len: int
    offers: tuple[GpuOffer, ...]
    settings: EngineSettings
    max_gpus_per_node: int | None = None  # None: as many as the catalogue says of each GPU
    max_nodes: int = 1  # that one replica may span
    profile: str | None = None

    def room(self, offer: GpuOffer) -> search.Room:
        """What one replica may take of an offer."""
        per_node = min(offer.gpu.max_together, self.max_gpus_per_node or offer.gpu.max_together)
        nodes = self.max_nodes if offer.gpu.max_together > 1 or offer.gpu.max_per_node == 1 else 1
        return search.Room(per_node, nodes, offer.at_most)


@dataclass(frozen=True)
class Candidate:
    """One configuration with the replicas that carry the load, ranked or rejected."""

    fit: FitResult
    offer: GpuOffer
    requests_per_replica: int = 0
    replicas: int = 0
    rank: int | None = None
    rejected: Reason | None = None

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.replicas * self.fit.gpus

    @property
    def cost_per_replica(self) -> float:
        """USD per hour for one replica."""
        return self.fit.gpus * self.offer.price

    @property
    def cost_per_hour(self) -> float:
        """USD for all replicas."""
        return round(self.gpus * self.offer.price, 4)

    def to_dict(self) -> dict[str, Any]:
        """The fit document, and what the plan adds."""
        document = {**self.fit.to_dict(), "nodes": self.fit.nodes}
        if self.rejected is not None:
            return {**document, "rejected": self.rejected.to_dict()}
        return {
            **document,
            "rank": self.rank,
            "replicas": self.replicas,
            "gpus": self.gpus,
            "requests_per_replica": self.requests_per_replica,
            "cost_per_hour": self.cost_per_hour,
            "scaling": scaling_document(self.fit, self.offer.price),
        }


@dataclass(frozen=True)
class Plan:
    """Every configuration that was looked at: first those that carry the load, cheapest first."""

    model: Model
    request: Request
    candidates: tuple[Candidate, ...] = field(repr=False)

    @property
    def ranked(self) -> list[Candidate]:
        """What carries the load, cheapest first."""
        return [candidate for candidate in self.candidates if candidate.rejected is None]

    @property
    def rejected(self) -> list[Candidate]:
        """What does not, each with its reason; what came closest first."""
        candidates = [candidate for candidate in self.candidates if candidate.rejected is not None]
        return sorted(candidates, key=_closeness, reverse=True)

    def to_dict(self) -> dict[str, Any]:
        """What `valuegen plan --json` prints."""
        request = self.request
        return {
            "schema": SCHEMA,
            "request": {
                "model": self.model.name,
                "concurrency": request.concurrency,
                "max_model_len": request.max_model_len,
                "max_gpus_per_node": request.max_gpus_per_node,
                "max_nodes": request.max_nodes,
                "profile": request.profile,
                "gpus": [
                    {"name": offer.gpu.name, "at_most": offer.at_most, "usd_per_hour": offer.price}
                    for offer in request.offers
                ],
            },
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }


def plan(
    model: Model,
    offered: Sequence[Gpu | GpuOffer] = (),
    settings: EngineSettings | None = None,
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    prices: Mapping[str, float] | None = None,
    max_gpus_per_node: int | None = None,
    max_nodes: int = 1,
    profile: str | None = None,
    vllm_version: str = DEFAULT_VLLM_VERSION,
    pace: Pace | None = None,
) -> Plan:
    """Every sensible configuration of `model` on the `offered` GPUs (none: those that clouds rent), ranked by cost.

    Sizes that `settings` pin are kept; an unset max_model_len means 8192 tokens or the model's
    maximum, whichever is less. `prices` are USD per GPU and hour by GPU name, `pace` decides start-up
    and drain times. One replica takes at most `max_gpus_per_node` GPUs of at most `max_nodes` nodes; a
    `profile` sets what `settings` leave unset. Raises UsageError for a load below one request, for an
    unknown profile, and for max_model_len -1 (auto), which has no one length.
    """
    settings = settings or EngineSettings()
    if settings.max_model_len == AUTO_LENGTH:
        raise UsageError(
            "--max-model-len auto: a plan compares GPUs at one length", "give a number of tokens"
        )
    if concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: is no load", "give at least 1 request")
    if max_nodes < 1 or (max_gpus_per_node is not None and max_gpus_per_node < 1):
        raise UsageError("--max-nodes, --max-gpus-per-node: below 1 there is no replica", "give at least 1")
    longest, prefers = model.config.max_model_len, None
    if profile is not None:
        from valuegen import profiles  # noqa: PLC0415  (only who asks for one needs them)

        purpose = profiles.profile(profile)
        prefers = purpose.prefers
    whole = profile is not None and purpose.whole_context
    length = settings.max_model_len or (longest if whole else min(longest, DEFAULT_CONTEXT))
    request = Request(
        concurrency,
        length,
        tuple(_offer(entry, prices or {}) for entry in offered or planned_gpus()),
        replace(settings, max_model_len=length),
        max_gpus_per_node,
        max_nodes,
        profile,
    )
    terms = search.Terms(request.settings, vllm_version, pace, profile)
    candidates = [
        candidate for offer in request.offers for candidate in _candidates(model, offer, request, terms)
    ]
    fitting = [entry for entry in candidates if entry.rejected is None]
    fitting.sort(key=lambda entry: _order(entry, prefers))
    ranked = [replace(entry, rank=number) for number, entry in enumerate(fitting, start=1)]
    rejected = [entry for entry in candidates if entry.rejected is not None]
    return Plan(model, request, (*ranked, *rejected))


def lost_by(candidate: Candidate, best: Candidate) -> str:
    """Why a configuration that carries the load is not the first; empty for the first itself."""
    if candidate.rank == best.rank:
        return ""
    more = candidate.cost_per_hour - best.cost_per_hour
    if more > 0:
        return f"costs {more:.2f} more"
    if candidate.gpus != best.gpus:
        return f"takes {candidate.gpus} GPUs"
    if candidate.replicas != best.replicas:
        return f"is {candidate.replicas} replicas"
    return "holds no more"


def _closeness(candidate: Candidate) -> tuple[int, float]:
    """How near a rejected configuration came: too many GPUs, too little memory, refused."""
    if candidate.fit.verdict == "fits":
        return 2, -(candidate.gpus or candidate.fit.gpus)
    if candidate.fit.verdict == "invalid":
        return 0, 0.0
    # Missing memory as a share of the GPU's, so that a small GPU is not closer for its size.
    memory = candidate.fit.gpu.memory_bytes
    return 1, min(rank.kv_cache.low / memory for rank in candidate.fit.ranks)


def _offer(entry: Gpu | GpuOffer, prices: Mapping[str, float]) -> GpuOffer:
    offer = entry if isinstance(entry, GpuOffer) else GpuOffer(entry)
    price = prices.get(offer.gpu.name, offer.usd_per_hour)
    whole = offer.gpu.whole
    if price is None and whole is not None and whole.name in prices:
        price = round(prices[whole.name] * offer.gpu.share, 4)
    return replace(offer, usd_per_hour=price)


def _candidates(model: Model, offer: GpuOffer, request: Request, terms: search.Terms) -> Iterator[Candidate]:
    """The configurations on one type of GPU; where none of them finds its GPUs, the smallest, rejected."""
    room, found = request.room(offer), False
    for result in search.configurations(model, offer.gpu, room, terms):
        found = True
        yield _candidate(result, offer, request.concurrency)
    if found:
        return
    split = search.smallest(terms.settings)
    result = search.judged_split(model, offer.gpu, split, terms)
    reason = (
        result.reasons[0] if result.verdict == "invalid" else _no_room(split, offer, room, terms.settings)
    )
    yield Candidate(result, offer, rejected=reason)


def _no_room(split: search.Split, offer: GpuOffer, room: search.Room, settings: EngineSettings) -> Reason:
    """No node has the GPUs for the sizes that were asked for."""
    sizes = [
        f"--{kind}-parallel-size {size}"
        for kind, size in (
            ("tensor", settings.tensor_parallel_size),
            ("pipeline", settings.pipeline_parallel_size),
            ("data", settings.data_parallel_size),
        )
        if size
    ]
    most = min(room.per_node, offer.at_most or room.per_node)
    nodes = "one node" if room.nodes == 1 else f"up to {room.nodes} nodes"
    return Reason(
        "no-split",
        f"{' '.join(sizes)}: {split.gpus} GPUs or more in {nodes}, where {most} x {offer.gpu.name} are offered",
        "lower one of them, or offer a GPU of which a node has more",
    )


def _candidate(result: FitResult, offer: GpuOffer, concurrency: int) -> Candidate:
    if not result.fits:
        return Candidate(result, offer, rejected=result.reasons[0])
    per_replica = requests_at_once(result)  # the promise is made with the safe end of the range
    replicas = replicas_for(concurrency, per_replica)
    candidate = Candidate(result, offer, per_replica, replicas)
    if offer.at_most is not None and candidate.gpus > offer.at_most:
        reason = Reason(
            "not-enough-gpus",
            f"--gpu {offer.gpu.name}:{offer.at_most}: {concurrency} requests at once need {candidate.gpus}",
            "offer more GPUs, or lower --concurrency or --max-model-len",
        )
        return replace(candidate, rejected=reason)
    return candidate


def _order(candidate: Candidate, prefers: Preference | None) -> tuple[float | str, ...]:
    """Cheapest, then fewest GPUs, replicas as preferred, fewest stages (they wait for each other), most room."""
    settings = candidate.fit.settings
    return (
        candidate.cost_per_hour,
        candidate.gpus,
        -candidate.replicas if prefers == "narrow" else candidate.replicas,
        settings.pipeline_parallel_size,
        -candidate.requests_per_replica,
        candidate.offer.gpu.name,
        settings.tensor_parallel_size,
    )
