"""Limits of single settings: lengths, types, quantization, what a GPU can do.

Source: vLLM 0.33.0 config/model.py (_get_and_verify_max_len, _verify_quantization), config/scheduler.py
(verify_max_model_len), config/cache.py, config/vllm.py (_get_quantization_config), platforms/cuda.py
(check_if_supports_dtype), and each quantization method's get_min_capability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen import kvblocks, kvgroups, kvspecs
from valuegen.errors import Reason
from valuegen.quantization import ONLINE_FP8
from valuegen.schemes import DTYPE_BYTES, KV_CACHE_DTYPE_BYTES, SPARSE_MLA_FORMATS, TOKEN_HEAD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

BFLOAT16_CAPABILITY = (8, 0)
SPARSE_MLA_CAPABILITY = (9, 0)  # no back end of platforms/cuda.py (_get_backend_priorities) is for older ones
METHOD_CAPABILITY = {
    "awq": (7, 5),
    "compressed-tensors": (7, 5),  # of the schemes read here
    "deepseek_v4_fp8": (7, 5),
    "fbgemm_fp8": (8, 0),
    "fp8": (7, 5),
    "gptq": (7, 5),  # Marlin's, the kernel that runs it
    "modelopt": (8, 0),
    "modelopt_fp4": (7, 5),
    "modelopt_mixed": (7, 5),
    "modelopt_mxfp8": (8, 0),
    "mxfp4": (8, 0),
}
# Of the kernels for latent attention (v1/attention/backends/mla).
MLA_CACHE_TYPES = ("auto", "bfloat16", "float16", "fp8", "fp8_e4m3")
COMPRESSED_CACHE_TYPES = ("auto", "fp8", "fp8_e4m3", "fp8_ds_mla")  # models/deepseek_v4/attention.py
FLOAT32_METHODS = ("compressed-tensors",)
BFLOAT16_METHODS = ("modelopt_mxfp8", "mxfp4")


def not_positive(settings: ResolvedSettings) -> Iterator[Reason]:
    """Sizes below 1, with which nothing else can be judged."""
    for name in (
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "decode_context_parallel_size",
        "max_model_len",
        "max_num_seqs",
        "max_num_batched_tokens",
        "block_size",
        "kv_cache_memory_bytes",
    ):
        value = getattr(settings, name)
        if value is not None and value < 1:
            flag = _flag(name)
            yield Reason(
                "not-positive", f"{flag} is {value}; it must be at least 1", f"set {flag} to 1 or more"
            )
    if not 0 < settings.gpu_memory_utilization <= 1:
        yield Reason(
            "gpu-memory-utilization",
            f"--gpu-memory-utilization is {settings.gpu_memory_utilization}; it must be in (0, 1]",
            "set --gpu-memory-utilization to 0.92, vLLM's default",
        )


def can_size_cache(config: ModelConfig, settings: ResolvedSettings) -> bool:
    """Whether sizes and types are such that the KV cache can be counted at all."""
    known = settings.kv_cache_dtype in cache_types(config)
    return known and settings.dtype in DTYPE_BYTES and not list(not_positive(settings))


def cache_types(config: ModelConfig) -> list[str]:
    """What --kv-cache-dtype may be for this model."""
    if config.is_compressed:
        return list(COMPRESSED_CACHE_TYPES)
    if config.is_sparse:
        return [*MLA_CACHE_TYPES, *SPARSE_MLA_FORMATS]
    if config.is_latent:
        return list(MLA_CACHE_TYPES)
    return [*KV_CACHE_DTYPE_BYTES, *TOKEN_HEAD_TYPES]


def refusals(config: ModelConfig, settings: ResolvedSettings) -> list[Reason]:
    """Every limit that holds on any GPU."""
    return [
        *_length(config, settings),
        *_types(config, settings),
        *_quantization(config, settings),
        *_cache(config, settings),
    ]


def gpu_refusals(
    config: ModelConfig, settings: ResolvedSettings, compute_capability: tuple[int, int]
) -> Iterator[Reason]:
    """What a GPU of this compute capability cannot do."""
    shown = ".".join(str(number) for number in compute_capability)
    if settings.dtype == "bfloat16" and compute_capability < BFLOAT16_CAPABILITY:
        other = "float16" if config.supports_float16 else "float32"
        yield Reason(
            "gpu-dtype",
            f"--dtype bfloat16 needs compute capability 8.0; the GPU has {shown}",
            f"use --dtype {other}",
        )
    if (config.is_sparse or config.is_compressed) and compute_capability < SPARSE_MLA_CAPABILITY:
        yield Reason(
            "gpu-attention",
            f"sparse attention over a latent cache needs compute capability 9.0; the GPU has {shown}",
            "use a newer GPU, H100 for example",
        )
    if config.quantization is None:
        return
    method = config.quantization.method
    needed = METHOD_CAPABILITY[method]
    if compute_capability < needed:
        yield Reason(
            "gpu-quantization",
            f"{method} needs compute capability {needed[0]}.{needed[1]}; the GPU has {shown}",
            "use a newer GPU or another checkpoint",
        )


def _length(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    if settings.max_model_len > config.max_model_len_limit:
        yield Reason(
            "max-model-len",
            f"--max-model-len {settings.max_model_len} exceeds the model's {config.max_model_len_limit}",
            f"use --max-model-len {config.max_model_len_limit} or less",
        )
    if settings.max_num_batched_tokens < settings.max_model_len and not config.chunks_prompts:
        yield Reason(
            "max-num-batched-tokens",
            f"--max-num-batched-tokens {settings.max_num_batched_tokens} is less than --max-model-len "
            f"{settings.max_model_len}; {config.architecture} takes a request in one step",
            f"use --max-num-batched-tokens {settings.max_model_len} or more, or a smaller --max-model-len",
        )
    if settings.max_num_batched_tokens < settings.max_num_seqs:
        yield Reason(
            "max-num-batched-tokens",
            f"--max-num-batched-tokens {settings.max_num_batched_tokens} is less than "
            f"--max-num-seqs {settings.max_num_seqs}",
            f"use --max-num-batched-tokens {settings.max_num_seqs} or more",
        )


def _types(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    if settings.dtype not in ("bfloat16", "float16", "float32"):
        yield Reason(
            "dtype", f"--dtype {settings.dtype} is unknown", "use --dtype auto, bfloat16, float16 or float32"
        )
    if settings.dtype == "float16" and not config.supports_float16:
        yield Reason(
            "dtype",
            f"--dtype float16 is numerically unstable with {config.architecture}",
            "use --dtype bfloat16 or float32",
        )
    own = config.quantization
    if settings.dtype == "float32" and own is not None and own.method not in FLOAT32_METHODS:
        yield Reason(
            "dtype",
            f"--dtype float32 does not work with {own.method} weights",
            "use --dtype bfloat16 or float16, or another checkpoint",
        )
    if settings.dtype == "float16" and own is not None and own.method in BFLOAT16_METHODS:
        yield Reason(
            "dtype",
            f"--dtype float16 does not work with {own.method} weights",
            "use --dtype bfloat16, or another checkpoint",
        )
    known = cache_types(config)
    if settings.kv_cache_dtype not in known:
        yield Reason(
            "kv-cache-dtype",
            f"--kv-cache-dtype {settings.kv_cache_dtype} is not supported here",
            f"use --kv-cache-dtype {any_of(known)}",
        )


def _quantization(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    own, asked = config.quantization, settings.quantization
    if own is not None and own.refusal is not None:
        yield own.refusal
    if own is not None and asked is not None and not own.accepts(asked):
        yield Reason(
            "quantization-mismatch",
            f"--quantization {asked} does not match the checkpoint, which is {own.method}",
            "leave --quantization out, or use the checkpoint that is not quantized",
        )
    if own is None and asked is not None and asked not in ONLINE_FP8:
        yield Reason(
            "quantization",
            f"--quantization {asked} does not quantize a {config.dtype} checkpoint here",
            "use --quantization fp8, or a checkpoint that is quantized",
        )


def _cache(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    if not can_size_cache(config, settings):
        return
    multiple = kvblocks.kernel_multiple(config.caches)
    if settings.block_size % multiple:
        yield Reason(
            "block-size",
            f"--block-size {settings.block_size} is no multiple of {multiple}",
            f"use --block-size {max(multiple, settings.block_size // multiple * multiple)}",
        )
    try:
        kvgroups.group(
            kvspecs.model_specs(config, settings), disable_hybrid=settings.disable_hybrid_kv_cache_manager
        )
    except kvgroups.UngroupableError as problem:
        off = settings.disable_hybrid_kv_cache_manager
        yield Reason(
            "kv-cache-groups",
            f"{'--disable-hybrid-kv-cache-manager does not work with this model' if off else 'KV cache'}: "
            f"{problem}",
            "leave --disable-hybrid-kv-cache-manager out"
            if off
            else "use another --block-size or --tensor-parallel-size",
        )


def is_online_fp8(config: ModelConfig, settings: ResolvedSettings) -> bool:
    """Whether vLLM itself quantizes the weights while it loads them."""
    return config.quantization is None and settings.quantization in ONLINE_FP8


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def any_of(values: list[str]) -> str:
    """`a, b or c`."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
