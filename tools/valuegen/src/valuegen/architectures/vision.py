"""Vision towers and the projectors into the language model; all on the first pipeline stage.

Source: vLLM 0.33.0 model_executor/models/{siglip,pixtral,gemma3_mm,mistral3,mllama4}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import Buffer, Linear, Module, Part, Place, Weight

if TYPE_CHECKING:
    from valuegen.keys import Keys

FIRST = Place(first=True)


def siglip(keys: Keys, text_hidden: int) -> tuple[Module, ...]:
    """SigLIP and Gemma 3's projector."""
    hidden = keys.positive("hidden_size", 768)
    inner = keys.positive("intermediate_size", 3072)
    patch = keys.positive("patch_size", 16)
    channels = keys.positive("num_channels", 3)
    heads = keys.positive("num_attention_heads", 12)
    positions = (keys.positive("image_size", 224) // patch) ** 2
    layers = Place(first=True, copies=keys.positive("num_hidden_layers", 12))
    tower = "vision_tower.vision_model."
    block = f"{tower}encoder.layers.*."
    head_part = Part(hidden, heads)
    whole, wide = Part(hidden, hidden), Part(inner, inner)
    modules: list[Module] = [
        Weight(f"{tower}embeddings.patch_embedding.weight", FIRST, (hidden, channels, patch, patch)),
        Weight(f"{tower}embeddings.patch_embedding.bias", FIRST, (hidden,)),
        Weight(f"{tower}embeddings.position_embedding.weight", FIRST, (positions, hidden)),
        Buffer(f"{tower}embeddings.position_ids", FIRST, (1, positions), "int64"),
        _linear(f"{block}self_attn.qkv_proj", layers, hidden, (head_part,) * 3, "column", bias=True),
        _linear(f"{block}self_attn.out_proj", layers, hidden, (whole,), "row", bias=True),
        _linear(f"{block}mlp.fc1", layers, hidden, (wide,), "column", bias=True),
        _linear(f"{block}mlp.fc2", layers, inner, (whole,), "row", bias=True),
        Weight("multi_modal_projector.mm_input_projection_weight", FIRST, (hidden, text_hidden)),
        Weight("multi_modal_projector.mm_soft_emb_norm.weight", FIRST, (hidden,)),
    ]
    modules.extend(
        Weight(f"{block}{norm}.{part}", layers, (hidden,))
        for norm in ("layer_norm1", "layer_norm2")
        for part in ("weight", "bias")
    )
    modules.extend(Weight(f"{tower}post_layernorm.{part}", FIRST, (hidden,)) for part in ("weight", "bias"))
    return tuple(modules)


def clip(keys: Keys, *, feature_layer: int) -> tuple[Module, ...]:
    """CLIP up to the layer that is used; its last norm only where all layers are."""
    hidden, inner = keys.positive("hidden_size", 768), keys.positive("intermediate_size", 3072)
    patch, channels = keys.positive("patch_size", 32), keys.positive("num_channels", 3)
    heads, depth = keys.positive("num_attention_heads", 12), keys.positive("num_hidden_layers", 12)
    positions = (keys.positive("image_size", 224) // patch) ** 2 + 1  # and one for the class
    used = min(depth, feature_layer if feature_layer >= 0 else depth + feature_layer + 1)
    layers = Place(first=True, copies=used)
    tower = "vision_tower.vision_model."
    block = f"{tower}encoder.layers.*."
    head_part, whole, wide = Part(hidden, heads), Part(hidden, hidden), Part(inner, inner)
    norms = {
        "pre_layrnorm": FIRST,
        "encoder.layers.*.layer_norm1": layers,
        "encoder.layers.*.layer_norm2": layers,
    }
    if used == depth:
        norms["post_layernorm"] = FIRST
    modules: list[Module] = [
        Weight(f"{tower}embeddings.class_embedding", FIRST, (hidden,)),
        Weight(f"{tower}embeddings.patch_embedding.weight", FIRST, (hidden, channels, patch, patch)),
        Weight(f"{tower}embeddings.position_embedding.weight", FIRST, (positions, hidden)),
        Buffer(f"{tower}embeddings.position_ids", FIRST, (1, positions), "int64"),
        _linear(f"{block}self_attn.qkv_proj", layers, hidden, (head_part,) * 3, "column", bias=True),
        _linear(f"{block}self_attn.out_proj", layers, hidden, (whole,), "row", bias=True),
        _linear(f"{block}mlp.fc1", layers, hidden, (wide,), "column", bias=True),
        _linear(f"{block}mlp.fc2", layers, inner, (whole,), "row", bias=True),
    ]
    modules.extend(
        Weight(f"{tower}{norm}.{part}", place, (hidden,))
        for norm, place in norms.items()
        for part in ("weight", "bias")
    )
    return tuple(modules)


def mistral3(keys: Keys, text_hidden: int, *, merge: int, projector_bias: bool) -> tuple[Module, ...]:
    """Pixtral and Mistral 3's projector with its patch merger."""
    hidden = keys.positive("hidden_size", 1024)
    text = Part(text_hidden, text_hidden)
    projector = "multi_modal_projector."
    return (
        *pixtral(keys),
        Weight(f"{projector}norm.weight", FIRST, (hidden,)),
        Weight(f"{projector}patch_merger.merging_layer.weight", FIRST, (hidden, hidden * merge**2)),
        _linear(f"{projector}linear_1", FIRST, hidden, (text,), "column", bias=projector_bias),
        _linear(f"{projector}linear_2", FIRST, text_hidden, (text,), "row", bias=projector_bias),
    )


def pixtral(keys: Keys) -> tuple[Module, ...]:
    """Pixtral's tower."""
    hidden = keys.positive("hidden_size", 1024)
    inner = keys.positive("intermediate_size", 4096)
    patch = keys.positive("patch_size", 16)
    channels = keys.positive("num_channels", 3)
    heads = keys.positive("num_attention_heads", 16)
    head_dim = keys.quotient("hidden_size", "num_attention_heads", hidden, heads)
    layers = Place(first=True, copies=keys.positive("num_hidden_layers", 24))
    tower = "vision_tower."
    block = f"{tower}transformer.layers.*."
    head_part, whole, wide = Part(hidden, heads), Part(hidden, hidden), Part(inner, inner)
    frequencies = (head_dim // 2,)
    return (
        Weight(f"{tower}patch_conv.weight", FIRST, (hidden, channels, patch, patch)),
        Weight(f"{tower}ln_pre.weight", FIRST, (hidden,)),
        Buffer(f"{tower}patch_positional_embedding.inv_freq", FIRST, frequencies, "float32"),
        Buffer(f"{tower}patch_positional_embedding.original_inv_freq", FIRST, frequencies, "float32"),
        _linear(f"{block}attention.qkv_proj", layers, hidden, (head_part,) * 3, "column"),
        _linear(f"{block}attention.o_proj", layers, hidden, (whole,), "row"),
        _linear(f"{block}feed_forward.gate_up_proj", layers, hidden, (wide, wide), "column"),
        _linear(f"{block}feed_forward.down_proj", layers, inner, (whole,), "row"),
        Weight(f"{block}attention_norm.weight", layers, (hidden,)),
        Weight(f"{block}ffn_norm.weight", layers, (hidden,)),
    )


def llama4(keys: Keys, text_hidden: int) -> tuple[Module, ...]:
    """Llama 4's tower, its adapter and the projector."""
    hidden = keys.positive("hidden_size", 768)
    inner = keys.positive("intermediate_size", 5632)
    patch = keys.positive("patch_size", 14)
    channels = keys.positive("num_channels", 3)
    heads = keys.positive("num_attention_heads", 16)
    head_dim = keys.quotient("hidden_size", "num_attention_heads", hidden, heads)
    positions = (keys.positive("image_size", 448) // patch) ** 2 + 1
    adapter = keys.positive("projector_input_dim", 4096)
    adapted = keys.positive("projector_output_dim", 4096)
    bias = keys.flag("multi_modal_projector_bias", default=False)
    layers = Place(first=True, copies=keys.positive("num_hidden_layers", 34))
    tower, mlp = "vision_model.", "vision_model.vision_adapter.mlp."
    block = f"{tower}model.layers.*."
    head_part, whole, wide = Part(hidden, heads), Part(hidden, hidden), Part(inner, inner)
    text, adapter_part, adapted_part = (Part(size, size) for size in (text_hidden, adapter, adapted))
    modules: list[Module] = [
        Weight(f"{tower}class_embedding", FIRST, (hidden,)),
        Weight(f"{tower}positional_embedding_vlm", FIRST, (positions, hidden)),
        Buffer(
            f"{block}self_attn.rotary_emb.cos_sin_cache", FIRST, (positions, 1, head_dim // 2), "complex64"
        ),
        _linear(f"{tower}patch_embedding.linear", FIRST, channels * patch**2, (whole,), "column"),
        _linear(f"{block}self_attn.qkv_proj", layers, hidden, (head_part,) * 3, "column", bias=True),
        _linear(f"{block}self_attn.o_proj", layers, hidden, (whole,), "row", bias=True),
        _linear(f"{block}mlp.fc1", layers, hidden, (wide,), "column", bias=True),
        _linear(f"{block}mlp.fc2", layers, inner, (whole,), "row", bias=True),
        _linear(f"{mlp}fc1", FIRST, inner, (adapter_part,), "column", bias=bias),
        _linear(f"{mlp}fc2", FIRST, adapter, (adapted_part,), "row", bias=bias),
        _linear(
            "multi_modal_projector.linear_1",
            FIRST,
            keys.positive("vision_output_dim", 7680),
            (text,),
            "column",
        ),
    ]
    for name, place in (
        (f"{tower}layernorm_pre", FIRST),
        (f"{tower}layernorm_post", FIRST),
        (f"{block}input_layernorm", layers),
        (f"{block}post_attention_layernorm", layers),
    ):
        modules.extend(Weight(f"{name}.{part}", place, (hidden,)) for part in ("weight", "bias"))
    return tuple(modules)


def _linear(
    name: str, place: Place, inputs: int, parts: tuple[Part, ...], split: str, *, bias: bool = False
) -> Linear:
    """A linear layer that the language model's quantization leaves alone."""
    return Linear(
        name, place, inputs, parts, "row" if split == "row" else "column", bias=bias, quantizable=False
    )
