"""Tokens per block: what the GPU's kernels read, and what makes room for recurrent states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import model

from valuegen import kvspecs, parallel
from valuegen.architectures.base import StateKv
from valuegen.engine import EngineSettings, ResolvedSettings, resolve

if TYPE_CHECKING:
    from valuegen.config import ModelConfig

A100, L40S, H100, B200, RTX_PRO = (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)
HYBRIDS = [
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
    "ibm-granite/granite-4.0-h-small",
    "moonshotai/Kimi-K3",
]
CONFIGS = {name: model(name) for name in HYBRIDS}


def resolved(config: ModelConfig, capability: tuple[int, int], **settings: Any) -> ResolvedSettings:
    return resolve(
        config,
        EngineSettings(**settings),
        gpu_memory_bytes=80 * 1024**3,
        gpu_name="",
        compute_capability=capability,
    )


@pytest.mark.parametrize(
    ("name", "capability", "dtype", "tokens"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", H100, "fp8", 16),
        ("deepseek-ai/DeepSeek-V3", A100, "auto", 16),  # Triton
        ("deepseek-ai/DeepSeek-V3", H100, "auto", 16),  # FlashAttention
        ("deepseek-ai/DeepSeek-V3", H100, "fp8", 64),  # FlashMLA
        ("deepseek-ai/DeepSeek-V3", B200, "auto", 32),  # FlashInfer
        ("deepseek-ai/DeepSeek-V3", RTX_PRO, "fp8", 16),  # Triton
        ("zai-org/GLM-5", H100, "auto", 64),
        ("zai-org/GLM-5", B200, "fp8", 64),
        ("nvidia/MiniMax-M3-NVFP4", H100, "auto", 128),
        ("deepseek-ai/DeepSeek-V4-Flash", B200, "auto", 256),
    ],
)
def test_a_block_suits_the_kernels_of_the_gpu(
    name: str, capability: tuple[int, int], dtype: str, tokens: int
) -> None:
    assert resolved(model(name), capability, kv_cache_dtype=dtype).block_size == tokens


@pytest.mark.parametrize(
    ("name", "capability", "settings", "tokens"),
    [
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", H100, {}, 576),
        # Without FlashInfer's prefill, states need not fall on multiples of 64 tokens.
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", L40S, {}, 544),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", H100, {"enable_prefix_caching": False}, 544),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", H100, {"block_size": 1024}, 1024),
        ("moonshotai/Kimi-K3", H100, {}, 5760),
    ],
)
def test_a_hybrids_block_has_room_for_a_state(
    name: str, capability: tuple[int, int], settings: dict[str, Any], tokens: int
) -> None:
    assert resolved(CONFIGS[name], capability, **settings).block_size == tokens


engines = st.fixed_dictionaries(
    {
        "tensor_parallel_size": st.sampled_from([1, 2, 4, 8]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
        "enable_prefix_caching": st.booleans(),
    }
)


@given(st.sampled_from(HYBRIDS), st.sampled_from([A100, H100, B200]), engines)
def test_pages_of_a_hybrid_are_equal_and_hold_its_states(
    name: str, capability: tuple[int, int], engine: dict[str, Any]
) -> None:
    config = CONFIGS[name]
    settings = resolved(config, capability, **engine)
    specs = kvspecs.specs(config.caches, settings)
    states = [cache for cache in config.caches if isinstance(cache, StateKv)]
    (page,) = {spec.page_bytes for spec in specs}
    assert page >= max(kvspecs.state_bytes(state, settings) for state in states)


@given(st.sampled_from(HYBRIDS), st.sampled_from([1, 2, 4]))
def test_more_gpus_never_raise_a_states_bytes(name: str, tp: int) -> None:
    config = CONFIGS[name]
    few, many = (resolved(config, H100, tensor_parallel_size=size) for size in (tp, 2 * tp))
    for cache in config.caches:
        if isinstance(cache, StateKv):
            assert kvspecs.state_bytes(cache, many) <= kvspecs.state_bytes(cache, few)


def test_states_are_saved_for_prefix_caching_only_where_there_is_attention() -> None:
    mamba, hybrid = model("mistralai/Mamba-Codestral-7B-v0.1"), CONFIGS[HYBRIDS[0]]
    assert not resolved(mamba, H100).enable_prefix_caching
    assert resolved(hybrid, H100).enable_prefix_caching
    kept = {
        enabled: {
            spec.state_blocks
            for spec in kvspecs.specs(hybrid.caches, resolved(hybrid, H100, enable_prefix_caching=enabled))
            if spec.type == "mamba"
        }
        for enabled in (True, False)
    }
    assert kept == {True: {3}, False: {1}}


@pytest.mark.parametrize(
    ("name", "dtype", "fix"),
    [
        (
            "deepseek-ai/DeepSeek-V3",
            "fp8_ds_mla",
            "use --kv-cache-dtype auto, bfloat16, float16, fp8 or fp8_e4m3",
        ),
        ("deepseek-ai/DeepSeek-V3", "int8_per_token_head", "use --kv-cache-dtype auto"),
        (
            "deepseek-ai/DeepSeek-V4-Flash",
            "bfloat16",
            "use --kv-cache-dtype auto, fp8, fp8_e4m3 or fp8_ds_mla",
        ),
        ("meta-llama/Meta-Llama-3.1-8B", "fp8_ds_mla", "fp8_per_token_head"),
    ],
)
def test_a_cache_type_that_the_kernels_do_not_know_is_refused(name: str, dtype: str, fix: str) -> None:
    config = model(name)
    (reason,) = parallel.refusals(config, resolved(config, H100, kv_cache_dtype=dtype))
    assert reason.code == "kv-cache-dtype"
    assert fix in reason.fix


@pytest.mark.parametrize(
    ("dtype", "bytes_per_token"),
    [  # 8 heads of 128 keys and 128 values; per-token scales are two float32 per head
        ("auto", 8 * 256 * 2),
        ("fp8", 8 * 256),
        ("int8_per_token_head", 8 * (256 + 8)),
        ("fp8_per_token_head", 8 * (256 + 8)),
        ("int4_per_token_head", 8 * (128 + 8)),
    ],
)
def test_the_cache_type_decides_the_bytes_of_a_token(dtype: str, bytes_per_token: int) -> None:
    config = model("meta-llama/Meta-Llama-3.1-8B")
    settings = resolved(config, H100, kv_cache_dtype=dtype)
    assert {spec.cell_bytes for spec in kvspecs.specs(config.caches, settings)} == {bytes_per_token}


def test_sparse_attention_on_hopper_keeps_its_own_fp8_format() -> None:
    config = model("zai-org/GLM-5")
    latent = {
        dtype: max(
            spec.cell_bytes
            for spec in kvspecs.specs(config.caches, resolved(config, H100, kv_cache_dtype=dtype))
        )
        for dtype in ("auto", "fp8", "fp8_e4m3")
    }
    assert latent == {"auto": 1152, "fp8": 656, "fp8_e4m3": 576}


@pytest.mark.parametrize("name", ["zai-org/GLM-5", "deepseek-ai/DeepSeek-V4-Flash"])
def test_sparse_attention_is_refused_on_gpus_without_kernels_for_it(name: str) -> None:
    config = model(name)
    for capability, refused in ((A100, True), (L40S, True), (H100, False), (B200, False)):
        reasons = parallel.refusals(config, resolved(config, capability), compute_capability=capability)
        assert ("gpu-attention" in {reason.code for reason in reasons}) == refused


@pytest.mark.parametrize(
    ("name", "asked", "multiple"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", 24, 16),
        ("zai-org/GLM-5", 32, 64),
        ("nvidia/MiniMax-M3-NVFP4", 192, 128),
        ("deepseek-ai/DeepSeek-V4-Flash", 128, 256),
    ],
)
def test_a_block_that_kernels_cannot_read_is_refused(name: str, asked: int, multiple: int) -> None:
    config = model(name)
    (reason,) = parallel.refusals(config, resolved(config, H100, block_size=asked))
    assert reason.message == f"--block-size {asked} is no multiple of {multiple}"
    assert reason.fix == f"use --block-size {max(multiple, asked // multiple * multiple)}"


def test_glm_5_takes_an_fp8_cache_on_blackwell() -> None:
    config = model("zai-org/GLM-5")
    assert [resolved(config, gpu).kv_cache_dtype for gpu in (H100, B200)] == ["auto", "fp8_e4m3"]
