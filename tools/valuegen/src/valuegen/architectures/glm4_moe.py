"""GLM-4.5 and 4.6: the first layers dense, then experts beside a shared one.

Source: vLLM 0.33.0 model_executor/models/glm4_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=8)
    max_position = keys.positive("max_position_embeddings", 131072)
    rotary = rope.read(keys, max_position, share=0.5)
    options = dense.Options(
        qkv_bias=keys.flag("attention_bias", default=False),
        qk_norm=keys.flag("use_qk_norm", default=False),
    )
    width = keys.positive("moe_intermediate_size", 1408)
    block = moe.Block(
        experts=keys.positive("n_routed_experts", 128),
        width=width,
        router_dtype="float32",
        routing_bias="gate.e_score_correction_bias",
        shared_width=width * keys.count("n_shared_experts", 1),
    )
    first = keys.count("first_k_dense_replace", 1)
    sparse = tuple(layer >= first for layer in range(s.layers))
    return dense.decoder(
        s,
        tie=False,  # this file of vLLM makes a head of its own whatever the config says
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=options,
        feed_forward=moe.mixed(s, block, sparse, options=options),
    )
