"""InternVL 2 to 3.5 (InternVLChatModel): a language model behind InternViT, patches merged by a plain MLP.

Source: vLLM 0.33.0 model_executor/models/{internvl,intern_vit}.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, nested
from valuegen.architectures.base import Module, Place, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Linear
    from valuegen.keys import Keys

FIRST = blocks.FIRST
TOWER = "vision_model."


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model, the tower up to the layer that is used, and the MLP between them."""
    text, vision = keys.section("llm_config"), keys.section("vision_config")
    hidden, text_hidden = vision.positive("hidden_size", 3200), text.positive("hidden_size")
    merged = hidden * int(1 / keys.number("downsample_ratio", 0.5)) ** 2
    projector = (
        *blocks.norm("mlp1.0", FIRST, merged, bias=True),
        *blocks.parameters("mlp1.1", FIRST, (text_hidden, merged)),
        *blocks.parameters("mlp1.3", FIRST, (text_hidden, text_hidden)),
    )
    return nested.language_model(text, extra=(*_tower(keys, vision, hidden), *projector))


def _tower(keys: Keys, vision: Keys, hidden: int) -> tuple[Module, ...]:
    inner, heads = vision.positive("intermediate_size", 12800), vision.positive("num_attention_heads", 25)
    patch, channels = vision.positive("patch_size", 14), vision.positive("num_channels", 3)
    positions = (vision.positive("image_size", 224) // patch) ** 2 + 1
    layers = Place(first=True, copies=_layers(keys, vision.positive("num_hidden_layers", 48)))
    layer_norm = vision.text("norm_type", "rms_norm") == "layer_norm"
    block = f"{TOWER}encoder.layers.*."
    modules: list[Module] = [
        Weight(f"{TOWER}embeddings.class_embedding", FIRST, (1, 1, hidden)),
        *blocks.parameters(f"{TOWER}embeddings.patch_embedding", FIRST, (hidden, channels, patch, patch)),
        Weight(f"{TOWER}embeddings.position_embedding", FIRST, (1, positions, hidden)),
        *(replace(linear, whole_unless=heads) for linear in _attention(vision, block, layers, hidden, heads)),
        blocks.linear(f"{block}mlp.fc1", layers, hidden, inner, "column", bias=True, quantizable=False),
        blocks.linear(f"{block}mlp.fc2", layers, inner, hidden, "row", bias=True, quantizable=False),
        *(Weight(f"{block}{scale}", layers, (hidden,)) for scale in ("ls1", "ls2")),
    ]
    for name in ("norm1", "norm2"):
        modules.extend(blocks.norm(f"{block}{name}", layers, hidden, bias=layer_norm))
    if vision.flag("qk_normalization", default=False):
        for name in ("q_norm", "k_norm"):
            modules.extend(blocks.norm(f"{block}attn.{name}", layers, hidden))
    return tuple(modules)


def _attention(vision: Keys, block: str, layers: Place, hidden: int, heads: int) -> tuple[Linear, ...]:
    return (
        blocks.qkv(
            f"{block}attn.qkv",
            layers,
            hidden,
            heads=heads,
            head_dim=vision.quotient("hidden_size", "num_attention_heads", hidden, heads),
            bias=vision.flag("qkv_bias", default=False),
            quantizable=False,
        ),
        blocks.linear(f"{block}attn.proj", layers, hidden, hidden, "row", bias=True, quantizable=False),
    )


def _layers(keys: Keys, layers: int) -> int:
    """Layers up to the one that the MLP reads; negative counts from the last one."""
    selected = keys.raw("select_layer")
    if selected is None:
        return layers
    if type(selected) is not int or not -layers <= selected < layers:
        raise keys.fail("select_layer", f"is {selected!r}; it must be one of the tower's {layers} layers")
    return selected + 1 if selected >= 0 else layers + selected + 1
