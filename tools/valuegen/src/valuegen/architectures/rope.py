"""Rotary embedding tables: a buffer on the GPU for each distinct rotary embedding of a stage.

Source: vLLM 0.33.0 model_executor/layers/rotary_embedding/__init__.py (get_rope) and its classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import Buffer, Place
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.keys import Keys

# Types whose max_position_embeddings already includes the factor, or that need none.
UNSCALED_TYPES = ("su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling")
# Rows per position where positions have sections for time, height and width (mrope.py).
VIDEO_POSITIONS = 4
KNOWN_TYPES = ("default", "llama3", "linear", "dynamic", "yarn", "longrope", "mrope", "proportional")


@dataclass(frozen=True)
class Rope:
    """One rotary embedding as config.json states it."""

    type: str = "default"
    factor: float = 1.0
    original_max_position: int = 0
    rotary_share: float = 1.0  # of the head size
    positions_factor: int = 1  # of the rows, where positions count more than tokens

    @property
    def length_factor(self) -> float:
        """By how much max_model_len may exceed max_position_embeddings (config/model.py)."""
        return 1.0 if self.type in UNSCALED_TYPES else self.factor

    def rows(self, max_position: int) -> int:
        """Positions in the table."""
        if self.type == "linear":
            return int(max_position * self.factor)
        if self.type == "yarn":
            return int(self.original_max_position * self.factor) * self.positions_factor
        if self.type == "longrope":  # the short and the long table, one after the other
            return self.original_max_position + max_position
        return max_position * self.positions_factor

    def table(self, name: str, layers: Iterable[int], *, max_position: int, head_dim: int) -> Buffer:
        """The table that `layers` share."""
        suffix = "long_short_cos_sin_cache" if self.type == "longrope" else "cos_sin_cache"
        place = Place(layers=tuple(layers), shared=True)
        # A proportional embedding fills what it does not rotate with zero frequencies.
        share = 1.0 if self.type == "proportional" else self.rotary_share
        return Buffer(f"{name}.{suffix}", place, (self.rows(max_position), int(head_dim * share)))


def read(keys: Keys, max_position: int, *, share: float = 1.0) -> Rope:
    """The rotary embedding of `rope_scaling` (older) or `rope_parameters` (transformers 5).

    `share` of the head size is rotated where neither says it.
    """
    original = keys.positive("original_max_position_embeddings", 0)
    share = keys.number("partial_rotary_factor", share)
    for name in ("rope_scaling", "rope_parameters"):
        if keys.has(name):
            return parameters(keys.section(name), max_position, original=original, rotary_share=share)
    return Rope(rotary_share=share)


def parameters(section: Keys, max_position: int, *, original: int = 0, rotary_share: float = 1.0) -> Rope:
    """One rotary embedding; `original` and `rotary_share` are the model's own, outside the section."""
    rope_type = section.text("rope_type", section.text("type", "default"))
    rope_type = "longrope" if rope_type == "su" else rope_type
    section.one_of("rope_type", rope_type, KNOWN_TYPES)
    # transformers lets the model's own key win over the section's (standardize_rope_params).
    original = original or section.positive("original_max_position_embeddings", max_position)
    needs_factor = rope_type in ("linear", "dynamic", "yarn", "llama3")
    return Rope(
        type=rope_type,
        factor=section.number("factor") if needs_factor else 1.0,
        original_max_position=original,
        rotary_share=section.number("partial_rotary_factor", rotary_share),
        positions_factor=VIDEO_POSITIONS if section.has("mrope_section") else 1,
    )
