"""Judges one configuration: does vLLM start, how much KV cache, how many requests at once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from valuegen import kvcache, parallel, platforms, weights
from valuegen.calibration import (
    DEFAULT_VLLM_VERSION,
    Calibration,
    calibration,
    default_utilization,
    full_version,
)
from valuegen.document import fit_document
from valuegen.engine import EngineSettings, ResolvedSettings, resolve
from valuegen.extras import Extras, extras, graphs, pinned_bytes
from valuegen.frozen import dataclass
from valuegen.host import DEFAULT_PACE, HostNeeds, Pace, gpus_per_replica, host_needs
from valuegen.overhead import Estimate, activation, non_torch, plus
from valuegen.shortage import shortage

if TYPE_CHECKING:
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.errors import Reason
    from valuegen.kvcache import KvCacheLayout, KvCapacity
    from valuegen.model import Model
    from valuegen.profiles import Choice

AUTO_LENGTH = -1  # --max-model-len auto: vLLM takes the longest that fits

Verdict = Literal["fits", "too-big", "invalid"]


@dataclass(frozen=True)
class Rank:
    """The GPU of a pipeline stage that holds most. Bytes."""

    pipeline_stage: int
    weights_bytes: int
    lora_bytes: int
    draft_weights_bytes: int
    offloaded_bytes: int  # of the weights, in the host's memory instead
    activation: Estimate
    cuda_graphs: Estimate  # as far as it is taken from the budget
    non_torch: Estimate
    budget_bytes: int
    kv_cache: Estimate  # `low` is the safe end; below zero means that much is missing
    bytes_per_block: int

    @property
    def num_blocks(self) -> int:
        """KV blocks of this GPU by itself."""
        return self.blocks(self.kv_cache.point)

    def blocks(self, available: int) -> int:
        """KV blocks in that many bytes; none where the model has no cache."""
        return max(0, available) // self.bytes_per_block if self.bytes_per_block else 0

    @property
    def needed_before_cache_bytes(self) -> int:
        """What the GPU holds before any KV cache, at the safe end of the estimates."""
        return self.loaded_bytes + self.activation.high + self.cuda_graphs.high + self.non_torch.high

    @property
    def loaded_bytes(self) -> int:
        """What stays on the GPU after loading."""
        return self.weights_bytes + self.lora_bytes + self.draft_weights_bytes - self.offloaded_bytes


@dataclass(frozen=True)
class FitResult:
    """The judgement of one configuration. `to_dict()` is what `--json` prints."""

    model: Model
    gpu: Gpu
    settings: ResolvedSettings
    vllm_version: str
    calibration: Calibration
    verdict: Verdict
    reasons: tuple[Reason, ...]
    ranks: tuple[Rank, ...]  # empty when invalid, like the three below
    layout: KvCacheLayout | None = None
    capacity: KvCapacity | None = None
    capacity_range: tuple[KvCapacity, KvCapacity] | None = None
    host: HostNeeds | None = None  # of the pod, or of each where a replica spans several nodes
    pace: Pace = DEFAULT_PACE
    nodes: int = 1  # that one replica spans
    choices: tuple[Choice, ...] = ()  # what a profile set

    @property
    def fits(self) -> bool:
        """Whether vLLM starts with this configuration, also at the safe end of the estimates."""
        return self.verdict == "fits"

    @property
    def bytes_per_block(self) -> int:
        """Bytes of a KV block on the GPU where it is largest; 0 without a cache."""
        return self.layout.bytes_per_block if self.layout is not None else 0

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is not known about the model and the GPU, in sentences."""
        return self.model.assumptions + self.gpu.assumptions

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return gpus_per_replica(self.settings)

    def to_dict(self) -> dict[str, Any]:
        """The document of JSON schema 1, exactly what `valuegen fit --json` prints."""
        return fit_document(self)


def fit(
    model: Model,
    gpu: Gpu,
    settings: EngineSettings | None = None,
    *,
    vllm_version: str = DEFAULT_VLLM_VERSION,
    pace: Pace | None = None,
    nodes: int = 1,
    profile: str | None = None,
) -> FitResult:
    """Judge one configuration; a configuration that does not fit carries the nearest changes that help.

    `nodes` are what one replica spans; a `profile` (profiles.PROFILES) sets what `settings` leave unset.

    Raises UsageError for a vLLM version or a number outside its range.
    """
    from valuegen.advice import nearest_changes  # noqa: PLC0415  (only a refusal needs it, and it needs us)

    settings = settings or EngineSettings()
    if settings.max_model_len == AUTO_LENGTH:
        settings = replace(settings, max_model_len=_longest(model, gpu, settings, vllm_version, profile))
    result = judge(model, gpu, settings, vllm_version=vllm_version, pace=pace, nodes=nodes, profile=profile)
    if result.verdict != "too-big":
        return result
    changes = nearest_changes(result, settings)
    reasons = tuple(replace(reason, fix=", or ".join(changes) or reason.fix) for reason in result.reasons)
    return replace(result, reasons=reasons)


def _longest(
    model: Model, gpu: Gpu, settings: EngineSettings, vllm_version: str, profile: str | None
) -> int | None:
    """What --max-model-len auto comes to: the longest that starts; None (the model's own) if none does."""
    unset = replace(settings, max_model_len=None)
    result = judge(model, gpu, unset, vllm_version=vllm_version, profile=profile)
    available = [max(0, rank.kv_cache.low) for rank in result.ranks]
    if result.verdict != "too-big" or not any(available):
        return None
    return kvcache.largest_max_model_len(result.model.config, result.settings, available) or None


