"""Kimi-K2.5: a DeepSeek-V3 decoder with a MoonViT tower.

Source: vLLM 0.33.0 model_executor/models/{kimi_k25,kimi_k25_vit}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import deepseek
from valuegen.architectures.base import MODEL_DTYPE, Buffer, Linear, Module, Part, Place, Weight, text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FIRST = Place(first=True)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model, the tower and the projector."""
    text = text_keys(keys)
    tower = _tower(keys.section("vision_config"), text.positive("hidden_size"), _time_dtype(keys))
    return deepseek.language_model(text, prefix="language_model.", extra=tower)


def _time_dtype(keys: Keys) -> str:
    """vLLM casts the tower to the engine's type, but not where a method may quantize it."""
    quantized = keys.has("quantization_config")
    method = keys.section("quantization_config").text("quant_method", "") if quantized else ""
    return "float32" if quantized and method != "compressed-tensors" else MODEL_DTYPE


def _tower(keys: Keys, text_hidden: int, time_dtype: str) -> tuple[Module, ...]:
    hidden = keys.positive("vt_hidden_size", 1152)
    inner = keys.positive("vt_intermediate_size", 4304)
    heads = keys.positive("vt_num_attention_heads", 16)
    patch = keys.positive("patch_size", 14)
    grid = keys.positive("init_pos_emb_height", 64), keys.positive("init_pos_emb_width", 64)
    merged = hidden
    for side in keys.integers("merge_kernel_size") or (2, 2):
        merged *= side
    layers = Place(first=True, copies=keys.positive("vt_num_hidden_layers", 27))
    t, b, p = "vision_tower.", "vision_tower.encoder.blocks.*.", "mm_projector."
    whole, wide = Part(hidden, hidden), Part(inner, inner)
    norms = [(f"{b}norm0", layers), (f"{b}norm1", layers), (f"{t}encoder.final_layernorm", FIRST)]
    return (
        Weight(f"{t}patch_embed.proj.weight", FIRST, (hidden, 3, patch, patch)),
        Weight(f"{t}patch_embed.proj.bias", FIRST, (hidden,)),
        Weight(f"{t}patch_embed.pos_emb.weight", FIRST, (*grid, hidden)),
        Buffer(
            f"{t}patch_embed.pos_emb.time_weight",
            FIRST,
            (keys.positive("init_pos_emb_time", 4), 1, hidden),
            time_dtype,
        ),
        _linear(f"{b}wqkv", layers, hidden, (Part(hidden, heads),) * 3),
        _linear(f"{b}wo", layers, hidden, (whole,), row=True),
        _linear(f"{b}mlp.fc0", layers, hidden, (wide,)),
        _linear(f"{b}mlp.fc1", layers, inner, (whole,), row=True),
        *(
            Weight(f"{norm}.{part}", place, (hidden,))
            for norm, place in [*norms, (f"{p}pre_norm", FIRST)]
            for part in ("weight", "bias")
        ),
        Weight(f"{p}linear_1.weight", FIRST, (merged, merged)),
        Weight(f"{p}linear_1.bias", FIRST, (merged,)),
        Weight(f"{p}linear_2.weight", FIRST, (text_hidden, merged)),
        Weight(f"{p}linear_2.bias", FIRST, (text_hidden,)),
    )


def _linear(name: str, place: Place, inputs: int, parts: tuple[Part, ...], *, row: bool = False) -> Linear:
    """A layer of the tower, which no quantization method touches."""
    return Linear(name, place, inputs, parts, "row" if row else "column", bias=True, quantizable=False)
