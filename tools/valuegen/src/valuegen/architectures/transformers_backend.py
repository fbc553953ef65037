"""Llama-like models that vLLM runs through its Transformers backend, and what that backend leaves unchanged.

transformers builds the model; vLLM replaces linear layers, embeddings and norms by its own, merges q, k, v
and gate, up where it recognizes them, and keeps rotary frequencies instead of a table of angles.
Source: vLLM 0.33.0 model_executor/models/transformers/base.py (recursive_replace, pipeline_parallel),
models/registry.py (which architectures); defaults of transformers' config classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import Buffer, Module, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

BEHIND = ("post_attention_layernorm", "post_feedforward_layernorm")


@dataclass(frozen=True)
class Family:
    """How an architecture differs from Llama; the defaults are for keys that config.json leaves out."""

    attention_bias: bool = False  # default of the key
    output_bias_key: str | None = "attention_bias"  # None: the output projection has no bias
    gated: bool = True
    norms: tuple[str, ...] = dense.Options.norms
    final_norm: bool = True
    head_norms: tuple[str, str] | None = None  # of queries and keys, the same for all heads
    whole_norms: bool = False  # of queries and keys, over all heads together
    layer_types: bool = False  # local layers, as the key of that name lists them
    rotary_by_type: bool = False  # local and global layers rotate differently
    rotary_share: float = 1.0
    tie: bool = False
    sizes: tuple[tuple[str, int], ...] = ()


FAMILIES = {
    "ArceeForCausalLM": Family(gated=False),
    "CwmForCausalLM": Family(layer_types=True),
    "GlmForCausalLM": Family(
        output_bias_key=None, rotary_share=0.5, sizes=(("num_key_value_heads", 2), ("head_dim", 128))
    ),
    "HunYuanDenseV1ForCausalLM": Family(head_norms=("query_layernorm", "key_layernorm")),
    "OlmoForCausalLM": Family(norms=(), final_norm=False),
    "Olmo2ForCausalLM": Family(norms=BEHIND, whole_norms=True),
    "Olmo3ForCausalLM": Family(norms=BEHIND, whole_norms=True, layer_types=True, rotary_by_type=True),
    "SeedOssForCausalLM": Family(
        attention_bias=True, output_bias_key="attention_out_bias", sizes=(("head_dim", 128),)
    ),
    "SmolLM3ForCausalLM": Family(layer_types=True, tie=True, sizes=(("num_key_value_heads", 4),)),
}


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a model of one of FAMILIES."""
    family = FAMILIES[architecture]
    s = dense.sizes(keys, **dict(family.sizes))
    max_position = keys.positive("max_position_embeddings", 4096)
    rotary = rope.read(keys, max_position)
    if family.rotary_share != 1 and not keys.has("partial_rotary_factor"):
        rotary = replace(rotary, rotary_share=family.rotary_share)
    local = _local_layers(keys, family, s.layers)
    window = keys.window("sliding_window", 4096) if any(local) else None
    bias = family.output_bias_key
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=family.tie),
        max_position=max_position,
        rope=rotary,
        tables=frequencies(s, rotary, _rotary_kinds(family, local)),
        kv_layers=dense.attention_by_type(s, local, window),
        options=dense.Options(
            qkv_bias=keys.flag("attention_bias", default=family.attention_bias),
            output_bias=keys.flag(bias, default=False) if bias is not None else False,
            mlp_bias=keys.flag("mlp_bias", default=False),
            gated=family.gated,
            norms=family.norms,
            final_norm=family.final_norm,
        ),
        extra=_query_norms(s, family),
    )


def frequencies(s: dense.Sizes, rotary: rope.Rope, kinds: tuple[str, ...] = ("",)) -> tuple[Buffer, ...]:
    """One frequency for each pair of rotated elements, kept twice on every pipeline stage."""
    shape = (int(s.head_dim * rotary.rotary_share) // 2,)
    place = blocks.every_stage(s.layers)
    names = (f"{kind}{name}" for kind in kinds for name in ("inv_freq", "original_inv_freq"))
    return tuple(Buffer(f"model.rotary_emb.{name}", place, shape, "float32") for name in names)


def _local_layers(keys: Keys, family: Family, layers: int) -> tuple[bool, ...]:
    if not family.layer_types or not keys.has("layer_types"):
        return (False,) * layers
    return tuple(kind == "sliding_attention" for kind in keys.names("layer_types", layers))


def _rotary_kinds(family: Family, local: tuple[bool, ...]) -> tuple[str, ...]:
    if not family.rotary_by_type:
        return ("",)
    return tuple("sliding_attention_" if kind else "full_attention_" for kind in sorted(set(local)))


def _query_norms(s: dense.Sizes, family: Family) -> tuple[Module, ...]:
    every, block = blocks.every_layer(s.layers), "model.layers.*.self_attn."
    if family.head_norms is not None:
        return tuple(Weight(f"{block}{name}.weight", every, (s.head_dim,)) for name in family.head_norms)
    if family.whole_norms:  # every GPU holds them whole, whatever its share of the heads
        widths = {"q_norm": s.heads * s.head_dim, "k_norm": s.kv_heads * s.head_dim}
        return tuple(Weight(f"{block}{name}.weight", every, (width,)) for name, width in widths.items())
    return ()
