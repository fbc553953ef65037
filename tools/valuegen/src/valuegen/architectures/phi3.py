"""Phi-3, Phi-3.5 and Phi-4: Llama whose checkpoint stores q, k, v merged, and gate, up merged.

Source: vLLM 0.33.0 model_executor/models/phi3.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 4096)
    rotary = rope.read(keys, max_position)
    window = keys.window("sliding_window", None)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.attention_by_type(s, (True,) * s.layers, window),
        options=dense.Options(fused_checkpoint=True),
    )
