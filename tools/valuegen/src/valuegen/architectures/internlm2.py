"""InternLM2 and 2.5: Llama under names of its own, without biases, embedding and head on every stage.

Source: vLLM 0.33.0 model_executor/models/internlm2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, gpt, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NAMES = gpt.Names(
    embedding="model.tok_embeddings",
    layer="model.layers.*.",
    final_norm="model.norm",
    norms=("attention_norm", "ffn_norm"),
    qkv="attention.wqkv",
    output="attention.wo",
    attention="attention.attn",
    up="feed_forward.gate_up_proj",
    down="feed_forward.w2",
    head="output",
    stored_up=("w1", "w3"),
)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    return gpt.decoder(
        s,
        NAMES,
        gpt.Options(
            qkv_bias=False, output_bias=False, mlp_bias=False, norm_bias=False, gated=True, every_stage=True
        ),
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        extra=gpt.tables(s, rotary, max_position, "model.layers.*.attention.rotary_emb"),
    )
