"""LFM2: short convolutions with attention in a few layers.

Source: vLLM 0.33.0 model_executor/models/lfm2.py, layers/mamba/short_conv.py; defaults of transformers' config.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import Attention, Linear, Part, Place, StateKv
from valuegen.units import round_up

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

LAYER = "model.layers.*."


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a text-only LFM2 model."""
    s = dense.sizes(keys.without("head_dim"), num_key_value_heads=8, intermediate_size=12288)
    s = replace(s, intermediate=_width(keys, s.intermediate))
    max_position = keys.positive("max_position_embeddings", 128_000)
    rotary = rope.read(keys, max_position)
    attends = _attention_layers(keys, s.layers)
    attention = tuple(layer for layer in range(s.layers) if attends[layer])
    convolution = tuple(layer for layer in range(s.layers) if not attends[layer])
    kernel = keys.positive("conv_L_cache", 3)
    state = StateKv(conv_rows=kernel - 1, conv_width=s.hidden, units=0, unit_size=0)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=keys.flag("tie_embedding", default=True)),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, layers=attention),),
        kv_layers=tuple(dense.full_attention(s)[0] if layer else state for layer in attends),
        options=dense.Options(norms=("operator_norm", "ffn_norm"), embedding_every_stage=True),
        attention_blocks=(
            *_attention(s, attention),
            *_convolution(s.hidden, kernel, convolution, bias=keys.flag("conv_bias", default=False)),
        ),
        feed_forward=_mlp(s),
    )


def _width(keys: Keys, width: int) -> int:
    """The MLP's width, of which config.json states three halves."""
    width = keys.positive("block_ff_dim", width)
    if not keys.flag("block_auto_adjust_ff_dim", default=True):
        return width
    scaled = int(keys.number("block_ffn_dim_multiplier", 1.0) * int(2 * width / 3))
    return round_up(scaled, keys.positive("block_multiple_of", 256))


def _attention_layers(keys: Keys, layers: int) -> tuple[bool, ...]:
    if keys.has("layer_types"):
        return tuple(kind == "full_attention" for kind in keys.names("layer_types", layers))
    listed = set(keys.indexes("full_attn_idxs")) if keys.has("full_attn_idxs") else set(range(layers))
    return tuple(layer in listed for layer in range(layers))


def _attention(s: dense.Sizes, layers: tuple[int, ...]) -> tuple[Module, ...]:
    place, n = Place(layers=layers), f"{LAYER}self_attn."
    return (
        blocks.qkv(
            f"{n}qkv_proj",
            place,
            s.hidden,
            heads=s.heads,
            head_dim=s.head_dim,
            kv_heads=s.kv_heads,
            stored_as=blocks.beside(f"{n}qkv_proj", "q_proj", "k_proj", "v_proj"),
        ),
        blocks.linear(
            f"{n}out_proj", place, s.heads * s.head_dim, s.hidden, "row", stored_as=(f"{n}out_proj",)
        ),
        *blocks.norm(f"{n}q_layernorm", place, s.head_dim),
        *blocks.norm(f"{n}k_layernorm", place, s.head_dim),
        Attention(f"{n}attn", place),
    )


def _convolution(hidden: int, kernel: int, layers: tuple[int, ...], *, bias: bool) -> tuple[Module, ...]:
    place, n = Place(layers=layers), f"{LAYER}conv."
    channels = Part(hidden, hidden)
    return (
        Linear(
            f"{n}in_proj",
            place,
            hidden,
            (channels,) * 3,
            "column",
            bias=bias,
            checkpoint_names=(f"{n}in_proj",),
        ),
        Linear(f"{n}conv", place, kernel, (channels,), "column", bias=bias, quantizable=False),
        blocks.linear(f"{n}out_proj", place, hidden, hidden, "row", bias=bias, stored_as=(f"{n}out_proj",)),
    )


def _mlp(s: dense.Sizes) -> tuple[Module, ...]:
    every, n = blocks.every_layer(s.layers), f"{LAYER}feed_forward."
    return (
        blocks.linear(
            f"{n}w13",
            every,
            s.hidden,
            (s.intermediate, s.intermediate),
            "column",
            stored_as=(f"{n}w1", f"{n}w3"),
        ),
        blocks.linear(f"{n}w2", every, s.intermediate, s.hidden, "row", stored_as=(f"{n}w2",)),
    )
