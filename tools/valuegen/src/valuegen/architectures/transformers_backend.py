"""What vLLM's Transformers backend leaves as transformers builds it: rotary frequencies instead of tables.

Source: vLLM 0.33.0 model_executor/models/transformers/base.py (recursive_replace, pipeline_parallel).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks
from valuegen.architectures.base import Buffer

if TYPE_CHECKING:
    from valuegen.architectures.dense import Sizes
    from valuegen.architectures.rope import Rope


def frequencies(s: Sizes, rope: Rope) -> tuple[Buffer, ...]:
    """One frequency for each pair of rotated elements, kept twice on every pipeline stage."""
    shape = (int(s.head_dim * rope.rotary_share) // 2,)
    place = blocks.every_stage(s.layers)
    names = ("inv_freq", "original_inv_freq")
    return tuple(Buffer(f"model.rotary_emb.{name}", place, shape, "float32") for name in names)
