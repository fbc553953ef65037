"""Kimi-K3: Kimi delta attention with latent attention in every fourth layer, experts in a latent space.

Source: vLLM 0.33.0 models/kimi_k3/nvidia/{model,kda,mla}.py, model_executor/models/kimi_k25_vit.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, mla, moe
from valuegen.architectures.base import Attention, Buffer, Linear, Part, Place, Weight, text_keys
from valuegen.architectures.linear_attention import KimiDeltaAttention
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

PREFIX = "language_model."
LAYER = f"{PREFIX}model.layers.*."
FIRST = blocks.FIRST


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model, the tower and the projector."""
    text = text_keys(keys)
    m = mla.read(text, text.positive("num_attention_heads"))
    s = dense.sizes(text.without("num_key_value_heads", "head_dim"), num_key_value_heads=1, head_dim=m.width)
    linear = text.section("linear_attn_config")
    if not linear.flag("use_full_rank_gate", default=False):
        raise linear.fail("use_full_rank_gate", "is not true; vLLM 0.33 asserts it")
    delta = KimiDeltaAttention(
        heads=linear.positive("num_heads"),
        head_dim=linear.positive("head_dim"),
        conv=linear.positive("short_conv_kernel_size"),
        bounded_gate=linear.raw("gate_lower_bound") is not None,
    )
    recurrent = {layer - 1 for layer in linear.integers("kda_layers")}  # counted from 1
    latent = [layer for layer in range(s.layers) if layer not in recurrent]
    options = dense.Options(
        norms=("input_layernorm", "post_attention_layernorm", "mlp_res_norm", "self_attention_res_norm"),
        prefix=PREFIX,
    )
    return dense.decoder(
        s,
        tie=text.flag("tie_word_embeddings", default=False),
        max_position=text.positive("max_position_embeddings"),
        rope=Rope(),
        tables=(),
        kv_layers=tuple(delta.cache if layer in recurrent else mla.cache(m) for layer in range(s.layers)),
        options=options,
        attention_blocks=(
            *delta.modules(f"{LAYER}self_attn.", s.hidden, sorted(recurrent & set(range(s.layers)))),
            *_latent_attention(m, s.hidden, latent),
        ),
        feed_forward=_feed_forward(text, s, options),
        extra=(*_residuals(s), *_tower(keys.section("vision_config"), s.hidden)),
    )


def _latent_attention(m: mla.Mla, hidden: int, layers: list[int]) -> tuple[Module, ...]:
    """Latent attention whose output gate is projected together with the latents."""
    place, a = Place(layers=tuple(layers)), f"{LAYER}self_attn."
    rank = m.q_rank or 0
    gate = Part(m.heads * m.v, m.heads)
    merged = (Part(rank, 1, replicable=True), Part(m.width, 1, replicable=True), gate)
    return (
        Linear(f"{a}fused_qkv_a_g_proj", place, hidden, merged, "column"),
        Linear(f"{a}q_b_proj", place, rank, (Part(m.heads * (m.nope + m.rope), m.heads),), "column"),
        Linear(
            f"{a}kv_b_proj",
            place,
            m.kv_rank,
            (Part(m.heads * (m.nope + m.v), m.heads),),
            "column",
            plain_copy=True,
        ),
        Linear(f"{a}o_proj", place, m.heads * m.v, (Part(hidden, hidden),), "row"),
        *blocks.norm(f"{a}q_a_layernorm", place, rank),
        *blocks.norm(f"{a}kv_a_layernorm", place, m.kv_rank),
        Attention(a.removesuffix("."), place, latent=True),
        Buffer(f"{a}_one_scale", place, (1,), "float32"),
    )


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
    n = f"{LAYER}block_sparse_moe.routed_expert_"
    return (
        *found,
        blocks.linear(f"{n}down_proj", place, s.hidden, inner, "replicated", quantizable=False),
        blocks.linear(f"{n}up_proj", place, inner, s.hidden, "replicated", quantizable=False),
        *(blocks.norm(f"{n}norm", place, inner) if keys.flag("latent_moe_use_norm", default=False) else ()),
    )


def _residuals(s: dense.Sizes) -> tuple[Module, ...]:
    """What weighs earlier layers' outputs in each residual sum."""
    every, last = blocks.every_layer(s.layers), blocks.LAST
    return (
        *(
            Weight(f"{LAYER}{half}_res_proj.weight", every, (1, s.hidden))
            for half in ("mlp", "self_attention")
        ),
        *blocks.norm(f"{PREFIX}model.output_attn_res_norm", last, s.hidden),
        Weight(f"{PREFIX}model.output_attn_res_proj.weight", last, (1, s.hidden)),
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
