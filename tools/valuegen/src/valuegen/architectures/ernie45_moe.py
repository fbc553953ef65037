"""ERNIE 4.5: the first layers dense, then experts beside shared ones.

Source: vLLM 0.33.0 model_executor/models/ernie45_moe.py; defaults of transformers' config.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=4)
    max_position = keys.positive("max_position_embeddings", 131072)
    rotary = rope.read(keys, max_position)
    bias = keys.flag("use_bias", default=False)
    options = dense.Options(qkv_bias=bias)
    width = keys.positive("moe_intermediate_size", 1536)
    block = moe.Block(
        experts=keys.positive("moe_num_experts", 64),
        width=width,
        router_dtype="float32",
        routing_bias="gate.e_score_correction_bias",
        one_per_gpu=True,
        shared_width=width * keys.count("moe_num_shared_experts", 2),
    )
    last = s.layers - 1
    if keys.has("moe_layer_end_index") and keys.raw("moe_layer_end_index") != -1:
        last = keys.count("moe_layer_end_index", last)
    start, step = keys.count("moe_layer_start_index", 1), keys.positive("moe_layer_interval", 1)
    sparse = [layer for layer in range(s.layers) if start <= layer <= last and (layer + 1) % step == 0]
    plain = [layer for layer in range(s.layers) if layer not in sparse]
    tie = keys.flag("tie_word_embeddings", default=True)
    described = dense.decoder(
        s,
        tie=tie,
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=options,
        feed_forward=(
            *moe.modules(s, block, sparse, options=options),
            *dense.mlp(s, s.intermediate, plain, options=replace(options, mlp_bias=bias)),
        ),
    )
    # vLLM 0.33 ties the head on stages that have none, and fails.
    return replace(described, supports_pipeline=not tie)
