"""What the template of the values is given: every number with the sentence that stands above it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from valuegen.catalog.gpus import NVIDIA_LABEL, NVIDIA_RESOURCE, price_date
from valuegen.engine import batch_defaults
from valuegen.extras import pinned_bytes
from valuegen.featurekeys import covered, feature_keys
from valuegen.host import ENGINE_INIT_SECONDS, LEAST_STARTUP_SECONDS
from valuegen.offload import kv_region_bytes
from valuegen.weights import checkpoint_bytes
from valuegen.words import gib, requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.engine import EngineSettings
    from valuegen.fit import FitResult
    from valuegen.plan import Candidate, Request

# Settings that the chart has keys of its own for, or that follow from them.
OWN_KEYS = {
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "enable_expert_parallel",
}
# Settings that decide the plan, so they are written even when vLLM's default is what is wanted.
ALWAYS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")


def context_of(
    request: Request, candidate: Candidate, key: str, uri: str, *, main: Candidate | None = None
) -> dict[str, Any]:
    """What the template writes of a model, or of a variant beside the model's own workload `main`."""
    result = candidate.fit
    model = result.model
    gpu = result.gpu
    products = gpu.node_products
    base = gpu if main is None else main.fit.gpu
    arguments = list(_arguments(candidate, request.settings))
    if main is not None:
        own = {flag for flag, _, _ in arguments}
        dropped = [flag for flag, _, _ in _arguments(main, request.settings) if flag not in own]
        arguments += [(flag, None, "Not on this GPU: vLLM's default.") for flag in dropped]
    return {
        "is_variant": main is not None,
        "origin": _origin(candidate, uri) + _assumed(candidate),
        "uri": uri,
        "revision": model.revision if model.uri == uri else "",
        "served_name": model.name if model.name != key else "",
        # A variant sets back what the model's own workload has.
        "resource": gpu.resource if {gpu.resource, base.resource} != {NVIDIA_RESOURCE} else "",
        "label": gpu.label if {gpu.label, base.label} != {NVIDIA_LABEL} else "",
        "assumptions": gpu.assumptions,
        "product": products[0] if len(products) == 1 else list(products),
        "parallelism": list(_parallelism(candidate, request.settings, main)),
        "replicas": 1 if main is not None else candidate.replicas,
        "args": arguments,
        "features": {} if main is not None else feature_keys(request.settings),
        "host": result.host,
        "cost": f"{candidate.cost_per_replica:.2f}",
        "reason": _reasons(candidate, request.concurrency, is_variant=main is not None),
    }


def _parallelism(
    candidate: Candidate, asked: EngineSettings, main: Candidate | None
) -> Iterator[tuple[str, int | bool, str]]:
    """(key, value, reason) of every size that is no default, or that a variant has to set back."""
    result = candidate.fit
    settings, other = result.settings, main.fit if main is not None else None
    held = gib(max(rank.weights_bytes for rank in result.ranks))
    yield "tensor", settings.tensor_parallel_size, f"GPUs that share every layer: {held} of weights on each."
    if settings.pipeline_parallel_size > 1 or (other and other.settings.pipeline_parallel_size > 1):
        why = "Groups of layers, because tensor parallelism alone does not fit."
        yield "pipeline", settings.pipeline_parallel_size, _as_asked(asked.pipeline_parallel_size, why)
    if settings.data_parallel_size > 1 or (other and other.settings.data_parallel_size > 1):
        why = "Copies of attention, each with a KV cache of its own."
        yield "data", settings.data_parallel_size, _as_asked(asked.data_parallel_size, why)
    if settings.enable_expert_parallel or (other and other.settings.enable_expert_parallel):
        why = "Whether a GPU holds whole experts, not a slice of each."
        yield "expert", settings.enable_expert_parallel, _as_asked(asked.enable_expert_parallel, why)
    if result.nodes > 1 or (other and other.nodes > 1):
        yield (
            "nodes",
            result.nodes,
            f"Nodes that one replica spans, {result.gpus // result.nodes} GPUs of each.",
        )


def _as_asked(asked: int | None, why: str) -> str:
    return why if asked is None else "As asked for."


def _origin(candidate: Candidate, uri: str) -> str:
    model = candidate.fit.model
    if model.uri != uri:
        return "As asked for."
    if uri.startswith("/"):
        return "The path must be in the image too; --source pvc://claim/path names a volume instead."
    return f"From the {model.origin}." if model.origin.startswith("catalogue") else f"From {model.origin}."


def _assumed(candidate: Candidate) -> str:
    """What a reader of the values must know of a model that rests on its headers or on a size."""
    if candidate.fit.model.source == "safetensors":
        return " Its weights on disk are exact; their split over GPUs and the KV cache are assumed."
    return " The model's shape is assumed from its size." if candidate.fit.model.source == "size" else ""


