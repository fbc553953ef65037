"""Kimi-K3 and Kimi-Linear: delta attention with latent attention in every fourth layer, experts.

Source: vLLM 0.33.0 models/kimi_k3/nvidia/{model,kda,mla}.py, model_executor/models/kimi_k25_vit.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, mla, moe
from valuegen.architectures.base import Buffer, Linear, Part, Place, Weight, text_keys
from valuegen.architectures.linear_attention import KimiDeltaAttention
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

FIRST = blocks.FIRST
DEFAULT_LENGTH = 2048  # tokens; vLLM's for a config without any length (config/model.py)


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe Kimi-K3 with its tower and projector, or Kimi-Linear."""
    if architecture == "KimiLinearForCausalLM":
        return _language_model(keys)
    text = text_keys(keys)
    tower = _tower(keys.section("vision_config"), text.positive("hidden_size"))
    return _language_model(text, prefix="language_model.", extra=tower)


def _language_model(keys: Keys, *, prefix: str = "", extra: tuple[Module, ...] = ()) -> Architecture:
    m = mla.read(keys, keys.positive("num_attention_heads"))
    s = dense.sizes(keys.without("num_key_value_heads", "head_dim"), num_key_value_heads=1, head_dim=m.width)
    linear = keys.section("linear_attn_config")
    delta = KimiDeltaAttention.read(linear)
    recurrent = {layer - 1 for layer in linear.integers("kda_layers")}  # counted from 1
    latent = [layer for layer in range(s.layers) if layer not in recurrent]
    options = dense.Options(prefix=prefix)
    gated = keys.flag("mla_use_output_gate", default=False)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=_longest(keys),
        rope=Rope(),
        tables=(),
        kv_layers=tuple(delta.cache if layer in recurrent else mla.cache(m) for layer in range(s.layers)),
        options=options,
        attention_blocks=(
            *delta.modules(
                f"{prefix}model.layers.*.self_attn.", s.hidden, sorted(recurrent & set(range(s.layers)))
            ),
            *_latent_attention(m, s.hidden, latent, prefix, gated=gated),
        ),
        feed_forward=_feed_forward(keys, s, options),
        extra=(*(_residuals(s, prefix) if keys.has("attn_res_block_size") else ()), *extra),
    )


def _longest(keys: Keys) -> int:
    """Kimi-Linear states its length under another name, which vLLM reads as well."""
    return keys.positive("max_position_embeddings", keys.positive("model_max_length", DEFAULT_LENGTH))


def _latent_attention(
    m: mla.Mla, hidden: int, layers: list[int], prefix: str, *, gated: bool
) -> tuple[Module, ...]:
    """Latent attention, whose output gate is projected together with the latents of queries and keys."""
    place, a = Place(layers=tuple(layers)), f"{prefix}model.layers.*.self_attn."
    gate = Part(m.heads * m.v, m.heads)
    scale = Buffer(f"{a}_one_scale", place, (1,), "float32")
    usual = mla.attention(m, hidden, layers, prefix=prefix, scales="")
    if not gated:
        return (*usual, scale)
    if m.q_rank is None:
        return (*usual, scale, Linear(f"{a}g_proj", place, hidden, (gate,), "column"))
    latents = Part(m.q_rank, 1, replicable=True), Part(m.width, 1, replicable=True)
    merged = Linear(f"{a}fused_qkv_a_g_proj", place, hidden, (*latents, gate), "column")
    return (merged, *(module for module in usual if module.name != f"{a}fused_qkv_a_proj"), scale)


