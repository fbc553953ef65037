"""StableLM: Llama with LayerNorm, a partial rotary embedding, and everything on every pipeline stage.

Source: vLLM 0.33.0 model_executor/models/stablelm.py; defaults of transformers' StableLmConfig.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys.without("head_dim"), num_key_value_heads=32, vocab_size=50304)
    max_position = keys.positive("max_position_embeddings", 4096)
    rotary = rope.read(keys, max_position)
    if not keys.has("partial_rotary_factor"):
        rotary = replace(rotary, rotary_share=0.25)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=dense.Options(
            qkv_bias=keys.flag("use_qkv_bias", default=False), norm_bias=True, every_stage=True
        ),
    )
