"""Searches GPU type, count and parallelism for a load, and ranks what fits by cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from valuegen.advice import useful_length
from valuegen.calibration import DEFAULT_VLLM_VERSION
from valuegen.catalog.gpus import all_gpus
from valuegen.document import SCHEMA, scaling_document
from valuegen.engine import EngineSettings
from valuegen.errors import Reason, UsageError
from valuegen.fit import AUTO_LENGTH, FitResult, judge
from valuegen.scaling import replicas_for, requests_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valuegen.catalog.gpus import Gpu
    from valuegen.host import Pace
    from valuegen.model import Model

TENSOR_SIZES = (1, 2, 4, 8)
PIPELINE_SIZES = (2, 4, 8)  # tried where tensor parallelism alone finds nothing
DEFAULT_CONTEXT = 8192  # tokens; a model's own maximum is rarely what a service needs
DEFAULT_CONCURRENCY = 16  # requests at once
# Smaller batches that are tried when vLLM's default of 1024 takes the room of the model itself: the
# logits of every row are in the activation peak.
SMALLER_BATCHES = (256, 128)


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
    def cost_per_hour(self) -> float:
        """USD for all replicas."""
        return round(self.gpus * self.offer.price, 4)

    def to_dict(self) -> dict[str, Any]:
        """The fit document, and what the plan adds."""
        document = self.fit.to_dict()
        if self.rejected is not None:
            return {**document, "rejected": self.rejected.to_dict()}
        return {
            **document,
            "scaling": scaling_document(self.fit, self.offer.price),
            "rank": self.rank,
            "replicas": self.replicas,
            "gpus": self.gpus,
            "requests_per_replica": self.requests_per_replica,
            "cost_per_hour": self.cost_per_hour,
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
        return {
            "schema": SCHEMA,
            "request": {
                "model": self.model.name,
                "concurrency": self.request.concurrency,
                "max_model_len": self.request.max_model_len,
                "gpus": [
                    {"name": offer.gpu.name, "at_most": offer.at_most, "usd_per_hour": offer.price}
                    for offer in self.request.offers
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
    vllm_version: str = DEFAULT_VLLM_VERSION,
    pace: Pace | None = None,
) -> Plan:
    """Every sensible configuration of `model` on the `offered` GPUs (none: all known), ranked by cost.

    Sizes that `settings` pin are kept; an unset max_model_len means 8192 tokens or the model's
    maximum, whichever is less. `prices` are USD per GPU and hour by GPU name, `pace` decides start-up
    and drain times. Raises UsageError for a load below one request, and for max_model_len -1 (auto),
    which has no one length.
    """
    settings = settings or EngineSettings()
    if settings.max_model_len == AUTO_LENGTH:
        raise UsageError(
            "--max-model-len auto: a plan compares GPUs at one length", "give a number of tokens"
        )
    if concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: is no load", "give at least 1 request")
    length = settings.max_model_len or min(model.config.max_model_len, DEFAULT_CONTEXT)
    settings = replace(settings, max_model_len=length)
    offers = tuple(_offer(entry, prices or {}) for entry in offered or all_gpus())
    candidates = [
        _candidate(result, offer, concurrency)
        for offer in offers
        for result in _configurations(model, offer, settings, vllm_version, pace)
    ]
    fitting = sorted((entry for entry in candidates if entry.rejected is None), key=_order)
    ranked = [replace(entry, rank=number) for number, entry in enumerate(fitting, start=1)]
    rejected = [entry for entry in candidates if entry.rejected is not None]
    return Plan(model, Request(concurrency, length, offers, settings), (*ranked, *rejected))


def nearest_miss(made: Plan) -> Reason:
    """Why nothing carries the load: the reason of what came closest, and what would carry it."""
    if not made.rejected:
        return _no_split(made.request)
    closest = made.rejected[0]
    reason = closest.rejected or closest.fit.reasons[0]
    return replace(reason, fix=", or ".join([*_other_ways(made, closest)]) or reason.fix)


def _no_split(request: Request) -> Reason:
    """No node has room for the sizes that were asked for."""
    settings = request.settings
    sizes = [
        (f"--{kind}-parallel-size {size}", size)
        for kind, size in (
            ("tensor", settings.tensor_parallel_size),
            ("pipeline", settings.pipeline_parallel_size),
            ("data", settings.data_parallel_size),
        )
        if size
    ]
    most = max(
        min(offer.gpu.max_per_node, offer.at_most or offer.gpu.max_per_node) for offer in request.offers
    )
    return Reason(
        "no-split",
        f"{' '.join(text for text, _ in sizes)}: {prod(size for _, size in sizes)} GPUs or more in one node, "
        f"where {most} are offered",
        "lower one of them, or offer a GPU of which a node has more",
    )


def _closeness(candidate: Candidate) -> tuple[int, float]:
    """How near a rejected configuration came: too many GPUs, too little memory, refused."""
    if candidate.fit.verdict == "fits":
        return 2, -candidate.gpus
    if candidate.fit.verdict == "invalid":
        return 0, 0.0
    # Missing memory as a share of the GPU's, so that a small GPU is not closer for its size.
    memory = candidate.fit.gpu.memory_bytes
    return 1, min(rank.kv_cache.low / memory for rank in candidate.fit.ranks)


def _other_ways(made: Plan, closest: Candidate) -> Iterator[str]:
    """Changes of the request with which a plan has a candidate, each of them tried."""
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
    if {offer.gpu.name for offer in request.offers} != {gpu.name for gpu in all_gpus()}:
        anywhere = plan(
            made.model,
            (),
            request.settings,
            concurrency=request.concurrency,
            vllm_version=result.vllm_version,
        )
        for best in anywhere.ranked[:1]:
            name, cost = best.fit.gpu.name, f"{best.cost_per_hour:.2f} USD per hour"
            yield f"use --gpu {name} ({best.gpus} of them, {cost})"
    elif result.verdict == "too-big":
        yield "use a quantized checkpoint: no GPU of the catalogue holds this one within a node"


def _offer(entry: Gpu | GpuOffer, prices: Mapping[str, float]) -> GpuOffer:
    offer = entry if isinstance(entry, GpuOffer) else GpuOffer(entry)
    return replace(offer, usd_per_hour=prices.get(offer.gpu.name, offer.usd_per_hour))


def _configurations(
    model: Model, offer: GpuOffer, settings: EngineSettings, vllm_version: str, pace: Pace | None
) -> Iterator[FitResult]:
    """Every split over the GPUs of one node: tensor parallel, then pipeline parallel if nothing fits."""
    gpu = offer.gpu
    # The ranks of data parallelism are in one pod too.
    node = min(gpu.max_per_node, offer.at_most or gpu.max_per_node) // (settings.data_parallel_size or 1)
    tensor = (settings.tensor_parallel_size,) if settings.tensor_parallel_size else TENSOR_SIZES
    found = False
    if settings.pipeline_parallel_size in (None, 1):
        for size in tensor:
            if size <= node:
                result = _judge(model, gpu, replace(settings, tensor_parallel_size=size), vllm_version, pace)
                found = found or result.fits
                yield result
    if found:
        return
    pipeline = (settings.pipeline_parallel_size,) if settings.pipeline_parallel_size else PIPELINE_SIZES
    for size in tensor:
        for stages in pipeline:
            if stages > 1 and size * stages <= node:
                pinned = replace(settings, tensor_parallel_size=size, pipeline_parallel_size=stages)
                yield _judge(model, gpu, pinned, vllm_version, pace)


def _judge(
    model: Model, gpu: Gpu, settings: EngineSettings, vllm_version: str, pace: Pace | None
) -> FitResult:
    """The judgement with vLLM's own batch, or with the largest smaller one that fits."""
    result = judge(model, gpu, settings, vllm_version=vllm_version, pace=pace)
    if result.verdict == "too-big" and settings.max_num_seqs is None:
        for batch in SMALLER_BATCHES:
            if batch < result.settings.max_num_seqs:
                fewer = replace(settings, max_num_seqs=batch)
                smaller = judge(model, gpu, fewer, vllm_version=vllm_version, pace=pace)
                if smaller.fits:
                    return smaller
    return result


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


def _order(candidate: Candidate) -> tuple[float, int, int, float, str, int]:
    """Cheapest, then fewest GPUs, then fewest replicas, then most room."""
    settings = candidate.fit.settings
    return (
        candidate.cost_per_hour,
        candidate.gpus,
        candidate.replicas,
        -candidate.requests_per_replica,
        candidate.offer.gpu.name,
        settings.tensor_parallel_size,
    )
