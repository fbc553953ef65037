"""StarCoder and SantaCoder, which vLLM runs through its Transformers backend: one key/value head.

transformers has no plan for splitting them, so only what vLLM recognizes itself, attention and
embeddings, is split, and every GPU holds the whole MLP.
Source: vLLM 0.33.0 model_executor/models/transformers/base.py; transformers' GPTBigCode.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gpt
from valuegen.architectures.base import Buffer

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="model.wte",
    layer="model.h.*.",
    final_norm="model.ln_f",
    norms=("ln_1", "ln_2"),
    qkv="attn.c_attn",
    output="attn.c_proj",
    attention="attn.attn",
    up="mlp.c_fc",
    down="mlp.c_proj",
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = gpt.sizes(keys)
    if keys.flag("multi_query", default=True):
        s = replace(s, kv_heads=1)
    tie = keys.flag("tie_word_embeddings", default=True)
    max_position = keys.positive("n_positions", 1024)
    mask = Buffer("model.bias", blocks.every_stage(s.layers), (max_position, max_position), "bool")
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(split_mlp=False, every_stage=False),
        tie=tie,
        max_position=max_position,
        extra=(gpt.positions("model.wpe", s, max_position, place=blocks.first(tied=tie)), mask),
    )
