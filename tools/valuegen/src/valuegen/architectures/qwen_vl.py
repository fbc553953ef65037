"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: the Qwen decoders behind a vision tower that merges patches.

Source: vLLM 0.33.0 model_executor/models/{qwen2_vl,qwen2_5_vl,qwen3_vl,qwen3_vl_moe}.py; defaults of
transformers' configs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, qwen, qwen_moe
from valuegen.architectures.base import Buffer, Module, Place, text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Linear
    from valuegen.keys import Keys

FIRST = blocks.FIRST
TOWER_POSITIONS = 8192  # rows of the tower's rotary table
TOWER = "visual."


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe the language model and the tower."""
    text, vision = text_keys(keys), keys.section("vision_config")
    tie = text.flag("tie_word_embeddings", default=keys.flag("tie_word_embeddings", default=False))
    if architecture == "Qwen3VLMoeForConditionalGeneration":
        return qwen_moe.language_model(
            text, "Qwen3MoeForCausalLM", prefix="language_model.", extra=qwen3_tower(vision)
        )
    if architecture != "Qwen3VLForConditionalGeneration":
        tower = _tower2(vision) if architecture == "Qwen2VLForConditionalGeneration" else _tower2_5(vision)
        return qwen.language_model(
            text, "Qwen2ForCausalLM", tie=tie, prefix="language_model.", extra=tower, counts_time=True
        )
    # vLLM builds Qwen3-VL's language model from text_config alone.
    tie = text.flag("tie_word_embeddings", default=False)
    return qwen.language_model(
        text, "Qwen3ForCausalLM", tie=tie, prefix="language_model.", extra=qwen3_tower(vision)
    )


def _tower2(keys: Keys) -> tuple[Module, ...]:
    hidden = keys.positive("embed_dim", 1280)
    inner = int(hidden * keys.number("mlp_ratio", 4))
    block = f"{TOWER}blocks.*."
    layers = Place(first=True, copies=keys.positive("depth", 32))
    merged = hidden * keys.positive("spatial_merge_size", 2) ** 2
    return (
        *_stem(keys, hidden, channels="in_channels" if keys.has("in_channels") else "in_chans", bias=False),
        *_attention(keys, layers, hidden),
        _linear(f"{block}mlp.fc1", layers, hidden, (inner,), "column"),
        _linear(f"{block}mlp.fc2", layers, inner, (hidden,), "row"),
        *blocks.norm(f"{block}norm1", layers, hidden, bias=True),
        *blocks.norm(f"{block}norm2", layers, hidden, bias=True),
        *blocks.norm(f"{TOWER}merger.ln_q", FIRST, hidden, bias=True),
        _linear(f"{TOWER}merger.mlp.0", FIRST, merged, (merged,), "column"),
        _linear(f"{TOWER}merger.mlp.2", FIRST, merged, (keys.positive("hidden_size", 3584),), "row"),
    )


def _tower2_5(keys: Keys) -> tuple[Module, ...]:
    hidden = keys.positive("hidden_size", 3584)
    inner = keys.positive("intermediate_size", 3420)
    block = f"{TOWER}blocks.*."
    layers = Place(first=True, copies=keys.positive("depth", 32))
    merged = hidden * keys.positive("spatial_merge_size", 2) ** 2
    return (
        *_stem(keys, hidden, channels="in_channels" if keys.has("in_channels") else "in_chans", bias=False),
        *_attention(keys, layers, hidden),
        _linear(f"{block}mlp.gate_up_proj", layers, hidden, (inner, inner), "column"),
        _linear(f"{block}mlp.down_proj", layers, inner, (hidden,), "row"),
        *blocks.norm(f"{block}norm1", layers, hidden),
        *blocks.norm(f"{block}norm2", layers, hidden),
        *blocks.norm(f"{TOWER}merger.ln_q", FIRST, hidden),
        _linear(f"{TOWER}merger.mlp.0", FIRST, merged, (merged,), "column"),
        _linear(f"{TOWER}merger.mlp.2", FIRST, merged, (keys.positive("out_hidden_size", 3584),), "row"),
    )


def qwen3_tower(keys: Keys) -> tuple[Module, ...]:
    """Qwen3-VL's tower: learned positions, and a merger for each level that the decoder sees."""
    hidden = keys.positive("hidden_size", 1152)
    inner = keys.positive("intermediate_size", 4304)
    block = f"{TOWER}blocks.*."
    layers = Place(first=True, copies=keys.positive("depth", 27))
    merged = hidden * keys.positive("spatial_merge_size", 2) ** 2
    out = keys.positive("out_hidden_size", 3584)
    modules: list[Module] = [
        *_stem(keys, hidden, channels="in_channels", bias=True),
        *blocks.parameters(
            f"{TOWER}pos_embed", FIRST, (keys.positive("num_position_embeddings", 2304), hidden), bias=False
        ),
        *_attention(keys, layers, hidden),
        _linear(f"{block}mlp.linear_fc1", layers, hidden, (inner,), "column"),
        _linear(f"{block}mlp.linear_fc2", layers, inner, (hidden,), "row"),
        *blocks.norm(f"{block}norm1", layers, hidden, bias=True),
        *blocks.norm(f"{block}norm2", layers, hidden, bias=True),
        *_merger(f"{TOWER}merger.", FIRST, hidden, merged, out),
    ]
    levels = len(keys.indexes("deepstack_visual_indexes")) if keys.has("deepstack_visual_indexes") else 3
    if levels:
        deep = Place(first=True, copies=levels)
        modules.extend(_merger(f"{TOWER}deepstack_merger_list.*.", deep, merged, merged, out))
    return tuple(modules)


def _stem(keys: Keys, hidden: int, *, channels: str, bias: bool) -> tuple[Module, ...]:
    """Patches of space and time into vectors, and the rotary table over half of each head."""
    patch = keys.positive("patch_size", 14 if channels == "in_chans" else 16)
    shape = (hidden, keys.positive(channels, 3), keys.positive("temporal_patch_size", 2), patch, patch)
    head_dim = keys.quotient("hidden_size", "num_heads", hidden, keys.positive("num_heads", 16))
    return (
        *blocks.parameters(f"{TOWER}patch_embed.proj", FIRST, shape, bias=bias),
        Buffer(f"{TOWER}rotary_pos_emb.cos_sin_cache", FIRST, (TOWER_POSITIONS, head_dim // 2)),
    )


def _attention(keys: Keys, layers: Place, hidden: int) -> tuple[Module, ...]:
    heads = keys.positive("num_heads", 16)
    return (
        blocks.qkv(
            f"{TOWER}blocks.*.attn.qkv",
            layers,
            hidden,
            heads=heads,
            head_dim=hidden // heads,
            bias=True,
            quantizable=False,
        ),
        _linear(f"{TOWER}blocks.*.attn.proj", layers, hidden, (hidden,), "row"),
    )


def _merger(name: str, place: Place, normed: int, merged: int, out: int) -> tuple[Module, ...]:
    return (
        *blocks.norm(f"{name}norm", place, normed, bias=True),
        _linear(f"{name}linear_fc1", place, merged, (merged,), "column"),
        _linear(f"{name}linear_fc2", place, merged, (out,), "row"),
    )


def _linear(name: str, place: Place, inputs: int, outputs: tuple[int, ...], split: str) -> Linear:
    """A layer of the tower: biased, and left alone by the language model's quantization."""
    return blocks.linear(
        name, place, inputs, outputs, "row" if split == "row" else "column", bias=True, quantizable=False
    )
