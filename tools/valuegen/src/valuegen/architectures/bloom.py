"""BLOOM: ALiBi instead of positions, a norm behind the embedding, everything biased.

Source: vLLM 0.33.0 model_executor/models/bloom.py; defaults of transformers' BloomConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gpt
from valuegen.architectures.dense import Sizes

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

DEFAULT_LENGTH = 2048  # tokens; ALiBi has none, vLLM takes this where no key states one

NAMES = gpt.Names(
    embedding="transformer.word_embeddings",
    layer="transformer.h.*.",
    final_norm="transformer.ln_f",
    norms=("input_layernorm", "post_attention_layernorm"),
    qkv="self_attention.query_key_value",
    output="self_attention.dense",
    attention="self_attention.attn",
    up="mlp.dense_h_to_4h",
    down="mlp.dense_4h_to_h",
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    hidden = keys.positive("hidden_size", keys.positive("n_embed", 64))
    heads = keys.positive("num_attention_heads", keys.positive("n_head", 8))
    s = Sizes(
        hidden=hidden,
        intermediate=4 * hidden,
        layers=keys.positive("num_hidden_layers", keys.positive("n_layer", 2)),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("hidden_size", "n_head", hidden, heads),
        vocab=keys.positive("vocab_size", 250880),
    )
    norm = blocks.norm(
        "transformer.word_embeddings_layernorm", blocks.every_stage(s.layers), hidden, bias=True
    )
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(),
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=keys.positive("seq_length", DEFAULT_LENGTH),
        extra=norm,
    )
