"""The formula, the inputs and the source of every number that `fit` prints."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from valuegen import overhead
from valuegen.architectures import FAMILIES
from valuegen.explain_cache import explain_cache
from valuegen.explain_extras import explain_extras
from valuegen.explain_host import explain_host
from valuegen.explain_scaling import explain_scaling
from valuegen.explanation import Explanation, counted, in_bytes, measured, short
from valuegen.split import padded_vocab
from valuegen.units import MIB
from valuegen.weights import rank_tensors
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult, Rank
    from valuegen.overhead import Estimate

LINKS = {"nvlink": "NVLink", "xgmi": "Infinity Fabric", "pcie": "PCIe"}
# A tensor belongs to the first part whose pattern is in its name.
PARTS = (
    ("routed experts", r"routed_experts"),
    ("vision and audio", r"visual|vision|audio|encoder\.(?:conv|layers)"),
    ("recurrent layers", r"linear_attn|mamba|mixer|\.kda"),
    ("attention", r"attn|attention"),
    ("shared experts", r"shared_expert"),
    ("routers", r"mlp\.gate\.|\.router|block_sparse_moe\.gate"),
    ("MLP", r"mlp|feed_forward|ffn"),
    ("embedding", r"embed|\.wte|\.wpe"),
    ("head", r"lm_head"),
    ("norms and the rest", r""),
)


def explain(result: FitResult) -> Iterator[Explanation]:
    """Every number of a judgement, in the order in which it is computed."""
    for choice in result.choices:
        yield Explanation(
            "Settings of the profile",
            "--" + choice.setting.replace("_", "-"),
            str(choice.value).lower() if isinstance(choice.value, bool) else str(choice.value),
            "chosen",
            (choice.reason,),
            f"vLLM 0.33.0 {choice.source}",
        )
    for rank in result.ranks:
        yield from _rank(result, rank)
    layout, capacity, host = result.layout, result.capacity, result.host
    if layout is None or capacity is None or host is None:
        return
    yield from explain_cache(result, layout, capacity)
    yield from explain_host(result, host)
    yield from explain_scaling(result, host)


def _rank(result: FitResult, rank: Rank) -> Iterator[Explanation]:
    settings, config, gpu = result.settings, result.model.config, result.gpu
    where = f", stage {rank.pipeline_stage}" if len(result.ranks) > 1 else ""
    section = f"Memory of each GPU{where}"
    logs = f"vLLM {result.calibration.measured_on} start-up logs"
    yield Explanation(
        section,
        "GPU memory",
        in_bytes(gpu.memory_bytes),
        "calibrated" if gpu.memory_known == "measured" else gpu.memory_known,
        ("what cudaMemGetInfo reports as the total",),
        gpu.memory_source,
    )
    yield Explanation(
        section,
        "budget",
        in_bytes(rank.budget_bytes),
        "derived",
        (
            f"{gpu.memory_bytes:,} bytes x --gpu-memory-utilization {settings.gpu_memory_utilization:g}, rounded up",
        ),
        "vLLM 0.33.0 v1/worker/utils.py (request_memory)",
    )
    yield Explanation(
        section,
        "weights",
        in_bytes(rank.weights_bytes),
        counted(result),
        tuple(_weights(result, rank)),
        _weights_source(result),
    )
    yield from explain_extras(result, rank, section)
    yield Explanation(
        section,
        "activation peak",
        in_bytes(rank.activation.point),
        measured(result),
        _activation(result, rank),
        f"{logs}; the sampler is counted in vLLM 0.33.0 v1/worker/gpu/sample"
        if result.calibration.sampler_counted
        else logs,
    )
    graphs = overhead.graph_count(config.shape, settings, gpu)
    per_graph = result.calibration.graph_bytes[overhead.kind_of(gpu)].point / MIB
    yield Explanation(
        section,
        "CUDA graphs",
        in_bytes(rank.cuda_graphs.point),
        measured(result),
        (
            f"{graphs} captured graphs x {config.shape.layers} layers x {per_graph:.2f} MiB"
            if rank.cuda_graphs.point
            else "none are taken from the budget",
            _range(rank.cuda_graphs),
        ),
        f"{logs}; the number of graphs: vLLM 0.33.0 config/vllm.py (_set_cudagraph_sizes)",
    )
    yield Explanation(
        section,
        "outside PyTorch",
        in_bytes(rank.non_torch.point),
        measured(result),
        (
            f"cuBLAS, NCCL and collectives at tensor parallel size {settings.tensor_parallel_size} over "
            f"{LINKS[gpu.interconnect]}",
            _range(rank.non_torch),
        ),
        logs,
    )
    yield Explanation(
        section,
        "KV cache",
        in_bytes(rank.kv_cache.point),
        measured(result),
        (
            "budget - weights"
            + (" - LoRA buffers" if rank.lora_bytes else "")
            + (" - draft" if rank.draft_weights_bytes else "")
            + (" + in host memory" if rank.offloaded_bytes else "")
            + " - activation peak - CUDA graphs - outside PyTorch"
            if settings.kv_cache_memory_bytes is None
            else "--kv-cache-memory-bytes",
            _range(rank.kv_cache),
        ),
        "vLLM 0.33.0 v1/worker/gpu_worker.py (determine_available_memory)",
    )


def _weights(result: FitResult, rank: Rank) -> Iterator[str]:
    """The largest parts of the weights on a GPU, and how they come to be there."""
    config, settings = result.model.config, result.settings
    sizes: dict[str, int] = {}
    for tensor in rank_tensors(config, settings, rank.pipeline_stage, loaded=True):
        part = next(name for name, pattern in PARTS if re.search(pattern, tensor.name))
        sizes[part] = sizes.get(part, 0) + tensor.bytes
    padding = rank.weights_bytes - sum(sizes.values())
    if padding:
        sizes["padding of the kernels"] = padding
    if result.model.source == "safetensors":
        yield f"every tensor of the headers, {config.architecture}'s usual projections split"
    else:
        yield " + ".join(f"{name} {short(size)}" for name, size in sizes.items() if size)
    quantized = f", {config.quantization.method}" if config.quantization is not None else ""
    split = [f"tensor parallel size {settings.tensor_parallel_size}"]
    if settings.data_parallel_size > 1:
        split.append(f"data parallel size {settings.data_parallel_size}")
    if settings.enable_expert_parallel:
        split.append("whole experts")
    yield (
        f"every parameter and buffer of {config.architecture} in {settings.dtype}{quantized}, "
        f"on the GPU that holds most at {', '.join(split)}"
    )


def _weights_source(result: FitResult) -> str:
    """The vLLM file that the family's list of tensors follows, and where the sizes come from."""
    family = FAMILIES.get(result.model.config.architecture)
    if family is None or result.model.source == "safetensors":
        return result.model.origin
    text = " ".join((import_module(f"valuegen.architectures.{family}").__doc__ or "").split())
    found = re.search(r"Source: (.+?)\.?$", text)
    return f"{found[1]}; {result.model.origin}" if found else result.model.origin


