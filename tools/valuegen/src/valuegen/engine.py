"""Engine settings by vLLM's own names, and what vLLM makes of those left unset.

Source: vLLM 0.33.0 engine/arg_utils.py (get_batch_defaults and its caller), config/vllm.py
(max_concurrent_batches, max_in_flight_tokens), config/cache.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from valuegen import limits
from valuegen.frozen import dataclass
from valuegen.kvblocks import DEFAULT_BLOCK_SIZE, block_size
from valuegen.units import GIB

if TYPE_CHECKING:
    from valuegen.config import ModelConfig
    from valuegen.speculation import Speculation

FP8_CACHE_ON_BLACKWELL = ("GlmMoeDsaForCausalLM",)  # model_executor/models/config.py
DEFAULT_GPU_MEMORY_UTILIZATION = 0.92
DEFAULT_LORA_RANK = 16  # config/lora.py

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What the user set. None means vLLM's own default for the GPU and the model."""

    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    decode_context_parallel_size: int | None = None
    enable_expert_parallel: bool | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    kv_cache_dtype: str | None = None
    quantization: str | None = None
    dtype: str | None = None
    block_size: int | None = None
    enable_prefix_caching: bool | None = None
    async_scheduling: bool | None = None
    disable_hybrid_kv_cache_manager: bool | None = None
    enforce_eager: bool | None = None
    enable_lora: bool | None = None
    max_loras: int | None = None
    max_lora_rank: int | None = None
    max_cpu_loras: int | None = None
    lora_dtype: str | None = None
    fully_sharded_loras: bool | None = None
    speculative_config: Speculation | None = None
    cpu_offload_gb: float | None = None
    offload_backend: str | None = None
    offload_group_size: int | None = None
    offload_num_in_group: int | None = None
    offload_prefetch_step: int | None = None
    kv_offloading_size: float | None = None
    kv_offloading_backend: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResolvedSettings:
    """The same names, every default filled in. Lengths in tokens, memory in bytes."""

    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int
    decode_context_parallel_size: int
    enable_expert_parallel: bool
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    kv_cache_memory_bytes: int | None
    kv_cache_dtype: str
    quantization: str | None
    dtype: str
    block_size: int
    enable_prefix_caching: bool
    async_scheduling: bool
    disable_hybrid_kv_cache_manager: bool
    enforce_eager: bool
    enable_lora: bool
    max_loras: int
    max_lora_rank: int
    max_cpu_loras: int
    lora_dtype: str
    fully_sharded_loras: bool
    speculative_config: Speculation | None
    cpu_offload_gb: float  # GiB, of each GPU
    offload_backend: str
    offload_group_size: int
    offload_num_in_group: int
    offload_prefetch_step: int
    kv_offloading_size: float | None  # GiB, of all GPUs of an engine
    kv_offloading_backend: str
    compute_capability: tuple[int, int]  # of the GPU; no setting, but what kernels depend on

    @property
    def offloads(self) -> bool:
        """Whether weights or KV blocks are kept in the host's memory."""
        return (
            self.cpu_offload_gb != 0
            or self.offload_group_size > 0
            or self.offload_backend != "auto"
            or self.kv_offloading_size is not None
            or self.kv_offloading_backend != "native"
        )

    @property
    def drafted_tokens(self) -> int:
        """Tokens that are drafted for each request in a step."""
        return self.speculative_config.tokens if self.speculative_config is not None else 0

    @property
    def max_in_flight_tokens(self) -> int:
        """Tokens scheduled but not settled: one batch per pipeline stage, one more when async."""
        batches = self.pipeline_parallel_size + (1 if self.async_scheduling else 0)
        return batches * self.max_num_batched_tokens


def resolve(
    config: ModelConfig,
    settings: EngineSettings,
    *,
    gpu_memory_bytes: int,
    gpu_name: str,
    compute_capability: tuple[int, int],
) -> ResolvedSettings:
    """Fill in what vLLM's API server would choose for this model on this GPU.

    Nothing is judged here: sizes that vLLM refuses pass through and are refused by `parallel`.
    """
    defaults = batch_defaults(gpu_memory_bytes, gpu_name, compute_capability)
    return _resolved(config, settings, defaults, compute_capability)


