"""Llama 4: experts in every n-th layer, attention within chunks, a vision tower.

Source: vLLM 0.33.0 model_executor/models/{llama4,mllama4}.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import dense, moe, rope, vision
from valuegen.architectures.base import KvLayer, text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

PREFIX = "language_model."
CHUNK = 8192  # tokens, where the config leaves it out
NO_ROPE_INTERVAL = 4


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe the language model, the tower and the projector."""
    text = text_keys(keys)
    s = dense.sizes(text, num_key_value_heads=8, head_dim=128)
    max_position = text.positive("max_position_embeddings", 4096 * 32)
    rotary = rope.read(text, max_position)
    options = dense.Options(prefix=PREFIX)
    rotated = _rotated(text, s.layers)
    chunk = text.window("attention_chunk_size", CHUNK)
    full = KvLayer("full", s.kv_heads, s.head_dim)
    chunked = full if chunk is None else KvLayer("chunked-local", s.kv_heads, s.head_dim, chunk)
    block = moe.Block(
        experts=text.positive("num_local_experts", 16),
        width=s.intermediate,
        module="feed_forward",
        router="router",
        shared_width=s.intermediate,
        shared="shared_expert",
        shared_sequence_parallel=True,
    )
    step = text.count("interleave_moe_layer_step", 1)
    sparse = tuple(step > 0 and (layer + 1) % step == 0 for layer in range(s.layers))
    plain = replace(s, intermediate=text.positive("intermediate_size_mlp", 16384))
    return dense.decoder(
        s,
        tie=text.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(
            dense.rotary_table(
                s,
                rotary,
                max_position,
                prefix=PREFIX,
                layers=[layer for layer in range(s.layers) if rotated[layer]],
            ),
        ),
        kv_layers=tuple(chunked if rotates else full for rotates in rotated),
        options=options,
        feed_forward=moe.mixed(plain, block, sparse, options=options),
        extra=vision.llama4(keys.optional("vision_config"), s.hidden),
    )


def _rotated(text: Keys, layers: int) -> tuple[bool, ...]:
    """Which layers have rotary embedding, and with it chunks; every fourth has neither."""
    if text.raw("no_rope_layers"):  # an empty list counts as absent
        return text.flags("no_rope_layers", layers)
    interval = text.positive("no_rope_layer_interval", NO_ROPE_INTERVAL)
    return tuple((layer + 1) % interval != 0 for layer in range(layers))
