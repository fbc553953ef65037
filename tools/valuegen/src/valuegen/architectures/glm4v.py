"""GLM-4.1V and GLM-4.5V: GLM-4 or GLM-4.5 behind a vision tower whose patches a convolution merges.

Source: vLLM 0.33.0 model_executor/models/glm4_1v.py; defaults of transformers' Glm4vVisionConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, nested
from valuegen.architectures.base import Buffer, Module, Place, text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Linear
    from valuegen.keys import Keys

FIRST = blocks.FIRST
TOWER_POSITIONS = 8192  # rows of the tower's rotary table
TOWER = "visual."


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model and the tower."""
    return nested.language_model(text_keys(keys), extra=_tower(keys.section("vision_config")))


def _tower(keys: Keys) -> tuple[Module, ...]:
    hidden, out = keys.positive("hidden_size", 1536), keys.positive("out_hidden_size", 4096)
    heads, inner = keys.positive("num_heads", 12), keys.positive("intermediate_size", 13696)
    patch, merge = keys.positive("patch_size", 14), keys.positive("spatial_merge_size", 2)
    positions = (keys.positive("image_size", 336) // patch) ** 2
    head_dim = keys.quotient("hidden_size", "num_heads", hidden, heads)
    layers = Place(first=True, copies=keys.positive("depth", 24))
    block, merger = f"{TOWER}blocks.*.", f"{TOWER}merger."
    patches = (hidden, keys.positive("in_channels", 3), keys.positive("temporal_patch_size", 2), patch, patch)
    bias = keys.flag("attention_bias", default=False)
    return (
        *blocks.parameters(f"{TOWER}patch_embed.proj", FIRST, patches),
        *blocks.parameters(f"{TOWER}embeddings.position_embedding", FIRST, (positions, hidden), bias=False),
        Buffer(f"{TOWER}embeddings.position_ids", FIRST, (1, positions), "int64"),
        Buffer(f"{TOWER}rotary_pos_emb.cos_sin_cache", FIRST, (TOWER_POSITIONS, head_dim // 2)),
        blocks.qkv(
            f"{block}attn.qkv", layers, hidden, heads=heads, head_dim=head_dim, bias=bias, quantizable=False
        ),
        _linear(f"{block}attn.proj", layers, hidden, hidden),
        _linear(f"{block}mlp.gate_up_proj", layers, hidden, (out, out)),
        _linear(f"{block}mlp.down_proj", layers, out, hidden),
        *blocks.norm(f"{block}norm1", layers, hidden),
        *blocks.norm(f"{block}norm2", layers, hidden),
        *blocks.norm(f"{TOWER}post_conv_layernorm", FIRST, hidden),
        *blocks.norm(f"{TOWER}post_layernorm", FIRST, hidden),
        *blocks.parameters(f"{TOWER}downsample", FIRST, (out, hidden, merge, merge)),
        _linear(f"{merger}proj", FIRST, out, (out,)),
        *blocks.norm(f"{merger}post_projection_norm", FIRST, out, bias=True),
        _linear(f"{merger}gate_up_proj", FIRST, out, (inner, inner)),
        _linear(f"{merger}down_proj", FIRST, inner, out),
    )


def _linear(name: str, place: Place, inputs: int, outputs: int | tuple[int, ...]) -> Linear:
    """Split by columns where outputs are listed, else by rows; left alone by quantization."""
    return blocks.linear(
        name, place, inputs, outputs, "row" if isinstance(outputs, int) else "column", quantizable=False
    )
