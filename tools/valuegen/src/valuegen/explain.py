"""The formula, the inputs and the source of every number that `fit` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valuegen import overhead
from valuegen.host import LARGEST_SHARD, SLOW_READ
from valuegen.parallel import padded_vocab
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult, Rank


@dataclass(frozen=True)
class Explanation:
    """One number, for people."""

    name: str
    value: str
    kind: str  # exact, derived, calibrated or assumed
    formula: str
    source: str


def explain(result: FitResult) -> Iterator[Explanation]:
    """Every number of a judgement, in the order in which it is computed."""
    gpu, settings = result.gpu, result.settings
    yield Explanation(
        "GPU memory", _bytes(gpu.memory_bytes), "calibrated", "cudaMemGetInfo total", gpu.memory_source
    )
    for rank in result.ranks:
        yield from _rank(result, rank)
    layout, capacity, host = result.layout, result.capacity, result.host
    if layout is None or capacity is None or host is None:
        return
    yield Explanation(
        "blocks per request",
        f"{layout.blocks_per_request:,}",
        "assumed" if result.model.assumptions else "exact",
        " + ".join(
            f"{group.blocks_per_request} ({group.layers} {group.type} layers, {group.block_size} tokens each)"
            for group in layout.groups
        ),
        "vLLM 0.33.0 v1/core/kv_cache_planning.py, v1/kv_cache_interface.py",
    )
    yield Explanation(
        "requests at once",
        f"{capacity.max_concurrency:.2f}",
        "calibrated",
        f"{capacity.num_blocks:,} blocks / {layout.blocks_per_request:,} blocks of a request of "
        f"{settings.max_model_len:,} tokens",
        "vLLM 0.33.0 v1/core/kv_cache_utils.py (the logged maximum concurrency)",
    )
    yield Explanation(
        "KV cache tokens",
        f"{capacity.tokens:,}",
        "calibrated",
        f"{capacity.max_concurrency:.4f} requests x {settings.max_model_len:,} tokens",
        "vLLM 0.33.0 v1/core/kv_cache_utils.py (the logged KV cache size)",
    )
    yield Explanation(
        "shared memory",
        _bytes(host.shared_memory_bytes),
        "derived",
        "1 GiB for NCCL; above one GPU also 160 MiB + 240 MiB per worker + 24 MiB of message rings",
        "vLLM 0.33.0 distributed/device_communicators/shm_broadcast.py, v1/executor/multiproc_executor.py",
    )
    yield Explanation(
        "host memory",
        f"{gib(host.memory_request_bytes)} requested, {gib(host.memory_limit_bytes)} limit",
        "assumed",
        f"servers 3 to 3.5 GiB + {result.gpus} workers x 2.5 to 4 GiB + pinned token ids + shared memory; "
        f"the limit also holds one shard of at most {LARGEST_SHARD / 1e9:.0f} GB per worker",
        "a proposal: upstream has no formula; measure your own",
    )
    yield Explanation(
        "start-up",
        f"{host.startup_seconds} s",
        "assumed",
        f"checkpoint at {SLOW_READ / 1e6:.0f} MB/s + 300 s to compile, capture graphs and warm up",
        "a first download over 1 Gbit/s; cold engine starts of 86 to 142 s were measured",
    )
    yield Explanation(
        "drain",
        f"{host.drain_seconds} s",
        "assumed",
        "an answer of at most 4,096 tokens at 20 tokens per second",
        "a proposal: set it above your longest request",
    )


def _rank(result: FitResult, rank: Rank) -> Iterator[Explanation]:
    settings, config = result.settings, result.model.config
    where = f" of stage {rank.pipeline_stage}" if len(result.ranks) > 1 else ""
    counted = "assumed" if result.model.assumptions else "exact"
    measured = f"vLLM {result.calibration.measured_on} start-up logs"
    yield Explanation(
        f"budget{where}",
        _bytes(rank.budget_bytes),
        "derived",
        f"ceil({result.gpu.memory_bytes} x {settings.gpu_memory_utilization:g})",
        "vLLM 0.33.0 v1/worker/utils.py (request_memory)",
    )
    yield Explanation(
        f"weights{where}",
        _bytes(rank.weights_bytes),
        counted,
        (
            f"every tensor of the headers, {config.architecture}'s usual projections split"
            if result.model.source == "safetensors"
            else f"every parameter and buffer of {config.architecture} on the largest rank"
        )
        + f" at tensor parallel size {settings.tensor_parallel_size}",
        result.model.origin,
    )
    rows = min(settings.max_num_seqs, settings.max_num_batched_tokens)
    sampler, forward = result.calibration.sampler_bytes[0], overhead.FORWARD_BYTES[0]
    last = rank.pipeline_stage == settings.pipeline_parallel_size - 1
    logits = f"{sampler:g} B x {rows} rows x {padded_vocab(config.vocab_size)} logits + " if last else ""
    yield Explanation(
        f"activation peak{where}",
        _bytes(rank.activation.point),
        "calibrated",
        f"{logits}{forward:g} B x {settings.max_num_batched_tokens} tokens x {config.hidden_size} hidden",
        measured,
    )
    sizes = overhead.capture_sizes(settings, result.gpu)
    yield Explanation(
        f"CUDA graphs{where}",
        _bytes(rank.cuda_graphs.point),
        "calibrated",
        f"{sizes} captured batch sizes x 21 MiB"
        if rank.cuda_graphs.point
        else "none are taken from the budget",
        measured,
    )
    yield Explanation(
        f"outside PyTorch{where}",
        _bytes(rank.non_torch.point),
        "calibrated",
        f"NCCL, cuBLAS and collectives at tensor parallel size {settings.tensor_parallel_size}",
        measured,
    )
    yield Explanation(
        f"KV cache{where}",
        _bytes(rank.kv_cache.point),
        "calibrated",
        "budget - weights - activation peak - CUDA graphs - outside PyTorch"
        if settings.kv_cache_memory_bytes is None
        else "--kv-cache-memory-bytes",
        "vLLM 0.33.0 v1/worker/gpu_worker.py (determine_available_memory)",
    )


def _bytes(size: int) -> str:
    return f"{max(0, size):,} bytes ({gib(size)})"
