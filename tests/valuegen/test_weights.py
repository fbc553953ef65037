"""Weights by facts from elsewhere (model cards) and by laws; the golden test has vLLM's own figures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import GIB, model, on_h100

from valuegen import parallel, weights
from valuegen.config import ModelConfig


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # as the models' safetensors headers count them
        ("meta-llama/Meta-Llama-3.1-8B", 8_030_261_248),
        ("mistralai/Mistral-7B-v0.1", 7_241_732_096),
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("google/gemma-2-2b", 2_614_341_888),
        ("google/gemma-3-4b-it", 4_300_079_472),
        ("microsoft/phi-4", 14_659_507_200),
        ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 24_011_361_280),
    ],
)
def test_parameter_count_equals_the_published_one(name: str, parameters: int) -> None:
    assert weights.parameter_count(model(name)) == parameters


def test_checkpoint_bytes_equal_the_index_of_the_checkpoint() -> None:
    assert weights.checkpoint_bytes(model("meta-llama/Meta-Llama-3.1-8B")) == 16_060_522_496


def test_a_rank_is_the_sum_of_its_named_tensors() -> None:
    config = model("google/gemma-3-4b-it")
    settings = on_h100(config, tensor_parallel_size=2)
    tensors = weights.rank_tensors(config, settings, 0)
    assert sum(tensor.bytes for tensor in tensors) == weights.rank_weights_bytes(config, settings, 0)
    by_name = {tensor.name: tensor for tensor in tensors}
    qkv = by_name["language_model.model.layers.*.self_attn.qkv_proj.weight"]
    assert (qkv.shape, qkv.count, qkv.bytes) == ((2048, 2560), 34, 356_515_840)
    tables = [tensor for tensor in tensors if tensor.name.endswith("cos_sin_cache")]
    assert [table.shape[0] for table in tables] == [131072, 8 * 131072]  # local layers, global layers
    assert all(table.is_buffer for table in tables)


def test_runtime_fp8_creates_whole_weights_and_keeps_a_byte_of_each() -> None:
    config = model("meta-llama/Meta-Llama-3.1-8B")
    plain, fp8 = on_h100(config), on_h100(config, quantization="fp8")
    assert weights.rank_weights_bytes(config, fp8, 0) == weights.rank_weights_bytes(config, plain, 0)
    kept = weights.loaded_weights_bytes(config, fp8, 0)
    assert round(kept / GIB, 2) == 8.49  # measured on a GPU
    assert weights.loaded_weights_bytes(config, plain, 0) == weights.rank_weights_bytes(config, plain, 0)


@pytest.mark.parametrize(
    ("name", "copied"),
    [
        ("deepseek-ai/DeepSeek-V3", 61 * 8 * (128 + 128) * 512 * 2),  # FP8: heads of one of 16 GPUs
        ("moonshotai/Kimi-K2.5", 0),  # kv_b_proj is not quantized: decoding views it
    ],
)
def test_latent_attention_keeps_a_plain_copy_of_a_quantized_projection(name: str, copied: int) -> None:
    config = model(name)
    settings = on_h100(config, tensor_parallel_size=16)
    created = weights.rank_weights_bytes(config, settings, 0)
    assert weights.loaded_weights_bytes(config, settings, 0) - created == copied


def test_views_of_weights_take_no_memory() -> None:
    config = model("mistralai/Mamba-Codestral-7B-v0.1")
    settings = on_h100(config)
    views = 64 * 10240 * 4 * 2  # vLLM lists the convolutions twice
    assert weights.rank_weights_bytes(config, settings, 0) - views == weights.loaded_weights_bytes(
        config, settings, 0
    )


def test_a_tied_embedding_is_on_the_first_and_the_last_stage() -> None:
    config = model("meta-llama/Llama-3.2-3B")
    settings = on_h100(config, pipeline_parallel_size=3)
    held = [[tensor.name for tensor in weights.rank_tensors(config, settings, stage)] for stage in range(3)]
    assert ["model.embed_tokens.weight" in names for names in held] == [True, False, True]
    assert ["model.norm.weight" in names for names in held] == [False, False, True]


def test_layers_named_in_the_ignore_list_stay_at_16_bit() -> None:
    config = model("meta-llama/Llama-3.1-405B-Instruct-FP8")
    tensors = weights.rank_tensors(config, on_h100(config, tensor_parallel_size=8), 0)
    down = {t.dtype: t.count for t in tensors if t.name == "model.layers.*.mlp.down_proj.weight"}
    assert down == {"float8_e4m3fn": 124, "bfloat16": 2}


METHODS: list[dict[str, Any] | None] = [
    None,
    {"quant_method": "fp8", "weight_block_size": [128, 128]},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": False},
    {"quant_method": "awq", "bits": 4, "group_size": 64},
]


@st.composite
def llamas(draw: st.DrawFn) -> ModelConfig:
    """A Llama of any shape."""
    kv_heads = draw(st.sampled_from([1, 2, 3, 4, 8, 10, 16]))
    head_dim = draw(st.sampled_from([64, 96, 128, 256]))
    heads = kv_heads * draw(st.sampled_from([1, 2, 3, 4, 7, 8]))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": heads * head_dim,
        "head_dim": head_dim,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "num_hidden_layers": draw(st.integers(1, 100)),
        "intermediate_size": 64 * draw(st.integers(1, 400)),
        "vocab_size": draw(st.integers(100, 300_000)),
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "quantization_config": draw(st.sampled_from(METHODS)),
    }
    return ModelConfig.from_dict(config, name="any")


@given(llamas(), st.integers(1, 3))
def test_more_tensor_parallelism_never_makes_a_rank_heavier(config: ModelConfig, stages: int) -> None:
    stages = min(stages, config.num_hidden_layers)
    sizes = [size for size in range(1, 33) if not parallel.tensor_parallel_problems(config, size)]
    for stage in range(stages):
        engines = [
            on_h100(config, tensor_parallel_size=size, pipeline_parallel_size=stages) for size in sizes
        ]
        held = [weights.rank_weights_bytes(config, engine, stage) for engine in engines]
        assert held == sorted(held, reverse=True)


@given(llamas(), st.integers(1, 6))
def test_pipeline_stages_share_out_the_layers(config: ModelConfig, stages: int) -> None:
    stages = min(stages, config.num_hidden_layers)
    settings = on_h100(config, pipeline_parallel_size=stages)
    counts = [
        tensor.count
        for stage in range(stages)
        for tensor in weights.rank_tensors(config, settings, stage)
        if tensor.name == "model.layers.*.input_layernorm.weight"
    ]
    assert sum(counts) == config.num_hidden_layers


@pytest.mark.parametrize(("tensor", "gib"), [(1, 64.38), (2, 32.98)])  # what servers logged on Hopper
def test_mxfp4_experts_grow_when_a_kernel_takes_them(tensor: int, gib: float) -> None:
    config = model("openai/gpt-oss-120b")
    settings = on_h100(config, tensor_parallel_size=tensor)
    assert weights.loaded_weights_bytes(config, settings, 0) / GIB == pytest.approx(gib, rel=0.01)
    assert weights.rank_weights_bytes(config, settings, 0) / GIB < 0.96 * gib
