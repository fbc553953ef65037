"""The formula, the inputs and the source of every number that `fit` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valuegen import overhead
from valuegen.catalog.gpus import price_date
from valuegen.host import ENGINE_INIT_SECONDS, LARGEST_SHARD
from valuegen.parallel import padded_vocab
from valuegen.scaling import FULL_SHARE, LEAST_WINDOW, MOST_WINDOW, WAIT_SHARE, targets
from valuegen.units import MIB
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
        f"checkpoint at {result.pace.storage_bytes_per_second / 1e6:.0f} MB/s + {ENGINE_INIT_SECONDS} s to "
        "compile, capture graphs and warm up",
        "18 logged starts: shared storage read 53 MB/s and more, the engine then took at most 142 s",
    )
    yield Explanation(
        "drain",
        f"{host.drain_seconds} s",
        "assumed",
        f"an answer of at most {result.pace.longest_answer_tokens:,} tokens at "
        f"{result.pace.tokens_per_second} tokens per second",
        "a proposal: set --longest-answer above your longest one",
    )
    yield from _scaling(result)


def _scaling(result: FitResult) -> Iterator[Explanation]:
    """When a scaler should add a replica."""
    found = targets(result)
    if found is None or result.host is None:
        return
    held = found.requests_per_replica
    yield Explanation(
        "waiting requests to scale at",
        f"{found.waiting_requests}",
        "assumed",
        f"max(1, {WAIT_SHARE:g} x {held} requests at once): the wait is {WAIT_SHARE:.0%} of an answer's time",
        "Little's law; the share is a proposal",
    )
    yield Explanation(
        "running requests to scale at",
        f"{found.running_requests:g}",
        "assumed",
        f"{FULL_SHARE:g} x {held} requests of {result.settings.max_model_len:,} tokens at the safe end; the rest "
        "takes the load until another replica answers",
        "Kubernetes ignores a difference of 10 %, so the share must stay below 0.91; the rest is a proposal",
    )
    if found.kv_cache_usage is not None:
        yield Explanation(
            "KV cache usage to scale at",
            f"{found.kv_cache_usage:g}",
            "assumed",
            "the same share of the KV cache; cached prefixes count as free",
            "kvCacheThreshold of the Workload Variant Autoscaler 0.9.0",
        )
    yield Explanation(
        "low load before a replica goes",
        f"{found.scale_down_seconds} s",
        "assumed",
        f"min({MOST_WINDOW}, max({LEAST_WINDOW}, start-up of {result.host.startup_seconds} s))",
        "autoscaling/v2 stabilizationWindowSeconds: default 300, at most 3600",
    )
    yield Explanation(
        "cost of a replica",
        f"{found.cost_per_hour:.2f} USD per hour",
        "assumed",
        f"{result.gpus} x {result.gpu.usd_per_hour:.2f} USD",
        f"list prices of {price_date()}; `plan --price` sets yours",
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
    fitted = result.calibration
    yield Explanation(
        f"activation peak{where}",
        _bytes(rank.activation.point),
        "calibrated",
        _activation(result, rank),
        f"{measured}; the sampler is counted in vLLM 0.33.0 v1/worker/gpu/sample"
        if fitted.sampler_counted
        else measured,
    )
    graphs = overhead.graph_count(config.shape, settings, result.gpu)
    yield Explanation(
        f"CUDA graphs{where}",
        _bytes(rank.cuda_graphs.point),
        "calibrated",
        f"{graphs} captured graphs x {config.shape.layers} layers x "
        f"{fitted.graph_bytes[overhead.kind_of(result.gpu)].point / MIB:.2f} MiB"
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


def _activation(result: FitResult, rank: Rank) -> str:
    """The formula of each peak of the profiling pass, and which is the largest."""
    settings, shape, fitted = result.settings, result.model.config.shape, result.calibration
    first, last = rank.pipeline_stage == 0, rank.pipeline_stage == len(result.ranks) - 1
    peaks = overhead.peaks(shape, settings, fitted, first_stage=first, last_stage=last)
    tokens, rows = (
        settings.max_num_batched_tokens,
        min(settings.max_num_seqs, settings.max_num_batched_tokens),
    )
    formulas = {
        "images": "pixels, embeddings and a layer of the vision tower for as many images as the batch holds",
        "a layer": f"2 B x {tokens} tokens x (3 x {shape.intermediate_size} / {settings.tensor_parallel_size} + "
        f"{fitted.residual_copies.point:.1f} x {shape.hidden_size} hidden)",
        "attention": "hidden states, and the earlier tokens of prompts unfolded from the latent cache",
        "the sampler": f"{fitted.sampler_bytes.point:.1f} B x {rows} rows x {padded_vocab(shape.vocab_size)} "
        f"logits + 2 B x {tokens + rows} x {shape.hidden_size} hidden",
    }
    parts = [f"{name} {gib(round(size))} ({formulas[name]})" for name, size in peaks.items()]
    experts = ""
    if shape.routed:
        held = overhead.expert_workspace(shape.routed, shape.hidden_size, settings)
        experts = f"; {gib(held)} of them the buffers of {shape.routed.per_token} experts per token"
    return "the largest of " + ", ".join(parts) + experts


def _bytes(size: int) -> str:
    return f"{max(0, size):,} bytes ({gib(size)})"