def _feed_forward(keys: Keys, s: dense.Sizes, options: dense.Options) -> tuple[Module, ...]:
    first, step = keys.count("first_k_dense_replace", 0), keys.positive("moe_layer_freq", 1)
    sparse = tuple(layer >= first and layer % step == 0 for layer in range(s.layers))
    width = keys.positive("moe_intermediate_size")
    inner = keys.positive("routed_expert_hidden_size", s.hidden)
    block = moe.Block(
        experts=keys.positive("num_experts"),
        width=width,
        module="block_sparse_moe",
        routing_bias="gate.e_score_correction_bias",
        inputs=inner,
        projections=("w1", "w3", "w2"),
        shared_width=width * keys.count("num_shared_experts", 0),
        shared_sequence_parallel=True,
    )
    experts = [layer for layer in range(s.layers) if sparse[layer]]
    plain = [layer for layer in range(s.layers) if not sparse[layer]]
    found = (
        *moe.modules(s, block, experts, options=options),
        *dense.mlp(s, s.intermediate, plain, options=options),
    )
    if inner == s.hidden:
        return found
    place = Place(layers=tuple(experts))
    n = f"{options.prefix}model.layers.*.block_sparse_moe.routed_expert_"
    return (
        *found,
        blocks.linear(f"{n}down_proj", place, s.hidden, inner, "replicated", quantizable=False),
        blocks.linear(f"{n}up_proj", place, inner, s.hidden, "replicated", quantizable=False),
        *(blocks.norm(f"{n}norm", place, inner) if keys.flag("latent_moe_use_norm", default=False) else ()),
    )


def _residuals(s: dense.Sizes, prefix: str) -> tuple[Module, ...]:
    """What weighs earlier layers' outputs in each residual sum."""
    every, last, layer = blocks.every_layer(s.layers), blocks.LAST, f"{prefix}model.layers.*."
    halves = [f"{layer}{half}_res_" for half in ("mlp", "self_attention")]
    return (
        *(weight for half in halves for weight in blocks.norm(f"{half}norm", every, s.hidden)),
        *(Weight(f"{half}proj.weight", every, (1, s.hidden)) for half in halves),
        *blocks.norm(f"{prefix}model.output_attn_res_norm", last, s.hidden),
        Weight(f"{prefix}model.output_attn_res_proj.weight", last, (1, s.hidden)),
    )


def _tower(keys: Keys, text_hidden: int) -> tuple[Module, ...]:
    hidden = keys.positive("vt_hidden_size")
    inner, width = keys.positive("vt_intermediate_size"), keys.positive("qkv_hidden_size", hidden)
    patch = keys.positive("patch_size", 14)
    grid = keys.positive("init_pos_emb_height", 64), keys.positive("init_pos_emb_width", 64)
    merged = hidden
    for side in keys.integers("merge_kernel_size") or (2, 2):
        merged *= side
    layers = Place(first=True, copies=keys.positive("vt_num_hidden_layers"))
    t, b, p = "vision_tower.", "vision_tower.encoder.blocks.*.", "mm_projector."
    heads = keys.positive("vt_num_attention_heads")
    linears = (
        (f"{b}wqkv", hidden, (width,) * 3, False),
        (f"{b}wo", width, (hidden,), True),
        (f"{b}mlp.fc0", hidden, (inner,), False),
        (f"{b}mlp.fc1", inner, (hidden,), True),
    )
    times = (keys.positive("init_pos_emb_time", 4), 1, hidden)
    return (
        Weight(f"{t}patch_embed.proj.weight", FIRST, (hidden, 3, patch, patch)),
        Weight(f"{t}patch_embed.pos_emb.weight", FIRST, (*grid, hidden)),
        Buffer(f"{t}patch_embed.pos_emb.time_weight", FIRST, times, "float32"),
        *(
            replace(
                blocks.linear(name, layers, inputs, outputs, "row" if row else "column", quantizable=False),
                whole_unless=heads,
            )
            for name, inputs, outputs, row in linears
        ),
        Weight(f"{p}linear_1.weight", FIRST, (merged, merged)),
        Weight(f"{p}linear_2.weight", FIRST, (text_hidden, merged)),
        *blocks.norm(f"{b}norm0", layers, hidden),
        *blocks.norm(f"{b}norm1", layers, hidden),
        *blocks.norm(f"{t}encoder.final_layernorm", FIRST, hidden),
        *blocks.norm(f"{p}post_norm", FIRST, text_hidden),
    )
