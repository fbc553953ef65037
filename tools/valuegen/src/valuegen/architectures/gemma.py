"""Gemma 1, 2 and 3, text and image: wide heads, tied embeddings, more norms, local layers.

Source: vLLM 0.33.0 model_executor/models/{gemma,gemma2,gemma3,gemma3_mm}.py; the defaults are those of
transformers' config classes, because Google's own config.json files leave most keys out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, rope, vision
from valuegen.architectures.base import text_keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Buffer, Module
    from valuegen.keys import Keys

FOUR_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a Gemma model of any generation."""
    if architecture == "GemmaForCausalLM":
        return _gemma1(keys)
    if architecture == "Gemma2ForCausalLM":
        return _gemma2(keys)
    if architecture == "Gemma3ForCausalLM":
        return _gemma3(keys, tie=keys.flag("tie_word_embeddings", default=True))
    text = text_keys(keys)
    tower = vision.siglip(keys.section("vision_config"), text.positive("hidden_size"))
    return _gemma3(
        text, tie=text.flag("tie_word_embeddings", default=True), prefix="language_model.", extra=tower
    )


def _gemma1(keys: Keys) -> Architecture:
    s = dense.sizes(keys, num_attention_heads=16, num_key_value_heads=16, head_dim=256, vocab_size=256000)
    max_position = keys.positive("max_position_embeddings", 8192)
    rotary = rope.read(keys, max_position)
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.full_attention(s),
        options=dense.Options(scaled_embedding=True, every_stage=True),
    )


def _gemma2(keys: Keys) -> Architecture:
    s = dense.sizes(keys, num_attention_heads=8, num_key_value_heads=4, head_dim=256, vocab_size=256000)
    max_position = keys.positive("max_position_embeddings", 8192)
    rotary = rope.read(keys, max_position)
    bias = keys.flag("attention_bias", default=False)
    return dense.decoder(
        s,
        tie=True,  # vLLM's Gemma2 has no head of its own
        max_position=max_position,
        rope=rotary,
        tables=(dense.rotary_table(s, rotary, max_position),),
        kv_layers=dense.attention_by_type(s, _local_layers(keys, s, 2), keys.window("sliding_window", 4096)),
        options=dense.Options(
            qkv_bias=bias,
            output_bias=bias,
            norms=FOUR_NORMS,
            scaled_embedding=True,
            every_stage=True,
            supports_float16=False,
        ),
    )


def _gemma3(keys: Keys, *, tie: bool, prefix: str = "", extra: tuple[Module, ...] = ()) -> Architecture:
    s = dense.sizes(keys, num_attention_heads=8, num_key_value_heads=4, head_dim=256, vocab_size=262208)
    bias = keys.flag("attention_bias", default=False)
    local = _local_layers(keys, s, keys.positive("sliding_window_pattern", 6))
    max_position = keys.positive("max_position_embeddings", 131072)
    return dense.decoder(
        s,
        tie=tie,
        max_position=max_position,
        rope=rope.Rope(),  # Gemma 3's 128K already includes the scaling (config/model.py)
        tables=_two_tables(keys, s, local, max_position, prefix),
        kv_layers=dense.attention_by_type(s, local, keys.window("sliding_window", 4096)),
        options=dense.Options(
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            norms=FOUR_NORMS,
            scaled_embedding=True,
            every_stage=True,
            prefix=prefix,
            supports_float16=False,
        ),
        extra=extra,
    )


def _local_layers(keys: Keys, s: dense.Sizes, pattern: int) -> tuple[bool, ...]:
    """Which layers see a window: all but each `pattern`-th one, unless config.json lists them."""
    if keys.has("layer_types"):
        return tuple(kind == "sliding_attention" for kind in keys.names("layer_types", s.layers))
    return tuple((layer + 1) % pattern != 0 for layer in range(s.layers))


def _two_tables(
    keys: Keys, s: dense.Sizes, local: tuple[bool, ...], max_position: int, prefix: str
) -> tuple[Buffer, ...]:
    """Local layers have an unscaled table of their own; only global layers see rope_scaling."""
    if keys.has("rope_parameters") and keys.section("rope_parameters").has("full_attention"):
        by_type = keys.section("rope_parameters")
        global_rope = rope.parameters(by_type.section("full_attention"), max_position)
        local_rope = rope.parameters(by_type.section("sliding_attention"), max_position)
    else:
        global_rope, local_rope = rope.read(keys, max_position), rope.Rope()
    return tuple(
        dense.rotary_table(
            s,
            rotary,
            max_position,
            prefix=prefix,
            layers=[layer for layer in range(s.layers) if local[layer] == is_local],
        )
        for rotary, is_local in ((local_rope, True), (global_rope, False))
    )
