"""GPT-2: learned positions, everything biased, embedding and head on every pipeline stage.

Source: vLLM 0.33.0 model_executor/models/gpt2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import gpt

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="transformer.wte",
    layer="transformer.h.*.",
    final_norm="transformer.ln_f",
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
    max_position = keys.positive("n_positions", 1024)
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(),
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        extra=(gpt.positions("transformer.wpe", s, max_position),),
    )
