"""OLMoE: a Llama with experts whose q and k are normed whole.

Source: vLLM 0.33.0 model_executor/models/olmoe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope
from valuegen.architectures.base import Place, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys.without("head_dim"))
    max_position = keys.positive("max_position_embeddings", 4096)
    rotary = rope.read(keys, max_position)
    options = dense.Options(every_stage=True)
    block = moe.Block(experts=keys.positive("num_experts", 64), width=s.intermediate)
    every = Place(layers=tuple(range(s.layers)))
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
            Weight("model.layers.*.self_attn.q_norm.weight", every, (s.heads * s.head_dim,)),
            Weight("model.layers.*.self_attn.k_norm.weight", every, (s.kv_heads * s.head_dim,)),
        ),
    )
