"""Llama 1-3 and the models that declare themselves Llama: Yi, SmolLM, TinyLlama and others.

Source: vLLM 0.33.0 model_executor/models/llama.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 2048)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
    rotary = rope.read(keys, max_position)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=dense.Options(
            qkv_bias=keys.flag("qkv_bias", default=bias),
            output_bias=bias,
            mlp_bias=keys.flag("mlp_bias", default=False),
        ),
    )
