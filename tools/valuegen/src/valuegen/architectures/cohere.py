"""Cohere Command R and Command R7B/A: one norm before attention and MLP side by side, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/commandr.py; defaults of transformers' Cohere and Cohere2 configs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a model of either generation."""
    s = dense.sizes(keys)
    max_position = keys.positive("model_max_length", keys.positive("max_position_embeddings", 8192))
    rotary = rope.read(keys, max_position)
    kv_layers = dense.full_attention(s)
    if architecture == "Cohere2ForCausalLM":
        window = keys.positive("sliding_window", 4096) + 1  # Cohere's own window counts the past tokens only
        kv_layers = dense.attention_by_type(s, _local_layers(keys, s.layers), window)
    return dense.decoder(
        s,
        tie=True,  # vLLM's Command R has no head of its own
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=kv_layers,
        options=dense.Options(norms=("input_layernorm",), every_stage=True),
        extra=_head_norms(s) if keys.flag("use_qk_norm", default=False) else (),
    )


def _local_layers(keys: Keys, layers: int) -> tuple[bool, ...]:
    if keys.has("layer_types"):
        return tuple(kind == "sliding_attention" for kind in keys.names("layer_types", layers))
    pattern = keys.positive("sliding_window_pattern", 4)
    return tuple((layer + 1) % pattern != 0 for layer in range(layers))


def _head_norms(s: dense.Sizes) -> tuple[Module, ...]:
    """A norm of its own for each head, split with the heads."""
    every, layer = blocks.every_layer(s.layers), "model.layers.*.self_attn."
    return (
        Weight(f"{layer}q_norm.weight", every, (s.heads, s.head_dim), units=s.heads),
        Weight(f"{layer}k_norm.weight", every, (s.kv_heads, s.head_dim), units=s.kv_heads, replicable=True),
    )
