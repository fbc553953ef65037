"""OPT: learned positions with two rows to spare, a narrower embedding in the 350M model.

Source: vLLM 0.33.0 model_executor/models/opt.py; defaults of transformers' OPTConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gpt
from valuegen.architectures.dense import Sizes

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

POSITION_OFFSET = 2

DECODER = "model.decoder."


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    hidden, heads = keys.positive("hidden_size", 768), keys.positive("num_attention_heads", 12)
    s = Sizes(
        hidden=hidden,
        intermediate=keys.positive("ffn_dim", 3072),
        layers=keys.positive("num_hidden_layers", 12),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("hidden_size", "num_attention_heads", hidden, heads),
        vocab=keys.positive("vocab_size", 50272),
    )
    affine = keys.flag("layer_norm_elementwise_affine", default=True)
    bias = keys.flag("enable_bias", default=True)
    before = keys.flag("do_layer_norm_before", default=True)
    width = keys.positive("word_embed_proj_dim", hidden)
    max_position = keys.positive("max_position_embeddings", 2048)
    return gpt.decoder(
        s,
        gpt.Names(
            embedding=f"{DECODER}embed_tokens",
            layer=f"{DECODER}layers.*.",
            final_norm=f"{DECODER}final_layer_norm",
            norms=("self_attn_layer_norm", "final_layer_norm") if affine else (),
            qkv="self_attn.qkv_proj",
            output="self_attn.out_proj",
            attention="self_attn.attn",
            up="fc1",
            down="fc2",
            stored_qkv=("q_proj", "k_proj", "v_proj"),
        ),
        gpt.Options(
            qkv_bias=bias,
            output_bias=bias,
            mlp_bias=bias,
            final_norm=affine and before and not keys.flag("_remove_final_layer_norm", default=False),
            embedding_width=width,
        ),
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        extra=(
            gpt.positions(f"{DECODER}embed_positions", s, max_position + POSITION_OFFSET),
            *_projections(s, width),
        ),
    )


def _projections(s: Sizes, width: int) -> tuple[Module, ...]:
    """Between the embedding's width and the decoder's, on every pipeline stage."""
    if width == s.hidden:
        return ()
    everywhere = blocks.every_stage(s.layers)
    return (
        blocks.linear(f"{DECODER}project_in", everywhere, width, s.hidden, "replicated"),
        blocks.linear(f"{DECODER}project_out", everywhere, s.hidden, width, "replicated"),
    )