def _reasons(candidate: Candidate, concurrency: int, *, is_variant: bool) -> dict[str, str]:
    """A sentence for each number."""
    result = candidate.fit
    settings, gpu, price = result.settings, result.gpu, candidate.offer.price
    checkpoint = checkpoint_bytes(result.model.config)
    workers = "1 GPU" if result.gpus == 1 else f"{result.gpus} GPUs"
    here = result.gpus // result.nodes
    of_pod = "1 GPU" if here == 1 else f"{here} GPUs"
    return {
        "product": f"{gib(gpu.memory_bytes)} each as CUDA counts it, {price:.2f} USD per hour.",
        "resource": "Slices beside other sizes (MIG's mixed strategy); nodes with one size only offer nvidia.com/gpu."
        if gpu.profile
        else "What the device plugin offers for this GPU.",
        "replicas": f"To begin with; each holds {requests(candidate.requests_per_replica)} of "
        f"{settings.max_model_len} tokens at once."
        if is_variant
        else f"{requests(concurrency)} of {settings.max_model_len} tokens at once, "
        f"{candidate.requests_per_replica} in each replica.",
        "cpu": f"One busy process for each of {of_pod}, the API server and the engine core.",
        "memory_request": f"Processes, pinned token ids{_pinned(result)} and shared memory "
        "(a proposal: measure your own).",
        "memory_limit": "The same with room to load one shard of the checkpoint per GPU.",
        "shared_memory": "1 GiB for NCCL"
        + ("" if result.gpus == 1 else f", and the message rings of {here} workers")
        + (", and the offloaded KV blocks." if kv_region_bytes(settings) else "."),
        "cache": f"Checkpoint of {gib(checkpoint)} and 10 %, and 5 GiB of compiled kernels.",
        "startup": f"{gib(checkpoint)} at {result.pace.storage_bytes_per_second / 1e6:g} MB/s (--storage-speed) and "
        f"{ENGINE_INIT_SECONDS} s of engine start; at least {LEAST_STARTUP_SECONDS}.",
        "drain": f"An answer of {result.pace.longest_answer_tokens} tokens (--longest-answer) at "
        f"{result.pace.tokens_per_second} per second; keep it above your longest request.",
        "cost": f"USD per replica and hour: {workers} at {price:.2f} "
        + ("(your price)." if price != gpu.usd_per_hour else f"(list price of {price_date()}, assumed)."),
    }


def _pinned(result: FitResult) -> str:
    return ", offloaded weights and adapters" if pinned_bytes(result.model.config, result.settings) else ""


def _arguments(candidate: Candidate, asked: EngineSettings) -> Iterator[tuple[str, Any, str]]:
    """(flag without dashes, value, reason) of every engine argument that is written."""
    result = candidate.fit
    settings, capacity = result.settings, result.capacity
    tokens = f"{capacity.tokens}" if capacity else "no"
    cache = f"the KV cache holds {tokens} tokens in all" if result.bytes_per_block else "there is no KV cache"
    reasons = {
        "max_model_len": f"Longest request in tokens; {cache}.",
        "max_num_seqs": "Requests in one batch" + _batch_reason(result, asked),
        "max_num_batched_tokens": "Tokens in one batch"
        + (", vLLM's default on this GPU." if asked.max_num_batched_tokens is None else ", as asked for."),
        "gpu_memory_utilization": "Share of the GPU's memory for vLLM; the rest is for the CUDA context.",
    }
    chosen = {choice.setting: choice for choice in result.choices}
    reasons.update({name: f"{choice.reason} ({choice.source})." for name, choice in chosen.items()})
    for name in ALWAYS:
        yield name.replace("_", "-"), getattr(settings, name), reasons[name]
    for name, choice in chosen.items():
        if name not in ALWAYS:
            yield name.replace("_", "-"), choice.value, reasons[name]
    said = OWN_KEYS | covered(asked) | set(ALWAYS)
    for field in fields(asked):
        value = getattr(asked, field.name)
        if value is not None and field.name not in said:
            yield field.name.replace("_", "-"), value, "As asked for."
    quantization = result.model.config.quantization
    if quantization is not None and quantization.needs_deprecated_flag:
        yield "allow-deprecated-quantization", True, f"vLLM 0.33 starts {quantization.method} only with it."


def _batch_reason(result: FitResult, asked: EngineSettings) -> str:
    if asked.max_num_seqs is not None:
        return ", as asked for."
    _, default = batch_defaults(result.gpu.memory_bytes, result.gpu.name, result.gpu.compute_capability)
    if result.settings.max_num_seqs < default:
        return f"; vLLM's default of {default} would take the room of the model."
    return ", vLLM's default on this GPU."
