"""Judges one configuration: does vLLM start, how much KV cache, how many requests at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from valuegen import kvcache, parallel, weights
from valuegen.calibration import (
    DEFAULT_VLLM_VERSION,
    Calibration,
    calibration,
    default_utilization,
    full_version,
)
from valuegen.document import fit_document
from valuegen.engine import EngineSettings, ResolvedSettings, resolve
from valuegen.errors import Reason
from valuegen.host import DEFAULT_PACE, HostNeeds, Pace, gpus_per_replica, host_needs
from valuegen.overhead import Estimate, activation, beside_budget, context_bytes, cuda_graphs, non_torch, plus
from valuegen.words import gib

if TYPE_CHECKING:
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.kvcache import KvCacheLayout, KvCapacity
    from valuegen.model import Model

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
        return max(0, self.kv_cache.point) // self.bytes_per_block

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
    host: HostNeeds | None = None
    pace: Pace = DEFAULT_PACE

    @property
    def fits(self) -> bool:
        """Whether vLLM starts with this configuration, also at the safe end of the estimates."""
        return self.verdict == "fits"

    @property
    def bytes_per_block(self) -> int:
        """Bytes of a KV block on the GPU where it is largest; 0 without a cache."""
        return self.layout.bytes_per_block if self.layout is not None else 0

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
) -> FitResult:
    """Judge one configuration; a configuration that does not fit carries the nearest changes that help.

    Raises UsageError for a vLLM version or a number outside its range.
    """
    from valuegen.advice import nearest_changes  # noqa: PLC0415  (only a refusal needs it, and it needs us)

    settings = settings or EngineSettings()
    if settings.max_model_len == AUTO_LENGTH:
        settings = replace(settings, max_model_len=_longest(model, gpu, settings, vllm_version))
    result = judge(model, gpu, settings, vllm_version=vllm_version, pace=pace)
    if result.verdict != "too-big":
        return result
    changes = nearest_changes(result, settings)
    reasons = tuple(replace(reason, fix=", or ".join(changes) or reason.fix) for reason in result.reasons)
    return replace(result, reasons=reasons)


def _longest(model: Model, gpu: Gpu, settings: EngineSettings, vllm_version: str) -> int | None:
    """What --max-model-len auto comes to: the longest that starts; None (the model's own) if none does."""
    result = judge(model, gpu, replace(settings, max_model_len=None), vllm_version=vllm_version)
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
) -> FitResult:
    """Like `fit`, without the search for changes that would help."""
    fitted = calibration(vllm_version)
    if settings.speculative_config is not None:
        from valuegen.speculation import joined  # noqa: PLC0415  (only where something is drafted)

        model, asked = joined(model, settings.speculative_config)
        settings = replace(settings, speculative_config=asked)
    config = model.config
    if settings.gpu_memory_utilization is None:
        settings = replace(settings, gpu_memory_utilization=default_utilization(fitted.minor))
    resolved = resolve(
        config,
        settings,
        gpu_memory_bytes=gpu.memory_bytes,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
    )
    base = FitResult(
        model=model,
        gpu=gpu,
        settings=resolved,
        vllm_version=full_version(vllm_version),
        calibration=fitted,
        verdict="invalid",
        pace=pace or DEFAULT_PACE,
        reasons=tuple(parallel.refusals(config, resolved, compute_capability=gpu.compute_capability)),
        ranks=(),
    )
    if base.reasons:
        return base

    layout = kvcache.layout(config, resolved)
    ranks = tuple(
        _rank(config, resolved, gpu, fitted=fitted, layout=layout, stage=stage)
        for stage in range(len(layout.stages))
    )
    low, point, high = (
        kvcache.capacity(layout, [max(0, getattr(rank.kv_cache, end)) for rank in ranks])
        for end in ("low", "point", "high")
    )
    reasons = _too_big(config, resolved, gpu, fitted=fitted, layout=layout, ranks=ranks, safe=low)
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
            pinned=_pinned(config, resolved),
        ),
    )


@cache
def _checkpoint_bytes(config: ModelConfig) -> int:
    draft = config.draft
    own = draft is not None and draft.name != config.name  # MTP layers are in the checkpoint itself
    return weights.checkpoint_bytes(config) + (weights.checkpoint_bytes(draft) if draft and own else 0)


