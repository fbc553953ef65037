"""The decoder of the GPT lineage: LayerNorm, two matrices in the MLP, biases, sometimes learned positions.

Families differ in names and in which norms and biases they have; each says so in a `Names` and `Options`.
Source: vLLM 0.33.0 model_executor/models/{gpt2,gpt_j,falcon,opt}.py and models/transformers/base.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks
from valuegen.architectures.base import Architecture, Embedding, KvLayer
from valuegen.architectures.dense import Sizes
from valuegen.architectures.rope import Rope
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.architectures.base import Buffer, KvCache, Linear, Module, Place, Weight
    from valuegen.keys import Keys


@dataclass(frozen=True)
class Names:
    """vLLM's names of a family's modules; those of a layer without their prefix."""

    embedding: str
    layer: str  # ends in `*.`
    final_norm: str
    norms: tuple[str, ...]
    qkv: str
    output: str
    attention: str
    up: str
    down: str
    head: str = "lm_head"
    stored_qkv: tuple[str, ...] = ()  # the matrices of qkv, where a checkpoint has them apart
    stored_up: tuple[str, ...] = ()  # gate and up, likewise


@dataclass(frozen=True)
class Options:
    """What differs besides names."""

    qkv_bias: bool = True
    output_bias: bool = True
    mlp_bias: bool = True
    norm_bias: bool = True
    final_norm: bool = True
    head_bias: bool = False
    gated: bool = False  # the MLP has three matrices, two of them merged into `up`
    split_mlp: bool = True  # False: each GPU holds the whole MLP
    every_stage: bool = True  # embedding and final norm on every pipeline stage
    whole_embedding: bool = False  # each GPU holds all of it
    embedding_width: int | None = None  # where it is not the hidden size


def decoder(
    s: Sizes,
    names: Names,
    options: Options,
    *,
    tie: bool,
    max_position: int,
    rope: Rope | None = None,
    kv_layers: tuple[KvCache | tuple[KvCache, ...] | None, ...] | None = None,
    extra: tuple[Module, ...] = (),
) -> Architecture:
    """Assemble the modules; `extra` are a family's own: rotary tables, learned positions."""
    return Architecture(
        hidden_size=s.hidden,
        intermediate_size=s.intermediate,
        num_attention_heads=s.heads,
        num_key_value_heads=s.kv_heads,
        head_dim=s.head_dim,
        vocab_size=s.vocab,
        tie_word_embeddings=tie,
        modules=(*_ends(s, names, options, tie=tie), *_layers(s, names, options), *extra),
        kv_layers=kv_layers or (KvLayer("full", s.kv_heads, s.head_dim),) * s.layers,
        max_position_embeddings=max_position,
        rope=rope or Rope(),
    )


def encoder(
    s: Sizes, names: Names, options: Options, *, max_position: int, extra: tuple[Module, ...]
) -> Architecture:
    """Assemble a pooling model: the same layers without a cache and a head, on one pipeline stage."""
    described = decoder(
        s,
        names,
        options,
        tie=True,
        max_position=max_position,
        kv_layers=(None,) * s.layers,
        extra=extra,
    )
    return replace(described, supports_pipeline=False, is_pooling=True)


def sizes(keys: Keys) -> Sizes:
    """The sizes by the keys of GPT-2's config.json: one key/value head for each head."""
    hidden, heads = keys.positive("n_embd", 768), keys.positive("n_head", 12)
    return Sizes(
        hidden=hidden,
        intermediate=keys.positive("n_inner", 4 * hidden),
        layers=keys.positive("n_layer", 12),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("n_embd", "n_head", hidden, heads),
        vocab=keys.positive("vocab_size", 50257),
    )


def positions(name: str, s: Sizes, rows: int, *, place: Place | None = None) -> Weight:
    """The table of learned positions, which vLLM builds on every stage unless `place` says otherwise."""
    return blocks.parameters(
        name, blocks.every_stage(s.layers) if place is None else place, (rows, s.hidden), bias=False
    )[0]


def tables(s: Sizes, rope: Rope, max_position: int, name: str) -> tuple[Buffer, ...]:
    """The rotary table of all layers."""
    table = rope.table(name, range(s.layers), max_position=max_position, head_dim=s.head_dim)
    return (table,)


def _ends(s: Sizes, names: Names, options: Options, *, tie: bool) -> tuple[Module, ...]:
    first = blocks.every_stage(s.layers) if options.every_stage else blocks.first(tied=tie)
    last = blocks.every_stage(s.layers) if options.every_stage else blocks.LAST
    width = options.embedding_width or s.hidden
    ends: list[Module] = [Embedding(names.embedding, first, s.vocab, width)]
    if options.whole_embedding:
        ends = [*blocks.parameters(names.embedding, first, (s.vocab, width), bias=False)]
    if options.final_norm:
        ends.extend(blocks.norm(names.final_norm, last, s.hidden, bias=options.norm_bias))
    if not tie:
        ends.append(Embedding(names.head, last, s.vocab, width, bias=options.head_bias))
    return tuple(ends)


def _layers(s: Sizes, names: Names, options: Options) -> tuple[Module, ...]:
    every, layer = blocks.every_layer(s.layers), names.layer
    modules: list[Module] = [
        blocks.qkv(
            f"{layer}{names.qkv}",
            every,
            s.hidden,
            heads=s.heads,
            kv_heads=s.kv_heads,
            head_dim=s.head_dim,
            bias=options.qkv_bias,
            stored_as=blocks.beside(f"{layer}{names.qkv}", *names.stored_qkv),
        ),
        blocks.linear(
            f"{layer}{names.output}", every, s.heads * s.head_dim, s.hidden, "row", bias=options.output_bias
        ),
        *blocks.attention(f"{layer}{names.attention}", every),
        *_mlp(s, names, options),
    ]
    for name in names.norms:
        modules.extend(blocks.norm(f"{layer}{name}", every, s.hidden, bias=options.norm_bias))
    return tuple(modules)


def _mlp(s: Sizes, names: Names, options: Options) -> tuple[Linear, Linear]:
    every, layer, bias = blocks.every_layer(s.layers), names.layer, options.mlp_bias
    split = options.split_mlp
    return (
        blocks.linear(
            f"{layer}{names.up}",
            every,
            s.hidden,
            (s.intermediate,) * (2 if options.gated else 1),
            "column" if split else "replicated",
            bias=bias,
            stored_as=blocks.beside(f"{layer}{names.up}", *names.stored_up),
        ),
        blocks.linear(
            f"{layer}{names.down}",
            every,
            s.intermediate,
            s.hidden,
            "row" if split else "replicated",
            bias=bias,
        ),
    )
