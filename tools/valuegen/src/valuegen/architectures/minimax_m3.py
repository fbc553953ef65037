"""MiniMax-M3: grouped-query attention that reads the blocks an index picks, experts, a vision tower.

Source: vLLM 0.33.0 models/minimax_m3/nvidia/model.py, models/minimax_m3/common/{indexer,vision_tower}.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, moe, rope
from valuegen.architectures.base import (
    MODEL_DTYPE,
    Attention,
    Buffer,
    KvLayer,
    LatentKv,
    Linear,
    Part,
    Place,
    Weight,
    text_keys,
)

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

PREFIX = "language_model."
LAYER = f"{PREFIX}model.layers.*."
FIRST = blocks.FIRST
BLOCK = 128  # tokens that the sparse kernels read at once


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model and the tower."""
    text = text_keys(keys)
    s = replace(dense.sizes(text), intermediate=text.positive("dense_intermediate_size"))
    max_position = text.positive("max_position_embeddings")
    rotary = rope.read(text, max_position)
    options = dense.Options(qk_norm=text.flag("use_qk_norm", default=False), prefix=PREFIX)
    sparse = text.section("sparse_attention_config")
    indexed = _switches(sparse, "sparse_attention_freq", s.layers)
    index_dim = sparse.positive("sparse_index_dim")
    full = [layer for layer in range(s.layers) if not indexed[layer]]
    picking = [layer for layer in range(s.layers) if indexed[layer]]
    caches = (
        LatentKv(index_dim, dtype=MODEL_DTYPE, kernel_block=BLOCK),
        KvLayer("full", s.kv_heads, s.head_dim, kernel_block=BLOCK),
    )
    return dense.decoder(
        s,
        tie=text.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, prefix=PREFIX),),
        kv_layers=tuple(caches if is_indexed else dense.full_attention(s)[0] for is_indexed in indexed),
        options=options,
        attention_blocks=(
            *dense.attention(s, full, options=options),
            *_indexed(s, sparse.positive("sparse_num_index_heads"), index_dim, picking),
        ),
        feed_forward=_feed_forward(text, s, options),
        extra=_tower(keys.section("vision_config"), keys, s.hidden),
    )


def _switches(keys: Keys, key: str, layers: int) -> tuple[bool, ...]:
    """A list with 0 or 1 for each layer."""
    raw = keys.raw(key)
    if not isinstance(raw, list) or len(raw) != layers or not set(raw) <= {0, 1}:
        raise keys.fail(key, f"must hold 0 or 1 for each of the {layers} layers")
    return tuple(value == 1 for value in raw)


def _feed_forward(keys: Keys, s: dense.Sizes, options: dense.Options) -> tuple[Module, ...]:
    sparse = _switches(keys, "moe_layer_freq", s.layers)
    experts = [layer for layer in range(s.layers) if sparse[layer]]
    plain = [layer for layer in range(s.layers) if not sparse[layer]]
    return (
        *moe.modules(s, _block(keys), experts, options=options),
        *dense.mlp(s, s.intermediate, plain, options=options),
    )


def _block(keys: Keys) -> moe.Block:
    shared = keys.count("shared_intermediate_size", 0) * keys.count("n_shared_experts", 0)
    bias = keys.flag("use_routing_bias", default=False)
    return moe.Block(
        experts=keys.positive("num_local_experts"),
        width=keys.positive("intermediate_size"),
        module="block_sparse_moe",
        router_dtype="float32",
        routing_bias="e_score_correction_bias" if bias else None,
        projections=("w1", "w3", "w2"),
        shared_width=shared,
    )


def _indexed(s: dense.Sizes, index_heads: int, index_dim: int, layers: list[int]) -> tuple[Module, ...]:
    """Attention whose projection also makes the index's queries and keys."""
    place, n = Place(layers=tuple(layers)), f"{LAYER}self_attn."
    kv = Part(s.kv_heads * s.head_dim, s.kv_heads, replicable=True)
    index = Part(index_heads * index_dim, index_heads, replicable=True), Part(index_dim, 1, replicable=True)
    names = ("q_proj", "k_proj", "v_proj", "index_q_proj", "index_k_proj")
    return (
        Linear(
            f"{n}qkv_proj",
            place,
            s.hidden,
            (Part(s.heads * s.head_dim, s.heads), kv, kv, *index),
            "column",
            checkpoint_names=tuple(f"{n}{name}" for name in names),
        ),
        blocks.linear(f"{n}o_proj", place, s.heads * s.head_dim, s.hidden, "row", stored_as=(f"{n}o_proj",)),
        *blocks.norm(f"{n}q_norm", place, s.head_dim),
        *blocks.norm(f"{n}k_norm", place, s.head_dim),
        *blocks.norm(f"{n}index_q_norm", place, index_dim),
        *blocks.norm(f"{n}index_k_norm", place, index_dim),
        Attention(n.removesuffix("."), place),
    )


def _tower(keys: Keys, root: Keys, text_hidden: int) -> tuple[Module, ...]:
    hidden, inner = keys.positive("hidden_size"), keys.positive("intermediate_size")
    heads, patch = keys.positive("num_attention_heads"), keys.positive("patch_size")
    token = keys.optional("img_token_compression_config")
    merge, frames = token.positive("spatial_merge_size", 2), token.positive("temporal_patch_size", 2)
    projected = root.positive("projector_hidden_size", text_hidden)
    layers = Place(first=True, copies=keys.positive("num_hidden_layers"))
    t = "vision_tower.vision_model."
    b, p, q = f"{t}encoder.layers.*.", "vision_tower.multi_modal_projector.", "vision_tower.patch_merge_mlp."
    head_dim = keys.quotient("hidden_size", "num_attention_heads", hidden, heads)
    frequencies = (head_dim // 6,)  # rotary embedding over height, width and time
    linears = (
        (f"{b}self_attn.out_proj", layers, hidden, hidden, True),
        (f"{b}fc1", layers, hidden, inner, False),
        (f"{b}fc2", layers, inner, hidden, True),
        (f"{p}linear_1", FIRST, hidden, projected, False),
        (f"{p}linear_2", FIRST, projected, text_hidden, True),
        (f"{q}linear_1", FIRST, text_hidden * merge**2, projected, False),
        (f"{q}linear_2", FIRST, projected, text_hidden, True),
    )
    channels = keys.positive("num_channels", 3)
    return (
        Weight(f"{t}embeddings.patch_embedding.weight", FIRST, (hidden, channels, frames, patch, patch)),
        blocks.qkv(
            f"{b}self_attn.qkv_proj",
            layers,
            hidden,
            heads=heads,
            head_dim=head_dim,
            bias=True,
            quantizable=False,
        ),
        *(
            blocks.linear(
                name, place, inputs, outputs, "row" if row else "column", bias=True, quantizable=False
            )
            for name, place, inputs, outputs, row in linears
        ),
        *blocks.norm(f"{b}layer_norm1", layers, hidden, bias=True),
        *blocks.norm(f"{b}layer_norm2", layers, hidden, bias=True),
        *blocks.norm(f"{t}pre_layrnorm", FIRST, hidden, bias=True),
        *(Buffer(f"{t}inv_freq_{axis}", FIRST, frequencies, "float32") for axis in "hwt"),
    )
