"""Mamba: a selective state space in every layer, no attention.

Source: vLLM 0.33.0 model_executor/models/mamba.py, layers/mamba/mamba_mixer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks
from valuegen.architectures.base import Architecture, Embedding, Linear, Part, Place, StateKv, Weight
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Module
    from valuegen.keys import Keys

NO_LIMIT = 2048  # tokens; vLLM's max_model_len for a config without any length (config/model.py)


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a Mamba model."""
    hidden, layers = keys.positive("hidden_size", 768), keys.positive("num_hidden_layers", 32)
    inner = keys.positive("intermediate_size", hidden * keys.positive("expand", 2))
    rank = keys.positive("time_step_rank", -(-hidden // 16))
    state, conv = keys.positive("state_size", 16), keys.positive("conv_kernel", 4)
    bias = keys.flag("use_bias", default=False)
    every, stage = blocks.every_layer(layers), blocks.every_stage(layers)
    m = "backbone.layers.*.mixer."
    modules: list[Module] = [
        *ends(keys, hidden, layers, tie=keys.flag("tie_word_embeddings", default=True)),
        *convolution(f"{m}conv1d", layers, conv, (Part(inner, inner),), bias=_conv_bias(keys)),
        blocks.linear(f"{m}in_proj", every, hidden, (inner, inner), "column", bias=bias, quantizable=False),
        blocks.linear(f"{m}x_proj", every, inner, rank + 2 * state, "row", quantizable=False),
        blocks.linear(f"{m}dt_proj", every, rank, inner, "column", bias=True, quantizable=False),
        blocks.linear(f"{m}out_proj", every, inner, hidden, "row", bias=bias, quantizable=False),
        Weight(f"{m}A", every, (inner, state), "float32", units=inner),
        Weight(f"{m}D", every, (inner,), units=inner),
        *blocks.norm("backbone.layers.*.norm", every, hidden),
        *blocks.norm("backbone.norm_f", stage, hidden),
    ]
    cache = StateKv(conv_rows=conv - 1, conv_width=inner, units=inner, unit_size=state, keeps_drafts=False)
    return attention_free(keys, tuple(modules), cache, hidden=hidden, inner=inner, layers=layers)


def ends(keys: Keys, hidden: int, layers: int, *, tie: bool) -> tuple[Module, ...]:
    """Embedding and head, which vLLM leaves out on no pipeline stage."""
    stage, vocab = blocks.every_stage(layers), keys.positive("vocab_size", 50280)
    embedding = Embedding("backbone.embeddings", stage, vocab, hidden)
    return (embedding,) if tie else (embedding, Embedding("lm_head", stage, vocab, hidden))


def convolution(
    name: str, layers: int | tuple[int, ...], kernel: int, parts: tuple[Part, ...], *, bias: bool
) -> tuple[Linear, ...]:
    """The short convolution over channels; vLLM keeps it as a linear layer that no method quantizes."""
    place = blocks.every_layer(layers) if isinstance(layers, int) else Place(layers=layers)
    return (Linear(name, place, kernel, parts, "column", bias=bias, quantizable=False),)


def attention_free(
    keys: Keys,
    modules: tuple[Module, ...],
    cache: StateKv,
    *,
    hidden: int,
    inner: int,
    layers: int,
    pipeline: bool = True,
) -> Architecture:
    """A model whose layers all keep the same state."""
    return Architecture(
        hidden_size=hidden,
        intermediate_size=inner,
        num_attention_heads=0,
        num_key_value_heads=0,
        head_dim=0,
        vocab_size=keys.positive("vocab_size", 50280),
        tie_word_embeddings=keys.flag("tie_word_embeddings", default=True),
        modules=modules,
        kv_layers=(cache,) * layers,
        max_position_embeddings=keys.positive("max_position_embeddings", NO_LIMIT),
        rope=Rope(),
        supports_pipeline=pipeline,
    )


def _conv_bias(keys: Keys) -> bool:
    return keys.flag("use_conv_bias", default=True)
