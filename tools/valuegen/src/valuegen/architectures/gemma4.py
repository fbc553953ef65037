"""Gemma 4: heads of two sizes, layers that share a cache, per-layer embeddings, experts beside the MLP.

Source: vLLM 0.33.0 model_executor/models/{gemma4,gemma4_mm}.py; defaults of transformers' config classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, gemma, gemma4_towers, moe, rope
from valuegen.architectures.base import Buffer, Embedding, KvLayer, Module, Weight, text_keys
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

SLIDING, FULL = "sliding_attention", "full_attention"
PATTERN = 6  # where no layer types are given, each sixth layer sees everything


@dataclass(frozen=True)
class Layers:
    """The decoder's layers by what they attend to, and which of them have a cache of their own."""

    local: tuple[bool, ...]
    own_cache: int  # the layers from here on read the cache of an earlier one

    def of(self, *, local: bool, shared: bool) -> list[int]:
        """The layers of one kind."""
        return [
            layer
            for layer, is_local in enumerate(self.local)
            if is_local == local and (layer >= self.own_cache) == shared
        ]

    @property
    def readers(self) -> tuple[tuple[int, int], ...]:
        """Each layer without a cache, and the last one of its kind that has one."""
        owners = {local: layer for layer, local in enumerate(self.local[: self.own_cache])}
        return tuple((layer, owners[self.local[layer]]) for layer in range(self.own_cache, len(self.local)))


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe the text model, or all of a multimodal one."""
    if architecture == "Gemma4ForCausalLM":
        return _text(text_keys(keys), prefix="", extra=())
    text = text_keys(keys)
    hidden = text.positive("hidden_size", 2304)
    towers = gemma4_towers.vision(keys.section("vision_config"), hidden)
    if keys.has("audio_config"):
        towers += gemma4_towers.audio(keys.section("audio_config"), hidden)
    return _text(text, prefix="language_model.", extra=towers)


def _text(keys: Keys, *, prefix: str, extra: tuple[Module, ...]) -> Architecture:
    s = dense.sizes(keys, num_attention_heads=8, num_key_value_heads=4, head_dim=256, vocab_size=262144)
    wide = _wide(keys, s)
    layers = _layers(keys, s.layers)
    max_position = keys.positive("max_position_embeddings", 131072)
    bias = keys.flag("attention_bias", default=False)
    options = dense.Options(
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=True,
        norms=gemma.FOUR_NORMS,
        scaled_embedding=True,
        every_stage=True,
        prefix=prefix,
    )
    window = keys.positive("sliding_window", 512)
    modules: list[Module] = [*_feed_forward(keys, s, layers, options), *_per_layer(keys, s, prefix), *extra]
    scalar = Buffer(f"{prefix}model.layers.*.layer_scalar", blocks.every_layer(s.layers), (1,))
    described = dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=True),
        max_position=max_position,
        rope=rope.Rope(),
        tables=_tables(keys, {SLIDING: s, FULL: wide}, layers, max_position, prefix=prefix),
        kv_layers=_kv_layers(s, wide, layers, window),
        options=options,
        attention_blocks=(*_attention(s, wide, layers, options), scalar),
        feed_forward=tuple(modules),
    )
    return replace(described, cache_readers=layers.readers)


def _wide(keys: Keys, s: dense.Sizes) -> dense.Sizes:
    """The sizes in layers that see everything: larger heads, and fewer of them for keys that are values."""
    kv_heads = s.kv_heads
    if keys.flag("attention_k_eq_v", default=False):
        kv_heads = keys.positive("num_global_key_value_heads", kv_heads)
    return replace(s, head_dim=keys.positive("global_head_dim", 512), kv_heads=kv_heads)


def _layers(keys: Keys, layers: int) -> Layers:
    if keys.has("layer_types"):
        local = [kind == SLIDING for kind in keys.names("layer_types", layers)]
    else:
        local = [(layer + 1) % PATTERN != 0 for layer in range(layers)]
    local[-1] = False  # transformers makes the last layer see everything
    own = layers - keys.count("num_kv_shared_layers", 0)
    if set(local[: max(own, 0)]) != set(local):
        raise keys.fail("num_kv_shared_layers", "leaves no layer of some kind to share the cache of")
    return Layers(tuple(local), own)


def _kv_layers(s: dense.Sizes, wide: dense.Sizes, layers: Layers, window: int) -> tuple[KvLayer | None, ...]:
    near, far = KvLayer("sliding-window", s.kv_heads, s.head_dim, window), dense.full_attention(wide)[0]
    return tuple(
        None if layer >= layers.own_cache else near if is_local else far
        for layer, is_local in enumerate(layers.local)
    )


def _attention(
    s: dense.Sizes, wide: dense.Sizes, layers: Layers, options: dense.Options
) -> tuple[Module, ...]:
    modules: list[Module] = []
    for local, sizes in ((True, s), (False, wide)):
        modules.extend(dense.attention(sizes, layers.of(local=local, shared=False), options=options))
        if sharing := layers.of(local=local, shared=True):
            modules.extend(dense.attention(sizes, sharing, options=replace(options, queries_only=True)))
    return tuple(modules)


def _tables(
    keys: Keys, sizes: dict[str, dense.Sizes], layers: Layers, max_position: int, *, prefix: str
) -> tuple[Buffer, ...]:
    tables = []
    for kind, s in sizes.items():
        rotary = rope.Rope() if kind == SLIDING else rope.Rope("proportional")
        if keys.has("rope_parameters"):
            rotary = rope.parameters(keys.section("rope_parameters").section(kind), max_position)
        members = [layer for layer, local in enumerate(layers.local) if local == (kind == SLIDING)]
        tables.append(dense.rotary_table(s, rotary, max_position, prefix=prefix, layers=members))
    return tuple(tables)


def _feed_forward(keys: Keys, s: dense.Sizes, layers: Layers, options: dense.Options) -> tuple[Module, ...]:
    sharing = range(layers.own_cache, s.layers)
    width = 2 * s.intermediate if keys.flag("use_double_wide_mlp", default=False) else s.intermediate
    modules = [*dense.mlp(s, s.intermediate, range(layers.own_cache), options=options)]
    if sharing:
        modules.extend(dense.mlp(s, width, sharing, options=options))
    if keys.has("num_experts"):
        modules.extend(_experts(keys, s, options))
    return tuple(modules)


def _experts(keys: Keys, s: dense.Sizes, options: dense.Options) -> tuple[Module, ...]:
    """Routed experts beside the MLP of every layer, and the norms around them."""
    experts, every = keys.positive("num_experts"), blocks.every_layer(s.layers)
    layer = f"{options.prefix}model.layers.*."
    width = keys.positive(
        "moe_intermediate_size" if keys.has("moe_intermediate_size") else "expert_intermediate_size"
    )
    norms = ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2")
    return (
        *moe.modules(
            s,
            moe.Block(experts=experts, width=width, module="", router="router.proj"),
            range(s.layers),
            options=options,
        ),
        Weight(f"{layer}router.scale", every, (s.hidden,)),
        Weight(f"{layer}router.per_expert_scale", every, (experts,)),
        Buffer(f"{layer}router.root_size", every, ()),
        *(Weight(f"{layer}{name}.weight", every, (s.hidden,)) for name in norms),
    )


def _per_layer(keys: Keys, s: dense.Sizes, prefix: str) -> tuple[Module, ...]:
    """An embedding for every layer (E2B, E4B), and what mixes it into the layer's output."""
    width = keys.count("hidden_size_per_layer_input", 256)
    if not width:
        return ()
    everywhere, every = blocks.every_stage(s.layers), blocks.every_layer(s.layers)
    model, layer = f"{prefix}model.", f"{prefix}model.layers.*."
    vocab = keys.positive("vocab_size_per_layer_input", 262144)
    scales = ("embed_scale_per_layer", "per_layer_input_scale", "per_layer_projection_scale")
    return (
        Embedding(f"{model}embed_tokens_per_layer", everywhere, vocab, width * s.layers),
        blocks.linear(f"{model}per_layer_model_projection", everywhere, s.hidden, width * s.layers, "column"),
        *blocks.norm(f"{model}per_layer_projection_norm", everywhere, width),
        *(Buffer(f"{model}{scale}", everywhere, ()) for scale in scales),
        blocks.linear(f"{layer}per_layer_input_gate", every, s.hidden, width, "replicated"),
        blocks.linear(f"{layer}per_layer_projection", every, width, s.hidden, "replicated"),
        *blocks.norm(f"{layer}post_per_layer_input_norm", every, s.hidden),
    )
