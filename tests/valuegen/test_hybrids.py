"""Hybrid families without figures of vLLM's own: their sizes are those that their authors publish."""

from __future__ import annotations

from typing import Any

import pytest
from tests.valuegen.models import on_h100

from valuegen import kvcache, weights
from valuegen.config import ModelConfig

LFM2 = {
    "architectures": ["Lfm2ForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "block_ff_dim": 12288,
    "block_multiple_of": 256,
    "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": True,
    "conv_L_cache": 3,
    "full_attn_idxs": [2, 5, 8, 10, 12, 14],
    "vocab_size": 65536,
    "max_position_embeddings": 128000,
    "torch_dtype": "bfloat16",
}
FALCON_H1 = {
    "architectures": ["FalconH1ForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 36,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "mamba_d_ssm": 1536,
    "mamba_n_heads": 24,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "vocab_size": 32784,
    "max_position_embeddings": 16384,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

FALCON_MAMBA = {
    "architectures": ["FalconMambaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 8192,
    "num_hidden_layers": 64,
    "state_size": 16,
    "conv_kernel": 4,
    "time_step_rank": 256,
    "vocab_size": 65024,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

KIMI_LINEAR = {
    "architectures": ["KimiLinearForCausalLM"],
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 27,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "mla_use_nope": True,
    "moe_intermediate_size": 1024,
    "num_experts": 256,
    "num_shared_experts": 1,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "linear_attn_config": {
        "num_heads": 32,
        "head_dim": 128,
        "short_conv_kernel_size": 4,
        "kda_layers": [layer for layer in range(1, 27) if layer % 4],
        "full_attn_layers": [4, 8, 12, 16, 20, 24, 27],
    },
    "vocab_size": 163840,
    "model_max_length": 1048576,
    "torch_dtype": "bfloat16",
}


def read(document: dict[str, Any]) -> ModelConfig:
    return ModelConfig.from_dict(document, name="a hybrid")


@pytest.mark.parametrize(
    ("document", "millions"), [(LFM2, 1170.3), (FALCON_H1, 521.4), (FALCON_MAMBA, 7272.7)]
)
def test_parameters_are_those_of_the_model_card(document: dict[str, Any], millions: float) -> None:
    assert round(weights.parameter_count(read(document)) / 1e6, 1) == millions


def test_layers_of_two_kinds_keep_two_caches() -> None:
    config = read(FALCON_H1)
    layout = kvcache.layout(config, on_h100(config, max_model_len=8192))
    assert [(group.type, group.layers) for group in layout.groups] == [("full", 36), ("mamba", 36)]


def test_a_convolution_keeps_a_block_of_its_last_tokens() -> None:
    config = read(LFM2)
    settings = on_h100(config, max_model_len=8192)
    layout = kvcache.layout(config, settings)
    assert settings.block_size == 16  # a state is smaller than a block of 16 tokens of attention
    # Five of ten convolutions fill a block as the six attention layers do; two blocks of state each.
    assert [(group.type, group.layers, group.blocks_per_request) for group in layout.groups] == [
        ("mamba", 5, 2),
        ("mamba", 5, 2),
        ("full", 6, 512),
    ]


def test_latent_attention_beside_states_has_blocks_of_128_tokens() -> None:
    config = read(KIMI_LINEAR)
    settings = on_h100(config, tensor_parallel_size=8)
    assert settings.max_model_len == 1048576
    assert settings.block_size % 128 == 0
    layout = kvcache.layout(config, settings)
    assert {(group.type, group.layers) for group in layout.groups} == {("mla", 7), ("mamba", 7), ("mamba", 6)}
