"""Gemma 4's vision and audio towers: transformers builds them, every GPU of the first stage holds them whole.

Source: vLLM 0.33.0 model_executor/models/gemma4_mm.py; transformers' models/gemma4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gemma
from valuegen.architectures.base import Buffer, Module, Place, Weight

if TYPE_CHECKING:
    from valuegen.keys import Keys

FIRST = blocks.FIRST
ROTARY = ("inv_freq", "original_inv_freq")
LIMITS = ("input_min", "input_max", "output_min", "output_max")  # of a clipped linear layer


def vision(keys: Keys, text_hidden: int) -> tuple[Module, ...]:
    """The vision tower and the projection of its tokens."""
    hidden, inner = keys.positive("hidden_size", 768), keys.positive("intermediate_size", 3072)
    head_dim = keys.positive("head_dim", 64)
    queries = keys.positive("num_attention_heads", 12) * head_dim
    values = keys.positive("num_key_value_heads", 12) * head_dim
    patch = keys.positive("patch_size", 16)
    layers = Place(first=True, copies=keys.positive("num_hidden_layers", 16))
    tower = "vision_tower."
    layer = f"{tower}encoder.layers.*."
    matrices = {
        "self_attn.q_proj": (hidden, queries),
        "self_attn.k_proj": (hidden, values),
        "self_attn.v_proj": (hidden, values),
        "self_attn.o_proj": (queries, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }
    modules: list[Module] = [
        _whole(f"{tower}patch_embedder.input_proj", FIRST, 3 * patch**2, hidden),
        Weight(
            f"{tower}patch_embedder.position_embedding_table",
            FIRST,
            (2, keys.positive("position_embedding_size", 10240), hidden),
        ),
        *(Buffer(f"{tower}encoder.rotary_emb.{name}", FIRST, (head_dim // 4,), "float32") for name in ROTARY),
        _whole("embed_vision.embedding_projection", FIRST, hidden, text_hidden),
        *_clipped(layer, layers, matrices, clips=keys.flag("use_clipped_linears", default=False)),
    ]
    for name in gemma.FOUR_NORMS:
        modules.extend(blocks.norm(f"{layer}{name}", layers, hidden))
    for name in ("q_norm", "k_norm"):
        modules.extend(blocks.norm(f"{layer}self_attn.{name}", layers, head_dim))
    if keys.flag("standardize", default=False):
        modules.extend(Buffer(f"{tower}{name}", FIRST, (hidden,)) for name in ("std_bias", "std_scale"))
    return tuple(modules)


def audio(keys: Keys, text_hidden: int) -> tuple[Module, ...]:
    """The audio tower, a Conformer behind two convolutions, and the projection of its tokens."""
    hidden, kernel = keys.positive("hidden_size", 1024), keys.positive("conv_kernel_size", 5)
    head_dim = keys.quotient(
        "hidden_size", "num_attention_heads", hidden, keys.positive("num_attention_heads", 8)
    )
    out = keys.positive("output_proj_dims", 1536)
    layers = Place(first=True, copies=keys.positive("num_hidden_layers", 12))
    tower = "audio_tower."
    layer = f"{tower}layers.*."
    matrices = {
        **{f"self_attn.{name}": (hidden, hidden) for name in ("q_proj", "k_proj", "v_proj", "post")},
        **{f"feed_forward{number}.ffw_layer_1": (hidden, 4 * hidden) for number in (1, 2)},
        **{f"feed_forward{number}.ffw_layer_2": (4 * hidden, hidden) for number in (1, 2)},
        "lconv1d.linear_start": (hidden, 2 * hidden),
        "lconv1d.linear_end": (hidden, hidden),
    }
    norms = ("norm_pre_attn", "norm_post_attn", "norm_out", "lconv1d.pre_layer_norm", "lconv1d.conv_norm")
    inner = (f"feed_forward{number}.{when}_layer_norm" for number in (1, 2) for when in ("pre", "post"))
    modules: list[Module] = [
        *_subsampling(keys, f"{tower}subsample_conv_projection.", hidden),
        Buffer(f"{tower}rel_pos_enc.inv_timescales", FIRST, (1, 1, hidden // 2)),
        *_clipped(layer, layers, matrices, clips=keys.flag("use_clipped_linears", default=True)),
        Weight(f"{layer}self_attn.per_dim_scale", layers, (head_dim,)),
        Buffer(f"{layer}self_attn.softcap", layers, ()),
        _whole(f"{layer}self_attn.relative_k_proj", layers, hidden, hidden),
        Weight(f"{layer}lconv1d.depthwise_conv1d.weight", layers, (hidden, 1, kernel)),
        *blocks.parameters(f"{tower}output_proj", FIRST, (out, hidden)),
        _whole("embed_audio.embedding_projection", FIRST, out, text_hidden),
    ]
    for name in (*norms, *inner):
        modules.extend(blocks.norm(f"{layer}{name}", layers, hidden))
    return tuple(modules)


def _subsampling(keys: Keys, name: str, hidden: int) -> tuple[Module, ...]:
    """Two convolutions that halve time and frequency, and the projection of what is left."""
    channels = keys.integers("subsampling_conv_channels") or (128, 32)
    if len(channels) != 2:
        raise keys.fail("subsampling_conv_channels", f"has {len(channels)} entries; it must have 2")
    first, second = channels
    return (
        Weight(f"{name}layer0.conv.weight", FIRST, (first, 1, 3, 3)),
        Weight(f"{name}layer1.conv.weight", FIRST, (second, first, 3, 3)),
        *blocks.norm(f"{name}layer0.norm", FIRST, first),
        *blocks.norm(f"{name}layer1.norm", FIRST, second),
        _whole(f"{name}input_proj_linear", FIRST, first // 4 * second, hidden),
    )


def _clipped(
    layer: str, layers: Place, matrices: dict[str, tuple[int, int]], *, clips: bool
) -> tuple[Module, ...]:
    """Linear layers by name, with the limits to which some models clip what goes in and out."""
    limits = LIMITS if clips else ()
    return (
        *(_whole(f"{layer}{name}.linear", layers, *sizes) for name, sizes in matrices.items()),
        *(Buffer(f"{layer}{name}.{limit}", layers, ()) for name in matrices for limit in limits),
    )


def _whole(name: str, place: Place, inputs: int, outputs: int) -> Module:
    return blocks.linear(name, place, inputs, outputs, "replicated", quantizable=False)
