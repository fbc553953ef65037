"""Llama 1-3, the models that declare themselves Llama (Yi, SmolLM, TinyLlama), and those that vLLM runs alike.

Granite's multipliers take no memory; Ernie's one bias key stands for all.
Source: vLLM 0.33.0 model_executor/models/{llama,granite,ernie45}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 2048)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
    ernie = architecture == "Ernie4_5ForCausalLM"
    if ernie:
        bias = keys.flag("use_bias", default=False)
    rotary = rope.read(keys, max_position)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=ernie),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.attention_by_type(s, (True,) * s.layers, keys.window("sliding_window", None)),
        options=dense.Options(
            qkv_bias=keys.flag("qkv_bias", default=bias),
            output_bias=bias and not ernie,
            mlp_bias=bias if ernie else keys.flag("mlp_bias", default=False),
        ),
    )
