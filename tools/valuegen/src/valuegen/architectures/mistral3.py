"""Mistral Small 3.1 and later: a Mistral decoder with a Pixtral tower.

Source: vLLM 0.33.0 model_executor/models/mistral3.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import mistral, vision
from valuegen.architectures.base import text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model, the tower and the projector."""
    text = text_keys(keys)
    tower = vision.mistral3(
        keys.section("vision_config"),
        text.positive("hidden_size"),
        merge=keys.positive("spatial_merge_size", 2),
        projector_bias=keys.flag("multimodal_projector_bias", default=False),
    )
    # Only the text model's own key counts: vLLM builds it from text_config alone.
    tie = text.flag("tie_word_embeddings", default=False)
    return mistral.language_model(text, tie=tie, prefix="language_model.", extra=tower)
