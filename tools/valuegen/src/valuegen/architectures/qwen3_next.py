"""Qwen3-Next, Qwen3.5 and Qwen3.6: gated delta nets with full attention in every fourth layer.

Source: vLLM 0.33.0 model_executor/models/{qwen3_next,qwen3_5}.py; the state's type: models/config.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, qwen_moe, qwen_vl, rope
from valuegen.architectures.base import MODEL_DTYPE, text_keys
from valuegen.architectures.linear_attention import GatedDeltaNet

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a model of any of these generations."""
    if architecture == "Qwen3NextForCausalLM":
        net = replace(GatedDeltaNet.read(keys), state_dtype=MODEL_DTYPE)
        return _language_model(keys, net, stored=(("in_proj_qkvz",), ("in_proj_ba",)))
    text = text_keys(keys)
    return _language_model(
        text,
        GatedDeltaNet.read(text),
        stored=(("in_proj_qkv", "in_proj_z"), ("in_proj_b", "in_proj_a")),
        prefix="language_model.",
        extra=qwen_vl.qwen3_tower(keys.section("vision_config")),
    )


def _language_model(
    keys: Keys,
    net: GatedDeltaNet,
    *,
    stored: tuple[tuple[str, ...], tuple[str, ...]],
    prefix: str = "",
    extra: tuple[Module, ...] = (),
) -> Architecture:
    width = keys.positive("moe_intermediate_size", 512) if not keys.has("intermediate_size") else None
    defaults = {} if width is None else {"intermediate_size": width}
    s = dense.sizes(keys, num_key_value_heads=2, head_dim=256, **defaults)
    max_position = keys.positive("max_position_embeddings", 32768)
    rotary = replace(rope.read(keys, max_position), positions_factor=1)
    options = dense.Options(
        qkv_bias=keys.flag("attention_bias", default=False),
        gated_output=keys.flag("attn_output_gate", default=True),
        qk_norm=True,
        embedding_every_stage=True,
        head_every_stage=not prefix,  # Qwen3.5 leaves it out where it is not needed
        prefix=prefix,
    )
    full = _full_layers(keys, s.layers)
    attention = [layer for layer in range(s.layers) if full[layer]]
    recurrent = [layer for layer in range(s.layers) if not full[layer]]
    feed_forward = None
    if keys.has("num_experts") and keys.count("num_experts", 0):
        block = replace(qwen_moe.block(keys, qwen3=True), router_quantizable=False)
        feed_forward = moe.mixed(s, block, moe.by_step(keys, s.layers), options=options)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, prefix=prefix, layers=attention),),
        kv_layers=tuple(dense.full_attention(s)[0] if is_full else net.cache for is_full in full),
        options=options,
        attention_blocks=(
            *dense.attention(s, attention, options=options),
            *net.modules(s.hidden, recurrent, prefix=prefix, stored_qkvz=stored[0], stored_ba=stored[1]),
        ),
        feed_forward=feed_forward,
        extra=extra,
    )


def _full_layers(keys: Keys, layers: int) -> tuple[bool, ...]:
    """Which layers have full attention: every fourth, unless config.json lists them."""
    if keys.has("layer_types"):
        return tuple(kind == "full_attention" for kind in keys.names("layer_types", layers))
    interval = keys.positive("full_attention_interval", 4)
    return tuple((layer + 1) % interval == 0 for layer in range(layers))
