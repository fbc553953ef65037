"""Qwen1.5-MoE and Qwen2-MoE (shared experts with a gate) and Qwen3-MoE.

Source: vLLM 0.33.0 model_executor/models/{qwen2_moe,qwen3_moe}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


QWEN2 = {"num_key_value_heads": 16, "vocab_size": 151936}
QWEN3 = {"num_key_value_heads": 4, "vocab_size": 151936}


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a Qwen2-MoE or Qwen3-MoE model."""
    return language_model(keys, architecture)


def language_model(
    keys: Keys, architecture: str, *, prefix: str = "", extra: tuple[Module, ...] = ()
) -> Architecture:
    """The decoder, alone or behind a vision tower (`extra`)."""
    qwen3 = architecture == "Qwen3MoeForCausalLM"
    s = dense.sizes(keys, **QWEN3) if qwen3 else dense.sizes(keys.without("head_dim"), **QWEN2)
    max_position = keys.positive("max_position_embeddings", 32768)
    rotary = rope.read(keys, max_position)
    options = dense.Options(
        qkv_bias=keys.flag("attention_bias", default=False) if qwen3 else True,
        qk_norm=qwen3,
        every_stage=True,
        prefix=prefix,
    )
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, prefix=prefix),),
        kv_layers=dense.full_attention(s),
        options=options,
        feed_forward=moe.mixed(s, block(keys, qwen3=qwen3), moe.by_step(keys, s.layers), options=options),
        extra=extra,
    )


def block(keys: Keys, *, qwen3: bool) -> moe.Block:
    """The experts of either generation; defaults of the config classes in transformers."""
    shared = keys.count("shared_expert_intermediate_size", 0 if qwen3 else 5632)
    return moe.Block(
        experts=keys.positive("num_experts", 128 if qwen3 else 60),
        width=keys.positive("moe_intermediate_size", 768 if qwen3 else 1408),
        router_quantizable=qwen3,
        one_per_gpu=True,
        shared_width=shared,
        shared="shared_expert",
        shared_gate="shared_expert_gate" if shared or not qwen3 else None,
    )
