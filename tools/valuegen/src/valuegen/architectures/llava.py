"""LLaVA 1.5 and 1.6 (NeXT), and Pixtral in Transformers format: a language model behind a CLIP or Pixtral tower.

Source: vLLM 0.33.0 model_executor/models/{llava,llava_next,clip,pixtral}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.architectures import blocks, nested, vision
from valuegen.architectures.base import Weight, text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

TOWERS = ("clip_vision_model", "pixtral")
PROJECTOR = "multi_modal_projector."


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe the language model, the tower up to the layer that is used, and the projector."""
    text, tower = nested.with_class_defaults(text_keys(keys)), keys.section("vision_config")
    kind = tower.text("model_type", "clip_vision_model")
    tower.one_of("model_type", kind, TOWERS)
    hidden = text.positive("hidden_size")
    modules: tuple[Module, ...] = (
        vision.pixtral(tower) if kind == "pixtral" else vision.clip(tower, feature_layer=_feature_layer(keys))
    )
    if architecture == "LlavaNextForConditionalGeneration":
        everywhere = blocks.every_stage(text.positive("num_hidden_layers"))
        modules += (Weight("image_newline", everywhere, (hidden,)),)
    return nested.language_model(text, extra=(*modules, *_projector(keys, tower, hidden)))


def _feature_layer(keys: Keys) -> int:
    """The deepest layer that the projector sees; negative counts from the last one."""
    layer = keys.raw("vision_feature_layer")
    if layer is None:
        return -2
    layers: list[Any] = layer if isinstance(layer, list) else [layer]
    if not layers or not all(type(item) is int for item in layers):
        raise keys.fail("vision_feature_layer", "must be an integer or a list of integers")
    if len(layers) > 1:
        raise keys.fail("vision_feature_layer", "lists several layers, which is not counted here")
    chosen: int = layers[0]
    return chosen


def _projector(keys: Keys, tower: Keys, hidden: int) -> tuple[Module, ...]:
    bias = keys.flag("multimodal_projector_bias", default=True)
    inputs = tower.positive("hidden_size", 1024)
    return (
        blocks.linear(
            f"{PROJECTOR}linear_1", blocks.FIRST, inputs, hidden, "column", bias=bias, quantizable=False
        ),
        blocks.linear(
            f"{PROJECTOR}linear_2", blocks.FIRST, hidden, hidden, "row", bias=bias, quantizable=False
        ),
    )
