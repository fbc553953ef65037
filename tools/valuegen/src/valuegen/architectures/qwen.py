"""Qwen2, Qwen2.5 (biased q, k, v), MiMo (the same) and Qwen3 (normed q and k) dense models.

Source: vLLM 0.33.0 model_executor/models/{qwen2,mimo,qwen3}.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a Qwen2 or Qwen3 model."""
    return language_model(keys, architecture, tie=keys.flag("tie_word_embeddings", default=False))


def language_model(
    keys: Keys,
    architecture: str,
    *,
    tie: bool,
    prefix: str = "",
    extra: tuple[Module, ...] = (),
    counts_time: bool = False,
) -> Architecture:
    """The decoder, also as the language model of a multimodal one.

    `counts_time`: positions of a video follow its duration, so that they may exceed the context.
    """
    qwen3 = architecture == "Qwen3ForCausalLM"
    s = dense.sizes(keys, num_key_value_heads=32, head_dim=128) if qwen3 else _qwen2_sizes(keys)
    max_position = keys.positive("max_position_embeddings", 32768)
    rotary = rope.read(keys, max_position)
    if not counts_time:
        rotary = replace(rotary, positions_factor=1)
    # A window applies to the layers from max_window_layers on, and only when it is switched on.
    window = keys.window("sliding_window", 4096) if keys.flag("use_sliding_window", default=False) else None
    first_local = keys.count("max_window_layers", 28)
    sliding = tuple(layer >= first_local for layer in range(s.layers))
    if window is not None:
        # vLLM 0.33 asserts this (qwen2.py): it cannot run a mixture of both kinds.
        keys.uniform("max_window_layers", sliding, "a window in some layers only is refused by vLLM 0.33")
    return dense.decoder(
        s,
        tie=tie,
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, prefix=prefix),),
        kv_layers=dense.attention_by_type(s, sliding, window),
        options=dense.Options(
            qkv_bias=keys.flag("attention_bias", default=False) if qwen3 else True,
            qk_norm=qwen3,
            prefix=prefix,
        ),
        extra=extra,
    )


def _qwen2_sizes(keys: Keys) -> dense.Sizes:
    """Qwen2's attention computes the head size; a head_dim key is not read."""
    return dense.sizes(keys.without("head_dim"), num_key_value_heads=32)
