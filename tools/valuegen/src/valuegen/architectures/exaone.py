"""EXAONE 3 and 3.5: Llama under the names of GPT-2.

Source: vLLM 0.33.0 model_executor/models/exaone.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, gpt, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="transformer.wte",
    layer="transformer.h.*.",
    final_norm="transformer.ln_f",
    norms=("ln_1", "ln_2"),
    qkv="attn.attention.qkv_proj",
    output="attn.attention.out_proj",
    attention="attn.attention.attn",
    up="mlp.gate_up_proj",
    down="mlp.c_proj",
    stored_qkv=("q_proj", "k_proj", "v_proj"),
    stored_up=("c_fc_0", "c_fc_1"),
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    renamed = keys.defaulting({"num_hidden_layers": keys.raw("num_layers")})
    s = dense.sizes(renamed)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(
            qkv_bias=bias,
            output_bias=bias,
            mlp_bias=keys.flag("mlp_bias", default=False),
            norm_bias=False,
            gated=True,
            every_stage=False,
        ),
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        extra=gpt.tables(s, rotary, max_position, "transformer.h.*.attn.attention.rotary_emb"),
    )
