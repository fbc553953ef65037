"""Settings left unset become what vLLM's API server would choose."""

from __future__ import annotations

import pytest
from tests.valuegen.models import GIB, model, on_h100

from valuegen.engine import EngineSettings, batch_defaults, resolve

LLAMA = "meta-llama/Meta-Llama-3.1-8B"


@pytest.mark.parametrize(
    ("gib", "name", "capability", "tokens", "seqs"),
    [
        (178.4, "NVIDIA B200", (10, 0), 16384, 1024),
        (79.19, "NVIDIA H100 80GB HBM3", (9, 0), 8192, 1024),
        (79.25, "NVIDIA A100-SXM4-80GB", (8, 0), 2048, 256),
        (119.7, "NVIDIA GB10", (12, 1), 2048, 256),
        (44.4, "NVIDIA L40S", (8, 9), 2048, 256),
        (14.6, "Tesla T4", (7, 5), 2048, 256),
        # The borders of engine/arg_utils.py (get_batch_defaults), for UsageContext.OPENAI_API_SERVER.
        (160, "any", (9, 0), 16384, 1024),
        (160, "NVIDIA A100", (8, 0), 16384, 1024),  # memory is asked for before the name
        (159.99, "any", (9, 0), 8192, 1024),
        (70, "any", (9, 0), 8192, 1024),
        (69.99, "any", (9, 0), 2048, 256),
        (70, "GRID A100X", (8, 0), 2048, 256),  # whatever has a100 in its name
    ],
)
def test_batch_defaults_depend_on_the_gpu(
    gib: float, name: str, capability: tuple[int, int], tokens: int, seqs: int
) -> None:
    assert batch_defaults(int(gib * GIB), name, capability) == (tokens, seqs)


def test_every_default_is_filled_in() -> None:
    settings = on_h100(model(LLAMA))
    assert settings.max_model_len == 131072
    assert settings.gpu_memory_utilization == 0.92
    assert (settings.dtype, settings.kv_cache_dtype, settings.quantization) == ("bfloat16", "auto", None)
    assert settings.block_size == 16
    assert settings.enable_prefix_caching
    assert settings.async_scheduling
    assert settings.kv_cache_memory_bytes is None


@pytest.mark.parametrize(
    ("asked", "tokens", "seqs"),
    [
        ({"max_model_len": 4, "max_num_seqs": 2}, 8, 2),  # never more tokens than all sequences can hold
        ({"max_model_len": 4}, 4096, 1024),
        ({"max_num_batched_tokens": 512}, 512, 512),  # never more sequences than tokens of a step
        ({"max_num_batched_tokens": 512, "max_num_seqs": 1024}, 512, 1024),  # what is asked is kept
    ],
)
def test_batch_sizes_limit_each_other_as_in_vllm(asked: dict[str, int], tokens: int, seqs: int) -> None:
    settings = on_h100(model(LLAMA), **asked)
    assert (settings.max_num_batched_tokens, settings.max_num_seqs) == (tokens, seqs)


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({}, 16384),
        ({"async_scheduling": False}, 8192),
        ({"pipeline_parallel_size": 2}, 24576),
        ({"pipeline_parallel_size": 2, "async_scheduling": False}, 16384),
    ],
)
def test_tokens_in_flight_grow_with_stages_and_async_scheduling(asked: dict[str, int], tokens: int) -> None:
    assert on_h100(model(LLAMA), **asked).max_in_flight_tokens == tokens


@pytest.mark.parametrize(
    ("name", "capability", "asked", "dtype"),
    [
        (LLAMA, (9, 0), None, "bfloat16"),
        (LLAMA, (7, 5), None, "float16"),
        (LLAMA, (7, 5), "bfloat16", "bfloat16"),  # what is asked is kept
        (LLAMA, (9, 0), "half", "float16"),
        ("google/gemma-2-2b", (7, 5), None, "float32"),  # unstable in float16
        ("meta-llama/Llama-2-7b-hf", (9, 0), None, "float16"),
    ],
)
def test_the_dtype_is_one_that_gpu_and_model_support(
    name: str, capability: tuple[int, int], asked: str | None, dtype: str
) -> None:
    settings = resolve(
        model(name),
        EngineSettings(dtype=asked),
        gpu_memory_bytes=16 * GIB,
        gpu_name="any",
        compute_capability=capability,
    )
    assert settings.dtype == dtype


def test_a_checkpoint_without_a_dtype_runs_in_the_gpus_preferred_one() -> None:
    config = model(LLAMA, torch_dtype=None)
    assert config.dtype == "float32"
    assert on_h100(config).dtype == "bfloat16"


def test_minus_one_starts_from_the_longest_context() -> None:
    assert on_h100(model(LLAMA), max_model_len=-1).max_model_len == 131072


def test_a_checkpoint_can_choose_quantization_and_cache_dtype() -> None:
    config = model("synthetic/Llama-3.1-8B-FP8-dynamic-KV-FP8")
    settings = on_h100(config)
    assert (settings.quantization, settings.kv_cache_dtype) == ("compressed-tensors", "fp8")
    assert on_h100(config, kv_cache_dtype="bfloat16").kv_cache_dtype == "bfloat16"
