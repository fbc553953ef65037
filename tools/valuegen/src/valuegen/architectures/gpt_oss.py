"""gpt-oss: experts with biases, attention sinks, a window in every other layer.

Source: vLLM 0.33.0 model_executor/models/gpt_oss.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope
from valuegen.architectures.base import Place, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=8, head_dim=64)
    max_position = keys.positive("max_position_embeddings", 131072)
    rotary = rope.read(keys, max_position)
    options = dense.Options(
        qkv_bias=True,
        output_bias=True,
        every_stage=True,
        attention="attn",
        embedding="embedding",
        replicable_kv=False,
    )
    block = moe.Block(
        experts=keys.positive("num_local_experts", 128),
        width=s.intermediate,
        router="router",
        router_bias=True,
        expert_bias=True,
        even_width=True,
    )
    every = Place(layers=tuple(range(s.layers)))
    local = tuple(layer % 2 == 0 for layer in range(s.layers))
    table = dense.rotary_table(s, rotary, max_position)
    return dense.decoder(
        s,
        tie=False,  # this file of vLLM makes a head of its own whatever the config says
        max_position=max_position,
        rope=rotary,
        tables=(replace(table, dtype="float32"),),
        kv_layers=dense.attention_by_type(s, local, keys.window("sliding_window", 128)),
        options=options,
        feed_forward=moe.modules(s, block, range(s.layers), options=options),
        extra=(Weight("model.layers.*.attn.sinks", every, (s.heads,), units=s.heads),),
    )