def _pinned(config: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes of the host's memory that hold weights and adapters of all GPUs."""
    ranks = settings.tensor_parallel_size * settings.data_parallel_size
    held = 0
    if settings.enable_lora:
        from valuegen import lora  # noqa: PLC0415

        held += lora.host_bytes(config, settings) * ranks * settings.pipeline_parallel_size
    if settings.offloads:
        from valuegen import offload  # noqa: PLC0415

        stages = range(settings.pipeline_parallel_size)
        held += ranks * sum(offload.offloaded(config, settings, stage).host for stage in stages)
    return held


def _rank(
    config: ModelConfig,
    settings: ResolvedSettings,
    gpu: Gpu,
    *,
    fitted: Calibration,
    layout: KvCacheLayout,
    stage: int,
) -> Rank:
    extra = _extras(config, settings, stage)
    weight = weights.loaded_weights_bytes(config, settings, stage)
    held = weight + extra.lora + extra.draft - extra.offloaded
    peak = activation(
        config.shape,
        settings,
        fitted,
        first_stage=stage == 0,
        last_stage=stage == settings.pipeline_parallel_size - 1,
    )
    graphs = (
        _graphs(config, settings, gpu, fitted=fitted, last_stage=stage == settings.pipeline_parallel_size - 1)
        if fitted.graphs_in_budget
        else Estimate(0, 0, 0)
    )
    peak = plus(peak, Estimate(extra.buffers, extra.buffers, extra.buffers))
    outside = non_torch(settings, gpu, fitted)
    # vLLM 0.33.0 v1/worker/utils.py (request_memory)
    budget = ceil(gpu.memory_bytes * settings.gpu_memory_utilization)

    if settings.kv_cache_memory_bytes is not None:
        fixed = settings.kv_cache_memory_bytes
        available = Estimate(fixed, fixed, fixed)
    else:
        available = Estimate(
            point=budget - held - peak.point - graphs.point - outside.point,
            low=budget - held - peak.high - graphs.high - outside.high,
            high=budget - held - peak.low - graphs.low - outside.low,
        )
    return Rank(
        pipeline_stage=stage,
        weights_bytes=weight,
        lora_bytes=extra.lora,
        draft_weights_bytes=extra.draft,
        offloaded_bytes=extra.offloaded,
        activation=peak,
        cuda_graphs=graphs,
        non_torch=outside,
        budget_bytes=budget,
        kv_cache=available,
        bytes_per_block=layout.stages[stage].bytes_per_block,
    )


@dataclass(frozen=True)
class _Extras:
    """What features add on a GPU of a stage. Bytes."""

    lora: int = 0
    draft: int = 0
    offloaded: int = 0
    buffers: int = 0  # of drafting, in every pass


def _extras(config: ModelConfig, settings: ResolvedSettings, stage: int) -> _Extras:
    found = _Extras()
    if settings.enable_lora:
        from valuegen import lora  # noqa: PLC0415  (each feature is loaded when it is used)

        found = replace(found, lora=lora.rank_bytes(config, settings, stage))
    if settings.offloads:
        from valuegen import offload  # noqa: PLC0415

        found = replace(found, offloaded=offload.offloaded(config, settings, stage).saved)
    if settings.speculative_config is not None and stage == settings.pipeline_parallel_size - 1:
        from valuegen import speculation  # noqa: PLC0415

        found = replace(
            found,
            draft=speculation.weights_bytes(config, settings, stage),
            buffers=speculation.buffer_bytes(config, settings),
        )
    return found


def _graphs(
    config: ModelConfig, settings: ResolvedSettings, gpu: Gpu, *, fitted: Calibration, last_stage: bool
) -> Estimate:
    """Each graph is captured once more for adapters; heads that draft have graphs of their own.

    Source: vLLM 0.33.0 v1/worker/gpu/lora_utils.py, v1/worker/gpu/spec_decode/target_dependent_ar.
    """
    own = cuda_graphs(config.shape, settings, gpu, fitted)
    found = [own, own] if settings.enable_lora else [own]
    asked = settings.speculative_config
    if last_stage and config.draft is not None and asked is not None and asked.method != "draft_model":
        layers = replace(config.draft.shape, layers=len(config.draft.kv_layers))
        found.append(cuda_graphs(layers, replace(settings, pipeline_parallel_size=1), gpu, fitted))
    return plus(*found)


def _too_big(
    config: ModelConfig,
    settings: ResolvedSettings,
    gpu: Gpu,
    *,
    fitted: Calibration,
    layout: KvCacheLayout,
    ranks: tuple[Rank, ...],
    safe: KvCapacity,
) -> list[Reason]:
    """Why vLLM would not start at the safe end of the estimates; empty if it does."""
    tightest = min(ranks, key=lambda rank: rank.kv_cache.low)
    context = context_bytes(gpu)
    left_over = gpu.memory_bytes - tightest.budget_bytes
    beside = beside_budget(config.shape, settings, gpu, fitted)
    if left_over < beside:
        what = "the CUDA context" if beside == context else "the CUDA context, graphs and kernels"
        return [
            Reason(
                "no-room-for-context",
                f"--gpu-memory-utilization {settings.gpu_memory_utilization:g}: leaves {gib(left_over)} of "
                f"{gpu.name} for {what}, {gib(beside)} are needed",
                f"lower it to {int(100 * (1 - beside / gpu.memory_bytes)) / 100:.2f}",
            )
        ]
    held = tightest.needed_before_cache_bytes
    if settings.kv_cache_memory_bytes is not None:
        needed, memory = held + settings.kv_cache_memory_bytes, gpu.memory_bytes - context
        if needed > memory:
            return [
                Reason(
                    "kv-cache-memory-too-large",
                    f"--kv-cache-memory-bytes {settings.kv_cache_memory_bytes}: with the weights and buffers "
                    f"that is {gib(needed)}, {gpu.name} has {gib(memory)}",
                    f"lower --kv-cache-memory-bytes to {max(0, memory - held)}",
                )
            ]
    elif tightest.kv_cache.low <= 0:
        return [
            Reason(
                "weights-too-large",
                f"{config.name} on {gpu.name}: {gib(held)} are needed on each GPU before any KV cache, "
                f"{gib(tightest.budget_bytes)} are granted",
                "split the model over more GPUs or use a larger one",
            )
        ]
    if safe.fits:
        return []
    worst = max(
        range(len(ranks)), key=lambda stage: safe.min_available_bytes[stage] - ranks[stage].kv_cache.low
    )
    return [
        Reason(
            "kv-cache-too-small",
            f"--max-model-len {layout.max_model_len}: one request needs "
            f"{gib(safe.min_available_bytes[worst])} of KV cache, {gpu.name} has "
            f"{gib(ranks[worst].kv_cache.low)} left at the safe end of the estimates",
            "lower --max-model-len",
        )
    ]