def _range(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return ""
    return f"{short(estimate.low)} to {short(estimate.high)} over what was measured; the unfavourable end decides"


def _activation(result: FitResult, rank: Rank) -> tuple[str, ...]:
    """The formula of each peak of the profiling pass, the largest first."""
    settings, shape, fitted = result.settings, result.model.config.shape, result.calibration
    first, last = rank.pipeline_stage == 0, rank.pipeline_stage == len(result.ranks) - 1
    peaks = overhead.peaks(shape, settings, fitted, first_stage=first, last_stage=last)
    tokens, rows = (
        settings.max_num_batched_tokens,
        min(settings.max_num_seqs, settings.max_num_batched_tokens),
    )
    width = (
        f"3 x {shape.intermediate_size} / {settings.tensor_parallel_size} + "
        if shape.intermediate_size
        else ""
    )
    formulas = {
        "images": "pixels, embeddings and a layer of the vision tower for as many images as the batch holds",
        "a layer": f"2 B x {tokens} tokens x ({width}{fitted.residual_copies.point:.1f} x {shape.hidden_size} hidden)",
        "attention": "hidden states, and the earlier tokens of prompts unfolded from the latent cache",
        "the sampler": f"{fitted.sampler_bytes.point:.1f} B x {rows} rows x {padded_vocab(shape.vocab_size)} "
        f"logits + 2 B x {tokens + rows} x {shape.hidden_size} hidden",
    }
    largest, *others = sorted(peaks, key=lambda name: peaks[name], reverse=True)
    lines = [f"the peak of {largest}: {formulas[largest]}"]
    if shape.routed:
        held = overhead.expert_workspace(shape.routed, shape.hidden_size, settings)
        lines.append(f"{gib(held)} of it are the buffers of {shape.routed.per_token} experts per token")
    lines += [f"{name} needs less, {gib(round(peaks[name]))}: {formulas[name]}" for name in others]
    return (*lines, _range(rank.activation))
