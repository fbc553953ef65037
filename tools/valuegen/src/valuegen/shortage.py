"""Why vLLM would not start for want of GPU memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.errors import Reason
from valuegen.overhead import beside_budget, context_bytes
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.calibration import Calibration
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.fit import Rank
    from valuegen.kvcache import KvCacheLayout, KvCapacity


def shortage(
    config: ModelConfig,
    settings: ResolvedSettings,
    gpu: Gpu,
    *,
    fitted: Calibration,
    layout: KvCacheLayout,
    ranks: Sequence[Rank],
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
