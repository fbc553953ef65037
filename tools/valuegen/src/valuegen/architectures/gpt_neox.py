"""GPT-NeoX and Pythia, which vLLM runs through its Transformers backend.

Source: vLLM 0.33.0 model_executor/models/transformers/base.py; transformers' GPTNeoX.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, gpt, rope, transformers_backend

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="model.embed_in",
    layer="model.layers.*.",
    final_norm="model.final_layer_norm",
    norms=("input_layernorm", "post_attention_layernorm"),
    qkv="attention.query_key_value",
    output="attention.dense",
    attention="attention.attn",
    up="mlp.dense_h_to_4h",
    down="mlp.dense_4h_to_h",
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys.without("num_key_value_heads"))
    bias = keys.flag("attention_bias", default=True)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    if keys.has("rotary_pct"):
        rotary = replace(rotary, rotary_share=keys.number("rotary_pct"))
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(qkv_bias=bias, output_bias=bias, every_stage=False),
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        extra=transformers_backend.frequencies(s, rotary),
    )
