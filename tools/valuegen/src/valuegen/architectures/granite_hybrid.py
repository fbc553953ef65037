"""Granite 4: Mamba 2 with attention in a few layers, experts beside a shared MLP.

Source: vLLM 0.33.0 model_executor/models/granitemoehybrid.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, mamba2, moe, rope
from valuegen.architectures.base import Linear, Part, Place

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a hybrid Granite model, with or without experts."""
    s = dense.sizes(keys)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    options = dense.Options(qkv_bias=keys.flag("attention_bias", default=False), every_stage=True)
    kinds = keys.names("layer_types", s.layers)
    attention = [layer for layer, kind in enumerate(kinds) if kind == "attention"]
    recurrent = [layer for layer, kind in enumerate(kinds) if kind != "attention"]
    mixer = mamba2.Mixer(
        heads=keys.positive("mamba_n_heads", 128),
        head_dim=keys.quotient(
            "hidden_size",
            "mamba_n_heads",
            s.hidden * keys.positive("mamba_expand", 2),
            keys.positive("mamba_n_heads", 128),
        ),
        groups=keys.positive("mamba_n_groups", 1),
        state=keys.positive("mamba_d_state", 256),
        conv=keys.positive("mamba_d_conv", 4),
        conv_bias=keys.flag("mamba_conv_bias", default=True),
        bias=keys.flag("mamba_proj_bias", default=False),
    )
    feed_forward: list[Module] = list(shared_mlp(keys, s, default=1024))
    experts = keys.count("num_local_experts", 8)
    if experts:
        block = moe.Block(
            experts=experts, width=s.intermediate, module="block_sparse_moe", projections=("w1", "w3", "w2")
        )
        feed_forward += moe.modules(s, block, range(s.layers), options=options)
    tables = (dense.rotary_table(s, rotary, max_position, layers=attention),)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=tables if keys.text("position_embedding_type", "nope") == "rope" else (),
        kv_layers=tuple(dense.full_attention(s)[0] if kind == "attention" else mixer.cache for kind in kinds),
        options=options,
        attention_blocks=(
            *dense.attention(s, attention, options=options),
            *mixer.modules("model.layers.*.mamba.", s.hidden, recurrent),
        ),
        feed_forward=tuple(feed_forward),
    )


def shared_mlp(keys: Keys, s: dense.Sizes, *, default: int) -> tuple[Module, ...]:
    """The MLP that runs beside the experts of every layer."""
    width = keys.count("shared_intermediate_size", default)
    if not width:
        return ()
    name, every = "model.layers.*.shared_mlp.", Place(layers=tuple(range(s.layers)))
    return (
        Linear(
            f"{name}input_linear",
            every,
            s.hidden,
            (Part(width, width),) * 2,
            "column",
            checkpoint_names=(f"{name}input_linear",),
        ),
        blocks.linear(
            f"{name}output_linear", every, width, s.hidden, "row", stored_as=(f"{name}output_linear",)
        ),
    )
