"""GPT-J: attention and MLP side by side behind one norm, partial rotary embedding, a biased head.

Source: vLLM 0.33.0 model_executor/models/gpt_j.py; defaults of transformers' GPTJConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import gpt
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="transformer.wte",
    layer="transformer.h.*.",
    final_norm="transformer.ln_f",
    norms=("ln_1",),
    qkv="attn.qkv_proj",
    output="attn.out_proj",
    attention="attn.attn",
    up="mlp.fc_in",
    down="mlp.fc_out",
    stored_qkv=("q_proj", "k_proj", "v_proj"),
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    if keys.flag("tie_word_embeddings", default=False):
        raise keys.fail("tie_word_embeddings", "is true; vLLM 0.33 asserts that GPT-J's head is its own")
    s = gpt.sizes(keys)
    max_position = keys.positive("n_positions", 2048)
    rotary = Rope(rotary_share=keys.positive("rotary_dim", 64) / s.head_dim)
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(qkv_bias=False, output_bias=False, head_bias=True),
        tie=False,
        max_position=max_position,
        rope=rotary,
        extra=gpt.tables(s, rotary, max_position, "transformer.h.*.attn.rotary_emb"),
    )
