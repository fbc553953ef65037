"""What would make a configuration fit: the nearest changes, each of them tried before it is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import kvcache
from valuegen.catalog.gpus import planned_gpus, slices
from valuegen.fit import FitResult, judge
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.catalog.gpus import Gpu
    from valuegen.engine import EngineSettings

USEFUL_CONTEXT = 1024  # tokens; a shorter --max-model-len is no answer
FEWER_REQUESTS = (512, 256, 128, 64)
MORE_GPUS = (2, 4, 8)


@dataclass(frozen=True)
class Change:
    """One step away from a configuration, and how a person takes it."""

    text: str
    gpu: Gpu
    settings: EngineSettings


def nearest_changes(result: FitResult, settings: EngineSettings, *, most: int = 3) -> list[str]:
    """At most `most` single changes with which `result` would fit, the least intrusive first.

    Of each kind of change the smallest that helps is named.
    """
    changes: list[str] = []
    for kind in (_shorter, _fewer_requests, _smaller_cache, _more_gpus, _larger_gpu, _larger_and_more):
        for change in kind(result, settings):
            if judge(result.model, change.gpu, change.settings, vllm_version=result.vllm_version).fits:
                changes.append(change.text)
                break
        if len(changes) == most:
            break
    return changes


def useful_length(result: FitResult) -> int:
    """The longest --max-model-len with which a configuration that is too big starts; 0 if none is useful."""
    available = [max(0, rank.kv_cache.low) for rank in result.ranks]
    length = kvcache.largest_max_model_len(result.model.config, result.settings, available)
    return length if USEFUL_CONTEXT <= length < result.settings.max_model_len else 0


def _shorter(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    length = useful_length(result)
    if length:
        yield Change(
            f"lower --max-model-len to {length}", result.gpu, replace(settings, max_model_len=length)
        )


def _fewer_requests(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    for count in FEWER_REQUESTS:
        if count < result.settings.max_num_seqs:
            yield Change(
                f"lower --max-num-seqs to {count}", result.gpu, replace(settings, max_num_seqs=count)
            )


def _smaller_cache(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    if result.settings.kv_cache_dtype == "auto" and result.gpu.compute_capability >= (8, 9):
        yield Change("set --kv-cache-dtype fp8", result.gpu, replace(settings, kv_cache_dtype="fp8"))


def _more_gpus(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    for size in MORE_GPUS:
        if result.settings.tensor_parallel_size < size <= result.gpu.max_together:
            yield Change(
                f"use --tensor-parallel-size {size}",
                result.gpu,
                replace(settings, tensor_parallel_size=size),
            )


def _larger_gpu(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    for gpu in _larger_gpus(result):
        yield Change(f"use --gpu {gpu.name}", gpu, settings)


def _larger_and_more(result: FitResult, settings: EngineSettings) -> Iterator[Change]:
    for size in MORE_GPUS:
        for gpu in _larger_gpus(result):
            if result.settings.tensor_parallel_size < size <= gpu.max_per_node:
                yield Change(
                    f"use --gpu {gpu.name} --tensor-parallel-size {size}",
                    gpu,
                    replace(settings, tensor_parallel_size=size),
                )


def _larger_gpus(result: FitResult) -> list[Gpu]:
    """Of those that clouds rent, and of a slice's own GPU the larger slices and the whole."""
    whole = result.gpu.whole
    near = (*slices(whole), whole) if whole is not None and result.gpus == 1 else ()
    known = (*near, *(gpu for gpu in planned_gpus() if gpu != whole))
    larger = [gpu for gpu in known if gpu.memory_bytes > result.gpu.memory_bytes]
    return sorted(larger, key=lambda gpu: (gpu not in near, gpu.memory_bytes, gpu.usd_per_hour))
