"""A judgement as JSON, schema 1: numbers, the range of each estimate, and how far each can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from valuegen import scaling, weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.fit import FitResult, Rank
    from valuegen.kvcache import KvCacheLayout, KvCapacity
    from valuegen.model import Model

SCHEMA = 1
EXACT_VERSION = "0.33.0"  # the vLLM whose code the exact arithmetic follows


def fit_document(result: FitResult) -> dict[str, Any]:
    """The whole document of one configuration."""
    gpu, model, targets = result.gpu, result.model, scaling_document(result)
    return {
        "schema": SCHEMA,
        "vllm_version": result.vllm_version,
        "model": {
            "name": model.name,
            "architecture": model.config.architecture,
            "parameters": weights.parameter_count(model.config),
            "max_model_len": model.config.max_model_len,
            "source": model.source,
            "checkpoint": _checkpoint(model),
            "assumptions": list(model.assumptions),
        },
        "gpu": {
            "name": gpu.name,
            "product": gpu.product,
            "memory_bytes": gpu.memory_bytes,
            "compute_capability": gpu.compute,
            "resource": gpu.resource,
            "assumptions": list(gpu.assumptions),
        },
        "settings": _settings(result),
        "profile": [asdict(choice) for choice in result.choices],
        "verdict": result.verdict,
        "reasons": [reason.to_dict() for reason in result.reasons],
        "ranks": [_rank(rank) for rank in result.ranks],
        "kv_cache": _cache(result.layout, result.capacity),
        "host": asdict(result.host) if result.host else None,
        "scaling": targets,
        "ranges": _ranges(result),
        "provenance": _provenance(result, targets or {}),
    }


def scaling_document(result: FitResult, usd_per_gpu: float | None = None) -> dict[str, float | None] | None:
    """When a scaler should add a replica, and what that costs; None for what does not fit."""
    targets = scaling.targets(result, usd_per_gpu)
    return dict(vars(targets)) if targets else None  # asdict is ten times as slow


def _checkpoint(model: Model) -> dict[str, int] | None:
    """What the headers state; `unexpected_bytes` differ from what the architecture lists."""
    if model.checkpoint is None:
        return None
    return {
        "files": len(model.checkpoint.files),
        "tensors": len(model.checkpoint.tensors),
        "bytes": model.checkpoint.bytes,
        "unexpected_bytes": model.unexpected_bytes,
    }


def _rank(rank: Rank) -> dict[str, int]:
    return {
        "pipeline_stage": rank.pipeline_stage,
        "weights_bytes": rank.weights_bytes,
        "lora_bytes": rank.lora_bytes,
        "draft_weights_bytes": rank.draft_weights_bytes,
        "offloaded_bytes": rank.offloaded_bytes,
        "activation_bytes": rank.activation.point,
        "cuda_graph_bytes": rank.cuda_graphs.point,
        "non_torch_bytes": rank.non_torch.point,
        "budget_bytes": rank.budget_bytes,
        "kv_cache_bytes": max(0, rank.kv_cache.point),
        "bytes_per_block": rank.bytes_per_block,
        "num_blocks": rank.num_blocks,
    }


def _settings(result: FitResult) -> dict[str, Any]:
    settings = asdict(result.settings)
    del settings["compute_capability"]  # stands under "gpu"
    return settings


def _cache(layout: KvCacheLayout | None, capacity: KvCapacity | None) -> dict[str, Any] | None:
    if layout is None or capacity is None:
        return None
    return {
        "block_size": layout.block_size,
        "bytes_per_block": layout.bytes_per_block,
        "groups": [
            {"type": group.type, "layers": group.layers, "blocks_per_request": group.blocks_per_request}
            for group in layout.groups
        ],
        "blocks_per_request": layout.blocks_per_request,
        "bytes_per_request": layout.bytes_per_request,
        "num_blocks": capacity.num_blocks,
        "tokens": capacity.tokens,
        "max_concurrency": round(capacity.max_concurrency, 4),
    }


def _ranges(result: FitResult) -> dict[str, list[float]]:
    """[low, high] of every number that rests on measurements."""
    ranges: dict[str, list[float]] = {}
    for number, rank in enumerate(result.ranks):
        for field, estimate in (
            ("activation_bytes", rank.activation),
            ("cuda_graph_bytes", rank.cuda_graphs),
            ("non_torch_bytes", rank.non_torch),
            ("kv_cache_bytes", rank.kv_cache),
        ):
            ranges[f"ranks.{number}.{field}"] = [max(0, estimate.low), max(0, estimate.high)]
        ranges[f"ranks.{number}.num_blocks"] = [
            rank.blocks(end) for end in (rank.kv_cache.low, rank.kv_cache.high)
        ]
    if result.capacity_range:
        low, high = result.capacity_range
        ranges["kv_cache.num_blocks"] = [low.num_blocks, high.num_blocks]
        ranges["kv_cache.tokens"] = [low.tokens, high.tokens]
        ranges["kv_cache.max_concurrency"] = [round(low.max_concurrency, 4), round(high.max_concurrency, 4)]
    return ranges


def _provenance(result: FitResult, targets: Iterable[str]) -> dict[str, dict[str, str]]:
    """exact: as vLLM counts it; derived: from exact numbers; calibrated: measured; assumed: a proposal."""
    derived, assumed = ("derived", EXACT_VERSION), ("assumed", EXACT_VERSION)
    exact = ("exact", EXACT_VERSION)
    counted = assumed if result.model.assumptions or result.gpu.is_amd else exact
    measured = ("calibrated", result.calibration.measured_on)
    memory = measured if result.gpu.memory_known == "measured" else (result.gpu.memory_known, EXACT_VERSION)
    if not result.gpu.is_calibrated:
        measured = assumed
    cache = derived if result.settings.kv_cache_memory_bytes is not None else measured

    kinds = {"model.parameters": counted, "gpu.memory_bytes": memory, "settings": ("exact", EXACT_VERSION)}
    if result.model.checkpoint is not None:
        kinds["model.checkpoint"] = ("exact", EXACT_VERSION)
    for number in range(len(result.ranks)):
        for field, kind in (
            ("weights_bytes", counted),
            ("lora_bytes", counted),
            ("draft_weights_bytes", counted),
            ("offloaded_bytes", derived),
            ("activation_bytes", measured),
            ("cuda_graph_bytes", measured),
            ("non_torch_bytes", measured),
            ("budget_bytes", derived),
            ("kv_cache_bytes", cache),
            ("bytes_per_block", counted),
            ("num_blocks", cache),
        ):
            kinds[f"ranks.{number}.{field}"] = kind
    if result.layout:
        for field in ("block_size", "bytes_per_block", "groups", "blocks_per_request", "bytes_per_request"):
            kinds[f"kv_cache.{field}"] = counted
        for field in ("num_blocks", "tokens", "max_concurrency"):
            kinds[f"kv_cache.{field}"] = cache
    if result.host:
        for field in asdict(result.host):
            kinds[f"host.{field}"] = derived if field == "shared_memory_bytes" else assumed
    for field in targets:
        kinds[f"scaling.{field}"] = cache if field == "requests_per_replica" else assumed
    return {path: {"kind": kind, "vllm_version": version} for path, (kind, version) in kinds.items()}
