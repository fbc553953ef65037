"""Phi-1 to Phi-2, which vLLM runs through its Transformers backend: one norm before attention and MLP.

Source: vLLM 0.33.0 model_executor/models/transformers/base.py; transformers' Phi.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, gpt, rope, transformers_backend

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="model.embed_tokens",
    layer="model.layers.*.",
    final_norm="model.final_layernorm",
    norms=("input_layernorm",),
    qkv="self_attn.qkv_proj",
    output="self_attn.dense",
    attention="self_attn.attn",
    up="mlp.fc1",
    down="mlp.fc2",
    stored_qkv=("q_proj", "k_proj", "v_proj"),
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    if keys.flag("qk_layernorm", default=False):
        raise keys.fail("qk_layernorm", "is true; norms of queries and keys are not counted here for Phi")
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    if not keys.has("partial_rotary_factor"):
        rotary = replace(rotary, rotary_share=0.5)
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(every_stage=False),
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        extra=transformers_backend.frequencies(s, rotary),
    )
