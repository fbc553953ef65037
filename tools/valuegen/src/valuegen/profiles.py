"""Settings for a purpose, each with its reason and where vLLM says so. What the user set always wins.

Source: vLLM 0.33.0, its code (vllm/...) and its documentation (docs/...), as each choice says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from valuegen.engine import batch_defaults, resolve
from valuegen.errors import UsageError
from valuegen.frozen import dataclass
from valuegen.limits import cache_types
from valuegen.overhead import beside_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valuegen.calibration import Calibration
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import EngineSettings, ResolvedSettings

TUNING = "docs/configuration/optimization.md"
FP8_GUIDE = "docs/features/quantization/quantized_kvcache.md"
ARGUMENTS = "vllm/engine/arg_utils.py"
SCHEDULER = "vllm/config/scheduler.py"

FEW_TOKENS = 2048  # DEFAULT_MAX_NUM_BATCHED_TOKENS, and what the guide names for short steps
MANY_TOKENS = 8192  # from here on the guide promises throughput and a quick first token
FEW_REQUESTS = 128  # DEFAULT_MAX_NUM_SEQS
SMALL_GPU_REQUESTS = 256  # vLLM's default on GPUs below 70 GiB
FULL_UTILIZATION = 0.95
FP8_CAPABILITY = (8, 9)  # native FP8 (v1/attention/backends/triton_attn.py)

Preference = Literal["wide", "narrow"]


@dataclass(frozen=True)
class Choice:
    """One engine setting that a profile makes."""

    setting: str  # of EngineSettings
    value: Any
    reason: str
    source: str


@dataclass(frozen=True)
class Ground:
    """What a profile decides by: the model, the GPU, and vLLM's own choice of every setting."""

    config: ModelConfig
    gpu: Gpu
    resolved: ResolvedSettings
    batch: tuple[int, int]  # vLLM's defaults of this GPU: tokens and requests in one batch
    room_beside: int  # bytes that must stay free beside the budget


@dataclass(frozen=True)
class Profile:
    """A purpose: the settings for it, and which of two splits of equal cost it takes."""

    sentence: str
    choices: Callable[[Ground], Iterator[Choice]]
    prefers: Preference  # wide: fewer replicas of more GPUs; narrow: more replicas of fewer
    whole_context: bool = False  # plan for the model's longest request, where no length is asked for


def choose(
    name: str, config: ModelConfig, gpu: Gpu, asked: EngineSettings, calibration: Calibration
) -> tuple[Choice, ...]:
    """What a profile sets of the settings that `asked` leaves unset; UsageError for an unknown profile."""
    resolved = resolve(
        config,
        asked,
        gpu_memory_bytes=gpu.memory_bytes,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
    )
    ground = Ground(
        config,
        gpu,
        resolved,
        batch_defaults(gpu.memory_bytes, gpu.name, gpu.compute_capability),
        beside_budget(config.shape, resolved, gpu, calibration),
    )
    found = [choice for choice in profile(name).choices(ground) if getattr(asked, choice.setting) is None]
    return tuple(_consistent(found, asked))


def profile(name: str) -> Profile:
    """The profile of that name; UsageError lists them."""
    if name not in PROFILES:
        raise UsageError(f"--profile {name}: no such profile", f"use {', '.join(PROFILES)}")
    return PROFILES[name]


def _consistent(choices: list[Choice], asked: EngineSettings) -> Iterator[Choice]:
    """Without a choice that contradicts what was asked: a batch holds a token of each of its requests."""
    for choice in choices:
        tokens, requests = asked.max_num_batched_tokens, asked.max_num_seqs
        if choice.setting == "max_num_seqs" and tokens is not None and choice.value > tokens:
            continue
        if choice.setting == "max_num_batched_tokens" and requests is not None and choice.value < requests:
            continue
        yield choice


def _throughput(ground: Ground) -> Iterator[Choice]:
    """Twice vLLM's own batch, as its --performance-mode throughput has it."""
    tokens, requests = ground.batch
    if ground.config.chunks_prompts:
        why = f"Twice this GPU's {tokens}: larger steps, more tokens per second"
        yield Choice("max_num_batched_tokens", 2 * tokens, why, ARGUMENTS)
    why = f"Twice this GPU's {requests}: more requests share each read of the weights"
    yield Choice("max_num_seqs", 2 * requests, why, ARGUMENTS)
    yield from _prefix_caching(ground)


def _latency(ground: Ground) -> Iterator[Choice]:
    if ground.config.chunks_prompts:
        why = "Few tokens in a step: long prompts hold up answers less"
        yield Choice("max_num_batched_tokens", FEW_TOKENS, why, TUNING)
    yield Choice("max_num_seqs", FEW_REQUESTS, "Few requests in a step: each makes it longer", SCHEDULER)
    yield from _prefix_caching(ground)


def _cost(ground: Ground) -> Iterator[Choice]:
    yield from _full_utilization(ground)
    yield from _fp8_cache(ground)
    if ground.batch[1] > SMALL_GPU_REQUESTS:
        why = f"Not this GPU's {ground.batch[1]}, whose logits would take KV cache"
        yield Choice("max_num_seqs", SMALL_GPU_REQUESTS, why, ARGUMENTS)
    yield from _prefix_caching(ground)


def _long_context(ground: Ground) -> Iterator[Choice]:
    yield from _full_utilization(ground)
    yield from _fp8_cache(ground)
    if ground.config.chunks_prompts and ground.batch[0] < MANY_TOKENS:
        yield Choice("max_num_batched_tokens", MANY_TOKENS, "Long prompts are read in fewer steps", TUNING)
    yield Choice("max_num_seqs", FEW_REQUESTS, "Few requests: long ones leave no room for more", SCHEDULER)
    yield from _prefix_caching(ground)


def _prefix_caching(ground: Ground) -> Iterator[Choice]:
    if ground.resolved.enable_prefix_caching and not ground.config.is_pooling:
        why = "What requests begin with alike is computed once; vLLM's default"
        yield Choice("enable_prefix_caching", True, why, "vllm/config/cache.py")


def _full_utilization(ground: Ground) -> Iterator[Choice]:
    """More for the KV cache, where twice of what stays outside the budget fits into the rest."""
    rest = (1 - FULL_UTILIZATION) * ground.gpu.memory_bytes
    if ground.resolved.gpu_memory_utilization < FULL_UTILIZATION and rest >= 2 * ground.room_beside:
        why = "More KV cache; the rest is twice what CUDA takes"
        yield Choice("gpu_memory_utilization", FULL_UTILIZATION, why, TUNING)


def _fp8_cache(ground: Ground) -> Iterator[Choice]:
    """One byte for each number, where the cache is not small already and the GPU computes in FP8."""
    config = ground.config
    if (
        ground.gpu.compute_capability >= FP8_CAPABILITY
        and ground.resolved.kv_cache_dtype == "auto"
        and ground.resolved.dtype in ("bfloat16", "float16")
        and config.caches
        and not (config.is_pooling or config.is_attention_free)
        and "fp8" in cache_types(config)
    ):
        yield Choice("kv_cache_dtype", "fp8", "Half the bytes; compare your answers", FP8_GUIDE)


PROFILES = {
    "throughput": Profile("the most tokens per second of all requests", _throughput, "narrow"),
    "latency": Profile("short steps, so that each answer flows quickly", _latency, "wide"),
    "cost": Profile("the most requests on the fewest GPUs", _cost, "narrow"),
    "long-context": Profile("requests as long as the model takes", _long_context, "wide", whole_context=True),
}
