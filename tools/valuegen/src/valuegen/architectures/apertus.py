"""Apertus: normed queries and keys, two matrices in the MLP, an activation with numbers of its own.

Source: vLLM 0.33.0 model_executor/models/apertus.py; defaults of transformers' ApertusConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import Buffer, Module, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, vocab_size=131072)
    max_position = keys.positive("max_position_embeddings", 65536)
    rotary = rope.read(keys, max_position)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
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
            gated=False,
            qk_norm=True,
            norms=("attention_layernorm", "feedforward_layernorm"),
        ),
        extra=_activation(s),
    )


def _activation(s: dense.Sizes) -> tuple[Module, ...]:
    """xIELU: two learned numbers and two constants in each layer."""
    every, name = blocks.every_layer(s.layers), "model.layers.*.mlp.act_fn."
    return (
        *(Weight(f"{name}{part}", every, (1,), "bfloat16") for part in ("alpha_p", "alpha_n")),
        *(Buffer(f"{name}{part}", every, (), "bfloat16") for part in ("beta", "eps")),
    )
