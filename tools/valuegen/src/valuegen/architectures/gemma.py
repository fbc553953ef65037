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
    return _gemma3(text, tie=text.flag("tie_word_embeddings", default=True), prefix="language_model.", extra=tower)


def _gemma1(keys: Keys) -> Architecture:
    s = dense.sizes(
        keys, num_attention_heads=16, num_key_value_heads=16, head_dim=256, vocab_size=256000
    )
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=True),
        ropes=(_single_rope(keys, s),),
        kv_layers=dense.full_attention(s),
        options=dense.Options(scaled_embedding=True, every_stage=True),
    )


def _gemma2(keys: Keys) -> Architecture:
    s = dense.sizes(keys, num_attention_heads=8, num_key_value_heads=4, head_dim=256, vocab_size=256000)
    bias = keys.flag("attention_bias", default=False)
    return dense.decoder(
        s,
        tie=True,  # vLLM's Gemma2 has no head of its own
        ropes=(_single_rope(keys, s),),
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
    return dense.decoder(
        s,
        tie=tie,
        ropes=_two_ropes(keys, s, local, prefix),
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


def _single_rope(keys: Keys, s: dense.Sizes) -> Buffer:
    max_position = keys.positive("max_position_embeddings", 8192)
    return rope.read(keys, max_position).table(
        "model.layers.*.self_attn.rotary_emb", range(s.layers), max_position=max_position, head_dim=s.head_dim
    )


def _two_ropes(keys: Keys, s: dense.Sizes, local: tuple[bool, ...], prefix: str) -> tuple[Buffer, ...]:
    """Local layers have an unscaled table of their own; only global layers see rope_scaling."""
    max_position = keys.positive("max_position_embeddings", 131072)
    if keys.has("rope_parameters") and keys.section("rope_parameters").has("full_attention"):
        by_type = keys.section("rope_parameters")
        global_rope = rope.parameters(by_type.section("full_attention"), max_position)
        local_rope = rope.parameters(by_type.section("sliding_attention"), max_position)
    else:
        global_rope, local_rope = rope.read(keys, max_position), rope.Rope()
    name = f"{prefix}model.layers.*.self_attn.rotary_emb"
    return tuple(
        table.table(
            name,
            (layer for layer in range(s.layers) if local[layer] == is_local),
            max_position=max_position,
            head_dim=s.head_dim,
        )
        for table, is_local in ((local_rope, True), (global_rope, False))
    )