def judge(
    model: Model,
    gpu: Gpu,
    settings: EngineSettings,
    *,
    vllm_version: str = DEFAULT_VLLM_VERSION,
    pace: Pace | None = None,
    nodes: int = 1,
    profile: str | None = None,
) -> FitResult:
    """Like `fit`, without the search for changes that would help."""
    fitted = calibration(vllm_version)
    if settings.speculative_config is not None:
        from valuegen.drafts import joined  # noqa: PLC0415  (only where something is drafted)

        model, asked = joined(model, settings.speculative_config)
        settings = replace(settings, speculative_config=asked)
    config = model.config
    choices: tuple[Choice, ...] = ()
    if profile is not None:
        from valuegen.profiles import choose  # noqa: PLC0415  (only who asks for one needs them)

        choices = choose(profile, config, gpu, settings, fitted)
        settings = replace(settings, **{choice.setting: choice.value for choice in choices})
    if settings.gpu_memory_utilization is None:
        settings = replace(settings, gpu_memory_utilization=default_utilization(fitted.minor))
    resolved = resolve(
        config,
        settings,
        gpu_memory_bytes=gpu.memory_bytes,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
    )
    split = _split(config, resolved)
    base = FitResult(
        model=model,
        gpu=gpu,
        settings=resolved,
        vllm_version=full_version(vllm_version),
        calibration=fitted,
        verdict="invalid",
        pace=pace or DEFAULT_PACE,
        reasons=(*split.refusals, *platforms.refusals(config, resolved, gpu, fitted.minor)),
        ranks=(),
        nodes=nodes,
        choices=choices,
    )
    layout = split.layout
    if layout is None or base.reasons:
        return base

    ranks = tuple(
        _rank(config, resolved, gpu, fitted=fitted, layout=layout, weight=weight, extra=extra, stage=stage)
        for stage, (weight, extra) in enumerate(zip(split.weights, split.extras, strict=True))
    )
    low, point, high = (
        kvcache.capacity(layout, [max(0, getattr(rank.kv_cache, end)) for rank in ranks])
        for end in ("low", "point", "high")
    )
    reasons = shortage(config, resolved, gpu, fitted=fitted, layout=layout, ranks=ranks, safe=low)
    return replace(
        base,
        verdict="too-big" if reasons else "fits",
        reasons=tuple(reasons),
        ranks=ranks,
        layout=layout,
        capacity=point,
        capacity_range=(low, high),
        host=host_needs(
            resolved,
            _checkpoint_bytes(config),
            base.pace,
            takes_images=config.shape.encoder is not None,
            nodes=nodes,
            pinned=pinned_bytes(config, resolved),
        ),
    )


@dataclass(frozen=True)
class _Split:
    """What a split comes to on every GPU of one compute capability. Bytes of weights by pipeline stage."""

    refusals: tuple[Reason, ...]
    layout: KvCacheLayout | None = None  # None: refused
    weights: tuple[int, ...] = ()
    extras: tuple[Extras, ...] = ()


@lru_cache(maxsize=1024)
def _split(config: ModelConfig, settings: ResolvedSettings) -> _Split:
    """A search asks for the same split on many GPUs; its tensors are walked once."""
    refusals = tuple(parallel.refusals(config, settings, compute_capability=settings.compute_capability))
    if refusals:
        return _Split(refusals)
    stages = range(settings.pipeline_parallel_size)
    held = tuple(weights.loaded_weights_bytes(config, settings, stage) for stage in stages)
    added = tuple(extras(config, settings, stage) for stage in stages)
    return _Split((), kvcache.layout(config, settings), held, added)


@cache
def _checkpoint_bytes(config: ModelConfig) -> int:
    draft = config.draft
    own = draft is not None and draft.name != config.name  # MTP layers are in the checkpoint itself
    return weights.checkpoint_bytes(config) + (weights.checkpoint_bytes(draft) if draft and own else 0)


def _rank(
    config: ModelConfig,
    settings: ResolvedSettings,
    gpu: Gpu,
    *,
    fitted: Calibration,
    layout: KvCacheLayout,
    weight: int,
    extra: Extras,
    stage: int,
) -> Rank:
    last_stage = stage == settings.pipeline_parallel_size - 1
    if gpu.is_amd:
        from valuegen import rocm  # noqa: PLC0415  (few plans are for AMD)

        weight += rocm.padding_bytes(config, settings, stage)
    held = weight + extra.lora + extra.draft - extra.offloaded
    peak = activation(config.shape, settings, fitted, first_stage=stage == 0, last_stage=last_stage)
    peak = plus(peak, Estimate(extra.buffers, extra.buffers, extra.buffers)) if extra.buffers else peak
    captured = graphs(config, settings, gpu, fitted=fitted, last_stage=last_stage)
    outside = non_torch(settings, gpu, fitted)
    # vLLM 0.33.0 v1/worker/utils.py (request_memory)
    budget = ceil(gpu.memory_bytes * settings.gpu_memory_utilization)

    if settings.kv_cache_memory_bytes is not None:
        fixed = settings.kv_cache_memory_bytes
        available = Estimate(fixed, fixed, fixed)
    else:
        available = Estimate(
            point=budget - held - peak.point - captured.point - outside.point,
            low=budget - held - peak.high - captured.high - outside.high,
            high=budget - held - peak.low - captured.low - outside.low,
        )
    return Rank(
        pipeline_stage=stage,
        weights_bytes=weight,
        lora_bytes=extra.lora,
        draft_weights_bytes=extra.draft,
        offloaded_bytes=extra.offloaded,
        activation=peak,
        cuda_graphs=captured,
        non_torch=outside,
        budget_bytes=budget,
        kv_cache=available,
        bytes_per_block=layout.stages[stage].bytes_per_block,
    )
