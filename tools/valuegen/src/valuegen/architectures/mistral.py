"""Mistral: Llama with a sliding window in every layer where config.json sets one.

Source: vLLM 0.33.0 model_executor/models/mistral.py, engine/arg_utils.py (sliding window of all layers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

DEFAULT_WINDOW = 4096  # of transformers' MistralConfig when the key is absent; null means no window


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a text-only Mistral model."""
    return language_model(keys, tie=keys.flag("tie_word_embeddings", default=False))


def language_model(
    keys: Keys, *, tie: bool, prefix: str = "", extra: tuple[Module, ...] = ()
) -> Architecture:
    """The decoder, also as the language model of a multimodal one."""
    s = dense.sizes(keys, num_key_value_heads=8)
    max_position = keys.positive("max_position_embeddings", 131072)
    window = keys.window("sliding_window", DEFAULT_WINDOW)
    if keys.has("layer_types"):
        sliding = tuple(kind == "sliding_attention" for kind in keys.names("layer_types", s.layers))
    else:
        sliding = (True,) * s.layers
    rotary = rope.read(keys, max_position)
    return dense.decoder(
        s,
        tie=tie,
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position, prefix=prefix),),
        kv_layers=dense.attention_by_type(s, sliding, window),
        options=dense.Options(
            qkv_bias=keys.flag("attention_bias", default=False),
            output_bias=keys.flag("attention_bias", default=False),
            mlp_bias=keys.flag("mlp_bias", default=False),
            prefix=prefix,
        ),
        extra=extra,
    )
