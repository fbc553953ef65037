"""MiMo-V2-Flash: window layers with heads of their own, values smaller than keys, attention sinks.

Source: vLLM 0.33.0 model_executor/models/mimo_v2.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope
from valuegen.architectures.base import KvLayer, Place, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 32768)
    rotary = rope.read(keys, max_position)
    options = dense.Options(qkv_bias=keys.flag("attention_bias", default=False))
    is_local = keys.flags("hybrid_layer_pattern", s.layers)
    local_layers = [layer for layer, local in enumerate(is_local) if local]
    full_layers = [layer for layer, local in enumerate(is_local) if not local]
    local = _local_sizes(keys, s) if local_layers else s
    values = keys.positive("v_head_dim", s.head_dim)
    local_values = keys.positive("swa_v_head_dim", local.head_dim)
    # One table where both kinds rotate alike, else one each.
    theta = keys.number("rope_theta", 1e6)
    alike = (keys.number("swa_rope_theta", theta), local.head_dim) == (theta, s.head_dim)
    rotated = [(s, range(s.layers))] if alike else [(s, full_layers), (local, local_layers)]
    full = KvLayer("full", s.kv_heads, s.head_dim, head_size_v=values)
    window = keys.positive("sliding_window_size") if local_layers else None
    sliding = KvLayer("sliding-window", local.kv_heads, local.head_dim, window, head_size_v=local_values)
    block = moe.Block(
        experts=keys.positive("n_routed_experts"),
        width=keys.positive("moe_intermediate_size"),
        router_dtype=keys.text("moe_router_dtype", "float32"),
        routing_bias="gate.e_score_correction_bias",
        one_per_gpu=True,
    )
    return dense.decoder(
        s,
        tie=False,  # this file of vLLM makes a head of its own whatever the config says
        max_position=max_position,
        rope=rotary,
        tables=tuple(
            dense.rotary_table(sizes, rotary, max_position, layers=layers) for sizes, layers in rotated
        ),
        kv_layers=tuple(sliding if local else full for local in is_local),
        options=options,
        attention_blocks=(
            *dense.attention(s, full_layers, options=options, value_dim=values),
            *dense.attention(local, local_layers, options=options, value_dim=local_values),
        ),
        feed_forward=moe.mixed(s, block, keys.flags("moe_layer_freq", s.layers), options=options),
        extra=_sinks(keys, local, local_layers),
    )


def _local_sizes(keys: Keys, s: dense.Sizes) -> dense.Sizes:
    return replace(
        s,
        heads=keys.positive("swa_num_attention_heads"),
        kv_heads=keys.positive("swa_num_key_value_heads"),
        head_dim=keys.positive("swa_head_dim"),
    )


def _sinks(keys: Keys, local: dense.Sizes, layers: list[int]) -> tuple[Module, ...]:
    if not keys.flag("add_swa_attention_sink_bias", default=False):
        return ()
    name = "model.layers.*.self_attn.attention_sink_bias"
    return (Weight(name, Place(layers=tuple(layers)), (local.heads,), units=local.heads),)
