"""StarCoder2, which vLLM runs through its Transformers backend: a window in every layer, biased GPT MLP.

Source: vLLM 0.33.0 model_executor/models/transformers/base.py; transformers' Starcoder2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, gpt, rope, transformers_backend

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="model.embed_tokens",
    layer="model.layers.*.",
    final_norm="model.norm",
    norms=("input_layernorm", "post_attention_layernorm"),
    qkv="self_attn.qkv_proj",
    output="self_attn.o_proj",
    attention="self_attn.attn",
    up="mlp.c_fc",
    down="mlp.c_proj",
    stored_qkv=("q_proj", "k_proj", "v_proj"),
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    bias = keys.flag("use_bias", default=True)
    max_position = keys.positive("max_position_embeddings", 4096)
    rotary = rope.read(keys, max_position)
    window = keys.window("sliding_window", None)
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(qkv_bias=bias, output_bias=bias, mlp_bias=bias, every_stage=False),
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        rope=rotary,
        kv_layers=dense.attention_by_type(s, (True,) * s.layers, window),
        extra=transformers_backend.frequencies(s, rotary),
    )
