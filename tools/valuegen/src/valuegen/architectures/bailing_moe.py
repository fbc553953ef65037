"""Ling and Ring (BailingMoE, first and second generation): experts beside shared ones.

Source: vLLM 0.33.0 model_executor/models/bailing_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of either generation."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings")
    share = keys.number("partial_rotary_factor", 1.0)
    if keys.has("rotary_dim"):
        share = keys.positive("rotary_dim") / s.head_dim
    rotary = rope.read(keys.without("partial_rotary_factor"), max_position, share=share)
    bias = keys.flag("use_bias", default=False)
    options = dense.Options(mlp_bias=bias, embedding="word_embeddings")
    width = keys.positive("moe_intermediate_size")
    block = moe.Block(
        experts=keys.positive("num_experts"),
        width=width,
        router_dtype=_router_dtype(keys),
        routing_bias="gate.expert_bias"
        if keys.flag("moe_router_enable_expert_bias", default=False)
        else None,
        shared_width=keys.positive("moe_shared_expert_intermediate_size", width)
        * keys.count("num_shared_experts", 0),
    )
    first = keys.count("first_k_dense_replace", 0)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=options,
        attention_blocks=_attention(keys, s, bias=bias),
        feed_forward=moe.mixed(s, block, tuple(layer >= first for layer in range(s.layers)), options=options),
    )


def _router_dtype(keys: Keys) -> str:
    if not keys.has("router_dtype"):
        return moe.Block.router_dtype
    return "float32" if keys.text("router_dtype") == "fp32" else "bfloat16"


def _attention(keys: Keys, s: dense.Sizes, *, bias: bool) -> tuple[Module, ...]:
    place, name = blocks.every_layer(s.layers), "model.layers.*.attention."
    modules: list[Module] = [
        blocks.qkv(
            f"{name}query_key_value",
            place,
            s.hidden,
            heads=s.heads,
            kv_heads=s.kv_heads,
            head_dim=s.head_dim,
            bias=bias or keys.flag("use_qkv_bias", default=False),
        ),
        blocks.linear(f"{name}dense", place, s.heads * s.head_dim, s.hidden, "row", bias=bias),
        *blocks.attention(f"{name}attn", place),
    ]
    if keys.flag("use_qk_norm", default=False):
        with_bias = not keys.flag("use_rmsnorm", default=False)
        for norm in ("query_layernorm", "key_layernorm"):
            modules.extend(blocks.norm(f"{name}{norm}", place, s.head_dim, bias=with_bias))
    return tuple(modules)
