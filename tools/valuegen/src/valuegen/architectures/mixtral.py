"""Mixtral 8x7B and 8x22B.

Source: vLLM 0.33.0 model_executor/models/mixtral.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

PROJECTIONS = ("w1", "w3", "w2")


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=8)
    max_position = keys.positive("max_position_embeddings", 4096 * 32)
    rotary = rope.read(keys, max_position)
    options = dense.Options(every_stage=True)
    block = moe.Block(
        experts=keys.positive("num_local_experts", 8),
        width=s.intermediate,
        module="block_sparse_moe",
        projections=PROJECTIONS,
    )
    # vLLM's Attention falls back to the config's window (layers/attention/attention.py).
    window = keys.window("sliding_window", None)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.attention_by_type(s, (True,) * s.layers, window),
        options=options,
        feed_forward=moe.modules(s, block, range(s.layers), options=options),
    )
