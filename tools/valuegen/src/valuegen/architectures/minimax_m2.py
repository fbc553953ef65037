"""MiniMax-M2: experts in every layer; q and k normed whole, split with the heads.

Source: vLLM 0.33.0 model_executor/models/minimax_m2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope
from valuegen.architectures.base import Place, Weight
from valuegen.architectures.mixtral import PROJECTIONS

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

ROTARY_DIM = 64  # of a head, where the config leaves it out


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings")
    rotary = rope.read(keys, max_position, share=keys.positive("rotary_dim", ROTARY_DIM) / s.head_dim)
    options = dense.Options(qkv_bias=keys.flag("attention_bias", default=False))
    block = moe.Block(
        experts=keys.positive("num_local_experts"),
        width=s.intermediate,
        module="block_sparse_moe",
        router_dtype="float32",
        routing_bias="e_score_correction_bias" if keys.flag("use_routing_bias", default=True) else None,
        projections=PROJECTIONS,
        checkpoint_module="mlp",  # the name that vLLM's file hands to the quantization method
        one_per_gpu=True,
    )
    every = Place(layers=tuple(range(s.layers)))
    layer = "model.layers.*.self_attn."
    q, k = (s.heads * s.head_dim,), (s.kv_heads * s.head_dim,)
    return dense.decoder(
        s,
        tie=False,  # this file of vLLM makes a head of its own whatever the config says
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=options,
        feed_forward=moe.modules(s, block, range(s.layers), options=options),
        extra=(
            Weight(f"{layer}q_norm.weight", every, q, units=s.heads),
            Weight(f"{layer}k_norm.weight", every, k, units=s.kv_heads, replicable=True),
        ),
    )
