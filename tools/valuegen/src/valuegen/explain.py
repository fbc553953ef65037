"""The formula, the inputs and the source of every number that `fit` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valuegen import overhead
from valuegen.host import ENGINE_INIT_SECONDS, LARGEST_SHARD
from valuegen.parallel import padded_vocab
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
    yield from _features(result, rank, where, counted)
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
        "budget - weights"
        + (" - LoRA buffers" if rank.lora_bytes else "")
        + (" - draft" if rank.draft_weights_bytes else "")
        + (" + in host memory" if rank.offloaded_bytes else "")
        + " - activation peak - CUDA graphs - outside PyTorch"
        if settings.kv_cache_memory_bytes is None
        else "--kv-cache-memory-bytes",
        "vLLM 0.33.0 v1/worker/gpu_worker.py (determine_available_memory)",
    )


def _features(result: FitResult, rank: Rank, where: str, counted: str) -> Iterator[Explanation]:
    """What LoRA, a draft and offloading change on a GPU."""
    settings = result.settings
    if rank.lora_bytes:
        yield Explanation(
            f"LoRA buffers{where}",
            _bytes(rank.lora_bytes),
            counted,
            f"A and B of every module that takes adapters, for {settings.max_loras} adapters of rank "
            f"{settings.max_lora_rank}, and the indexes of tokens",
            "vLLM 0.33.0 lora/layers (create_lora_weights), lora/model_manager.py",
        )
    asked, draft = settings.speculative_config, result.model.config.draft
    if rank.draft_weights_bytes and asked is not None and draft is not None:
        yield Explanation(
            f"draft{where}",
            _bytes(rank.draft_weights_bytes),
            "assumed" if draft.assumptions else counted,
            f"weights of {draft.name}, method {asked.method}, without what it shares with the model; its "
            f"{len(draft.caches)} caches are in the KV blocks",
            "vLLM 0.33.0 v1/worker/gpu/spec_decode, model_executor/models",
        )
    if rank.offloaded_bytes:
        yield Explanation(
            f"in host memory{where}",
            _bytes(rank.offloaded_bytes),
            "derived",
            f"parameters of decoder layers up to --cpu-offload-gb {settings.cpu_offload_gb:g}"
            if not settings.offload_group_size
            else f"the last {settings.offload_num_in_group} of every {settings.offload_group_size} layers, without "
            f"room on the GPU for {settings.offload_prefetch_step} of them",
            "vLLM 0.33.0 model_executor/offloader",
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
