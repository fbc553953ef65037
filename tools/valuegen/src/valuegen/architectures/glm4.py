"""GLM-4-0414 and GLM-Z1: Llama with norms after attention and MLP as well, half of each head rotated.

Source: vLLM 0.33.0 model_executor/models/glm4.py; defaults of transformers' Glm4Config.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NORMS = ("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm")


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=2, head_dim=128, vocab_size=151552)
    max_position = keys.positive("max_position_embeddings", 131072)
    rotary = rope.read(keys, max_position)
    if not keys.has("partial_rotary_factor") and rotary.rotary_share == 1:
        rotary = replace(rotary, rotary_share=0.5)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=dense.Options(qkv_bias=keys.flag("attention_bias", default=False), norms=NORMS),
    )
