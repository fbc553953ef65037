"""Falcon-H1: attention and Mamba 2 side by side in every layer.

Source: vLLM 0.33.0 model_executor/models/falcon_h1.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, mamba2, rope
from valuegen.architectures.base import Buffer, Place

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=8)
    max_position = keys.positive("max_position_embeddings", 8192)
    rotary = rope.read(keys, max_position)
    if keys.has("attn_rotary_emb"):
        rotary = replace(rotary, rotary_share=keys.positive("attn_rotary_emb") / s.head_dim)
    heads = keys.positive("mamba_n_heads", 128)
    inner = keys.positive("mamba_d_ssm", s.hidden * keys.positive("mamba_expand", 2))
    mixer = mamba2.Mixer(
        heads=heads,
        head_dim=keys.quotient("mamba_d_ssm", "mamba_n_heads", inner, heads),
        groups=keys.positive("mamba_n_groups", 1),
        state=keys.positive("mamba_d_state", 256),
        conv=keys.positive("mamba_d_conv", 4),
        conv_bias=keys.flag("mamba_conv_bias", default=True),
        bias=keys.flag("mamba_proj_bias", default=False),
        normed=keys.flag("mamba_rms_norm", default=False),
    )
    every = range(s.layers)
    options = dense.Options(norms=("input_layernorm", "pre_ff_layernorm"))
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=((dense.full_attention(s)[0], mixer.cache),) * s.layers,
        options=options,
        attention_blocks=(
            *dense.attention(s, every, options=options),
            *mixer.modules("model.layers.*.mamba.mamba.", s.hidden, every),
            *_multipliers(mixer, s.layers),
        ),
        feed_forward=dense.mlp(s, s.intermediate, every, options=options, name="feed_forward"),
    )


def _multipliers(mixer: mamba2.Mixer, layers: int) -> tuple[Buffer, ...]:
    """One factor for each output of the mixer's first projection."""
    place, name = Place(layers=tuple(range(layers))), "model.layers.*.mamba.mup_vector"
    groups = mixer.groups * mixer.state
    one_group = mixer.groups == 1
    return (
        Buffer(name, place, (2 * mixer.inner + mixer.heads,), units=mixer.heads),
        *(Buffer(name, place, (groups,), units=mixer.groups, replicable=one_group) for _ in range(2)),
    )
