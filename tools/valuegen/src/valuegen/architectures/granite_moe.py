"""Granite 3 with experts, and with a shared MLP beside them.

Source: vLLM 0.33.0 model_executor/models/{granitemoe,granitemoeshared}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, granite_hybrid, moe, rope
from valuegen.architectures.mixtral import PROJECTIONS

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a model of this family."""
    for key in ("layer_types", "layer_rope_theta"):
        if keys.has(key):
            raise keys.fail(key, "makes layers differ, which is not supported here", "use another model")
    s = dense.sizes(keys.without("head_dim"))
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    options = dense.Options(every_stage=True)
    block = moe.Block(
        experts=keys.positive("num_local_experts", 8),
        width=s.intermediate,
        module="block_sparse_moe",
        projections=PROJECTIONS,
    )
    shared = granite_hybrid.shared_mlp(keys, s, default=0) if "Shared" in architecture else ()
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=options,
        feed_forward=(*moe.modules(s, block, range(s.layers), options=options), *shared),
    )
