"""Falcon: few key/value heads, attention and MLP side by side, rotary embedding or ALiBi.

Source: vLLM 0.33.0 model_executor/models/falcon.py; defaults of transformers' FalconConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import gpt, rope
from valuegen.architectures.dense import Sizes

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = _sizes(keys)
    bias = keys.flag("bias", default=False)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    tables = gpt.tables(s, rotary, max_position, "transformer.h.*.self_attention.rotary_emb")
    return gpt.decoder(
        s,
        gpt.Names(
            embedding="transformer.word_embeddings",
            layer="transformer.h.*.",
            final_norm="transformer.ln_f",
            norms=_norms(keys),
            qkv="self_attention.query_key_value",
            output="self_attention.dense",
            attention="self_attention.attn",
            up="mlp.dense_h_to_4h",
            down="mlp.dense_4h_to_h",
        ),
        gpt.Options(qkv_bias=bias, output_bias=bias, mlp_bias=bias),
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        rope=rotary,
        extra=() if keys.flag("alibi", default=False) else tables,
    )


def _sizes(keys: Keys) -> Sizes:
    hidden, heads = keys.positive("hidden_size", 4544), keys.positive("num_attention_heads", 71)
    if keys.flag("new_decoder_architecture", default=False):
        kv_heads = keys.positive("num_kv_heads", heads)
    else:
        kv_heads = 1 if keys.flag("multi_query", default=True) else heads
    keys.divisible("num_attention_heads", heads, "num_kv_heads", kv_heads)
    return Sizes(
        hidden=hidden,
        intermediate=4 * hidden,  # vLLM does not read ffn_hidden_size
        layers=keys.positive("num_hidden_layers", 32),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=keys.quotient("hidden_size", "num_attention_heads", hidden, heads),
        vocab=keys.positive("vocab_size", 65024),
    )


def _norms(keys: Keys) -> tuple[str, ...]:
    if not keys.flag("parallel_attn", default=True):
        return ("input_layernorm", "post_attention_layernorm")
    default = 2 if keys.flag("new_decoder_architecture", default=False) else 1
    two = keys.positive("num_ln_in_parallel_attn", default) == 2
    return ("ln_attn", "ln_mlp") if two else ("input_layernorm",)
