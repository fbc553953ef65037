"""EXAONE 4: normed queries and keys, norms behind attention and MLP, three local layers before a global one.

Source: vLLM 0.33.0 model_executor/models/exaone4.py; defaults of transformers' Exaone4Config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

NORMS = ("post_attention_layernorm", "post_feedforward_layernorm")


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this family."""
    s = dense.sizes(keys, num_key_value_heads=32, vocab_size=102400)
    max_position = keys.positive("max_position_embeddings", 2048)
    rotary = rope.read(keys, max_position)
    window = keys.window("sliding_window", 4096)
    bias = keys.flag("attention_bias", default=keys.flag("bias", default=False))
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.attention_by_type(s, _local_layers(keys, s.layers), window),
        options=dense.Options(
            qkv_bias=bias,
            output_bias=bias,
            mlp_bias=keys.flag("mlp_bias", default=False),
            qk_norm=True,
            norms=NORMS,
        ),
    )


def _local_layers(keys: Keys, layers: int) -> tuple[bool, ...]:
    """transformers: all but each `sliding_window_pattern`-th layer and the last; a pattern may be letters."""
    if keys.has("layer_types"):
        return tuple(kind == "sliding_attention" for kind in keys.names("layer_types", layers))
    pattern = keys.raw("sliding_window_pattern")
    period = len(pattern) if isinstance(pattern, str) else keys.count("sliding_window_pattern", 4)
    if not period:
        return (False,) * layers
    return tuple((layer + 1) % period != 0 and layer < layers - 1 for layer in range(layers))