@lru_cache(maxsize=1024)
def _resolved(
    config: ModelConfig,
    settings: EngineSettings,
    batch: tuple[int, int],
    compute_capability: tuple[int, int],
) -> ResolvedSettings:
    """The same for every GPU of one compute capability whose batch defaults are alike."""
    max_model_len = config.max_model_len
    if settings.max_model_len not in (None, -1):  # -1 asks vLLM to fit it: the longest is the start
        max_model_len = settings.max_model_len
    batched_tokens, seqs = batch
    max_num_seqs = _or(settings.max_num_seqs, seqs)
    max_num_batched_tokens = settings.max_num_batched_tokens
    if max_num_batched_tokens is None:
        max_num_batched_tokens = min(max_num_seqs * max_model_len, batched_tokens)
        if not config.chunks_prompts:
            max_num_batched_tokens = max(max_num_batched_tokens, max_model_len)
    if settings.max_num_seqs is None:
        max_num_seqs = min(max_num_seqs, max_num_batched_tokens)
    resolved = ResolvedSettings(
        tensor_parallel_size=_or(settings.tensor_parallel_size, 1),
        pipeline_parallel_size=_or(settings.pipeline_parallel_size, 1),
        data_parallel_size=_or(settings.data_parallel_size, 1),
        decode_context_parallel_size=_or(settings.decode_context_parallel_size, 1),
        enable_expert_parallel=_or(settings.enable_expert_parallel, False),
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        gpu_memory_utilization=_or(settings.gpu_memory_utilization, DEFAULT_GPU_MEMORY_UTILIZATION),
        kv_cache_memory_bytes=settings.kv_cache_memory_bytes,
        kv_cache_dtype=_kv_cache_dtype(config, settings.kv_cache_dtype, compute_capability),
        quantization=_quantization(config, settings.quantization),
        dtype=_dtype(config, settings.dtype, compute_capability),
        block_size=_or(settings.block_size, DEFAULT_BLOCK_SIZE),
        # Where all layers are recurrent it is still an experiment (config/model.py).
        enable_prefix_caching=_or(settings.enable_prefix_caching, not config.is_attention_free),
        # It makes pooling slower (config/vllm.py).
        async_scheduling=_or(settings.async_scheduling, not config.is_pooling),
        disable_hybrid_kv_cache_manager=_or(settings.disable_hybrid_kv_cache_manager, False),
        enforce_eager=_or(settings.enforce_eager, False),
        enable_lora=_or(settings.enable_lora, False),
        max_loras=_or(settings.max_loras, 1),
        max_lora_rank=_or(settings.max_lora_rank, DEFAULT_LORA_RANK),
        max_cpu_loras=_or(settings.max_cpu_loras, _or(settings.max_loras, 1)),
        lora_dtype=_or(settings.lora_dtype, "auto"),
        fully_sharded_loras=_or(settings.fully_sharded_loras, False),
        speculative_config=settings.speculative_config,
        cpu_offload_gb=_or(settings.cpu_offload_gb, 0.0),
        offload_backend=_or(settings.offload_backend, "auto"),
        offload_group_size=_or(settings.offload_group_size, 0),
        offload_num_in_group=_or(settings.offload_num_in_group, 1),
        offload_prefetch_step=_or(settings.offload_prefetch_step, 1),
        kv_offloading_size=settings.kv_offloading_size,
        kv_offloading_backend=_or(settings.kv_offloading_backend, "native"),
        compute_capability=compute_capability,
    )
    if resolved.speculative_config is not None:
        from valuegen import speculation  # noqa: PLC0415  (only where something is drafted)

        resolved = replace(resolved, max_model_len=speculation.longest(config, resolved))
    if not limits.can_size_cache(config, resolved):
        return resolved
    tokens = block_size(config.caches, resolved, settings.block_size)
    return replace(resolved, block_size=tokens)


def batch_defaults(
    gpu_memory_bytes: int, gpu_name: str, compute_capability: tuple[int, int]
) -> tuple[int, int]:
    """(max_num_batched_tokens, max_num_seqs) of vLLM's API server on this GPU."""
    if gpu_memory_bytes >= 160 * GIB:
        return 16384, 1024
    # GB10 (12.1) has the memory of a large GPU but not its compute.
    if gpu_memory_bytes >= 70 * GIB and "a100" not in gpu_name.lower() and compute_capability != (12, 1):
        return 8192, 1024
    return 2048, 256


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _quantization(config: ModelConfig, asked: str | None) -> str | None:
    """The checkpoint's own method wins over nothing asked; what was asked stays as it is."""
    if asked is not None:
        return asked
    return config.quantization.method if config.quantization is not None else None


def _kv_cache_dtype(config: ModelConfig, asked: str | None, compute_capability: tuple[int, int]) -> str:
    """Some checkpoints decide it; `auto` is the engine's dtype."""
    chosen = config.quantization.kv_cache_dtype if config.quantization is not None else None
    resolved = asked if asked not in (None, "auto") else _or(chosen, "auto")
    if config.is_sparse and resolved == "fp8" and compute_capability[0] == 9:
        return "fp8_ds_mla"  # FlashMLA's sparse kernels have no other (layers/attention/mla_attention.py)
    if config.architecture in FP8_CACHE_ON_BLACKWELL and resolved == "auto" and compute_capability[0] == 10:
        return "fp8_e4m3"
    return resolved


def _dtype(config: ModelConfig, asked: str | None, compute_capability: tuple[int, int]) -> str:
    """Source: config/model.py (_resolve_auto_dtype); bfloat16 needs compute capability 8.0."""
    if asked not in (None, "auto"):
        return {"half": "float16", "float": "float32"}.get(asked, asked)
    supported = ["float16"] if config.supports_float16 else []
    supported.append("float32")
    if compute_capability >= (8, 0):
        supported.insert(0, "bfloat16")
    preferred = "float16" if config.is_pooling and config.supports_float16 else supported[0]
    wanted = preferred if config.dtype == "float32" else config.dtype
    return wanted if wanted in supported else preferred
