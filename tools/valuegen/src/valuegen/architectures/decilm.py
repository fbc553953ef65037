"""Nemotron-NAS (DeciLM): Llama whose layers differ, some without attention, some without an MLP.

Source: vLLM 0.33.0 model_executor/models/nemotron_nas.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import KvLayer, Place
from valuegen.units import round_up

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

WIDTH_STEP = 256  # an MLP width stated as a multiple of the hidden size is rounded up to it


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys.without("num_key_value_heads", "intermediate_size"), intermediate_size=1)
    described = keys.sections("block_configs", s.layers)
    kv_heads = [_kv_heads(block.section("attention"), s.heads) for block in described]
    widths = [_width(block.section("ffn"), s.hidden) for block in described]
    s = replace(s, kv_heads=max(kv_heads, default=0) or s.heads, intermediate=max(widths))
    max_position = keys.positive("max_position_embeddings", 8192)
    rotary = rope.read(keys, max_position)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
    options = dense.Options(
        qkv_bias=keys.flag("qkv_bias", default=bias),
        output_bias=bias,
        mlp_bias=keys.flag("mlp_bias", default=False),
        norms=(),  # each half of a layer brings its own
    )
    attending = [layer for layer, heads in enumerate(kv_heads) if heads]
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, layers=attending),),
        kv_layers=tuple(KvLayer("full", heads, s.head_dim) if heads else None for heads in kv_heads),
        options=options,
        attention_blocks=_attention(s, kv_heads, options),
        feed_forward=_feed_forward(s, widths, options),
    )


def _kv_heads(block: Keys, heads: int) -> int:
    """Key/value heads of a layer; 0 without attention."""
    if block.flag("no_op", default=False):
        return 0
    group = block.positive("n_heads_in_group")
    block.divisible("n_heads_in_group", heads, "num_attention_heads", group)
    return heads // group


def _width(block: Keys, hidden: int) -> int:
    """Width of a layer's MLP; 0 without one."""
    if block.flag("no_op", default=False):
        return 0
    if block.has("ffn_mult"):
        return round_up(int(2 * block.number("ffn_mult") * hidden / 3), WIDTH_STEP)
    return block.positive("intermediate_size")


def _attention(s: dense.Sizes, kv_heads: list[int], options: dense.Options) -> tuple[Module, ...]:
    modules: list[Module] = []
    for heads, layers in _alike(kv_heads).items():
        modules.extend(dense.attention(replace(s, kv_heads=heads), layers, options=options))
        modules.extend(blocks.norm("model.layers.*.input_layernorm", Place(layers), s.hidden))
    return tuple(modules)


def _feed_forward(s: dense.Sizes, widths: list[int], options: dense.Options) -> tuple[Module, ...]:
    modules: list[Module] = []
    for width, layers in _alike(widths).items():
        modules.extend(dense.mlp(s, width, layers, options=options))
        modules.extend(blocks.norm("model.layers.*.post_attention_layernorm", Place(layers), s.hidden))
    return tuple(modules)


def _alike(sizes: list[int]) -> dict[int, tuple[int, ...]]:
    """Layers by size; those of size 0 are left out."""
    return {
        size: tuple(layer for layer, its in enumerate(sizes) if its == size)
        for size in dict.fromkeys(sizes)
        if size
    }
