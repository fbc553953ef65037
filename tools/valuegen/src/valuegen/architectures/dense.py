"""The dense decoder that Llama, Mistral, Qwen, Gemma and Phi-3 share, with their differences as options.

Source: vLLM 0.33.0 model_executor/models/{llama,mistral,qwen2,qwen3,gemma,gemma2,gemma3}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import (
    Architecture,
    Attention,
    Buffer,
    Embedding,
    KvLayer,
    Linear,
    Module,
    Part,
    Place,
    Weight,
)
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.architectures.base import KvCache
    from valuegen.architectures.rope import Rope
    from valuegen.keys import Keys


@dataclass(frozen=True)
class Sizes:
    """The sizes of a decoder as config.json gives them."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int


def sizes(keys: Keys, **defaults: int) -> Sizes:
    """Read the sizes; `defaults` are those of the model's config class in transformers."""
    hidden = keys.positive("hidden_size")
    heads = keys.positive("num_attention_heads", defaults.get("num_attention_heads"))
    kv_heads = keys.positive("num_key_value_heads", defaults.get("num_key_value_heads", heads))
    if "head_dim" in defaults or keys.has("head_dim"):
        head_dim = keys.positive("head_dim", defaults.get("head_dim"))
    else:
        head_dim = keys.quotient("hidden_size", "num_attention_heads")
    keys.divisible("num_attention_heads", heads, "num_key_value_heads", kv_heads)
    return Sizes(
        hidden=hidden,
        intermediate=keys.positive("intermediate_size", defaults.get("intermediate_size")),
        layers=keys.positive("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocab=keys.positive("vocab_size", defaults.get("vocab_size")),
    )


@dataclass(frozen=True)
class Options:
    """What differs between dense families."""

    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    scaled_embedding: bool = False  # Gemma: a `normalizer` buffer
    every_stage: bool = False  # embedding, final norm and head stand on every pipeline stage
    embedding_every_stage: bool = False  # of these, the embedding alone
    head_every_stage: bool = False
    fused_checkpoint: bool = False  # Phi-3 stores qkv and gate_up merged
    gated: bool = True  # False: the MLP has two matrices, not three
    final_norm: bool = True
    gated_output: bool = False  # queries come with a gate of their size
    queries_only: bool = False  # the layer reads keys and values that another one has cached
    prefix: str = ""
    attention: str = "self_attn"
    embedding: str = "embed_tokens"
    norm_bias: bool = False
    head_bias: bool = False
    replicable_kv: bool = True  # key/value heads may be fewer than GPUs
    supports_float16: bool = True


def decoder(
    s: Sizes,
    *,
    tie: bool,
    max_position: int,
    rope: Rope,
    tables: tuple[Buffer, ...],
    kv_layers: tuple[KvCache | tuple[KvCache, ...] | None, ...],
    options: Options,
    attention_blocks: tuple[Module, ...] | None = None,
    feed_forward: tuple[Module, ...] | None = None,
    extra: tuple[Module, ...] = (),
) -> Architecture:
    """Assemble a decoder; `attention_blocks` and `feed_forward` replace those of a dense one in all layers."""
    if attention_blocks is None:
        attention_blocks = attention(s, range(s.layers), options=options)
    if feed_forward is None:
        feed_forward = mlp(s, s.intermediate, range(s.layers), options=options)
    modules = (
        *_ends(s, tie=tie, options=options),
        *attention_blocks,
        *feed_forward,
        *_norms(s, options),
        *tables,
        *extra,
    )
    return Architecture(
        hidden_size=s.hidden,
        intermediate_size=s.intermediate,
        num_attention_heads=s.heads,
        num_key_value_heads=s.kv_heads,
        head_dim=s.head_dim,
        vocab_size=s.vocab,
        tie_word_embeddings=tie,
        modules=modules,
        kv_layers=kv_layers,
        max_position_embeddings=max_position,
        rope=rope,
        supports_float16=options.supports_float16,
    )


def rotary_table(
    s: Sizes, rope: Rope, max_position: int, *, prefix: str = "", layers: Iterable[int] | None = None
) -> Buffer:
    """The rotary table that `layers` (all, unless given) share."""
    return rope.table(
        f"{prefix}model.layers.*.self_attn.rotary_emb",
        range(s.layers) if layers is None else layers,
        max_position=max_position,
        head_dim=s.head_dim,
    )


def full_attention(s: Sizes) -> tuple[KvLayer, ...]:
    """Every layer keeps the keys and values of the whole context."""
    return (KvLayer("full", s.kv_heads, s.head_dim),) * s.layers


def attention_by_type(s: Sizes, sliding: tuple[bool, ...], window: int | None) -> tuple[KvLayer, ...]:
    """Full attention, or the last `window` tokens where `sliding` says so."""
    full = KvLayer("full", s.kv_heads, s.head_dim)
    if window is None:
        return (full,) * s.layers
    local = KvLayer("sliding-window", s.kv_heads, s.head_dim, window)
    return tuple(local if is_local else full for is_local in sliding)


def _ends(s: Sizes, *, tie: bool, options: Options) -> tuple[Module, ...]:
    p = options.prefix
    stage = Place(layers=tuple(range(s.layers)), shared=True)
    embedding = Place(first=True, last=tie)
    if options.every_stage or options.embedding_every_stage:
        embedding = stage
    last = stage if options.every_stage else Place(last=True)
    head = stage if options.every_stage or options.head_every_stage else Place(last=True)
    ends: list[Module] = [
        Embedding(f"{p}model.{options.embedding}", embedding, s.vocab, s.hidden),
    ]
    if options.final_norm:
        ends.extend(_norm(f"{p}model.norm", last, s.hidden, options))
    if not tie:
        ends.append(Embedding(f"{p}lm_head", head, s.vocab, s.hidden, options.head_bias))
    if options.scaled_embedding:
        ends.append(Buffer(f"{p}model.normalizer", embedding, ()))
    return tuple(ends)


def mlp(
    s: Sizes,
    width: int,
    layers: Iterable[int],
    *,
    options: Options,
    name: str = "mlp",
    sequence_parallel: bool = False,
) -> tuple[Module, ...]:
    """The MLP of `layers`, or shared experts, which are the same under another name."""
    place = Place(layers=tuple(layers))
    module = f"{options.prefix}model.layers.*.{name}."
    merged, stored = (
        ("gate_up_proj", ("gate_proj", "up_proj")) if options.gated else ("up_proj", ("up_proj",))
    )
    return (
        Linear(
            f"{module}{merged}",
            place,
            s.hidden,
            (Part(width, width),) * len(stored),
            "column",
            bias=options.mlp_bias,
            checkpoint_names=_names(module, merged, stored, options.fused_checkpoint),
            sequence_parallel=sequence_parallel,
        ),
        Linear(
            f"{module}down_proj",
            place,
            width,
            (Part(s.hidden, s.hidden),),
            "row",
            bias=options.mlp_bias,
            checkpoint_names=(f"{module}down_proj",),
            sequence_parallel=sequence_parallel,
        ),
    )


def attention(
    s: Sizes, layers: Iterable[int], *, options: Options, value_dim: int | None = None
) -> tuple[Module, ...]:
    """Grouped-query attention of `layers`; `value_dim` is the size of a value head where it differs."""
    place = Place(layers=tuple(layers))
    block = f"{options.prefix}model.layers.*.{options.attention}."
    value_dim = s.head_dim if value_dim is None else value_dim
    q = Part(s.heads * s.head_dim * (2 if options.gated_output else 1), s.heads)
    k, v = (
        Part(s.kv_heads * width, s.kv_heads, replicable=options.replicable_kv)
        for width in (s.head_dim, value_dim)
    )
    merged, parts, letters = ("q_proj", (q,), "q") if options.queries_only else ("qkv_proj", (q, k, v), "qkv")
    modules: list[Module] = [
        Linear(
            f"{block}{merged}",
            place,
            s.hidden,
            parts,
            "column",
            bias=options.qkv_bias,
            checkpoint_names=_names(
                block, merged, tuple(f"{letter}_proj" for letter in letters), options.fused_checkpoint
            ),
        ),
        Linear(
            f"{block}o_proj",
            place,
            s.heads * value_dim,
            (Part(s.hidden, s.hidden),),
            "row",
            bias=options.output_bias,
            checkpoint_names=(f"{block}o_proj",),
        ),
        Attention(f"{block}attn", place),
    ]
    if options.qk_norm:
        modules.extend(
            Weight(f"{block}{letter}_norm.weight", place, (s.head_dim,))
            for letter in letters
            if letter != "v"
        )
    return tuple(modules)


def _norms(s: Sizes, options: Options) -> tuple[Module, ...]:
    every = Place(layers=tuple(range(s.layers)))
    layer = f"{options.prefix}model.layers.*."
    return tuple(part for norm in options.norms for part in _norm(f"{layer}{norm}", every, s.hidden, options))


def _norm(name: str, place: Place, width: int, options: Options) -> tuple[Weight, ...]:
    parts = ("weight", "bias") if options.norm_bias else ("weight",)
    return tuple(Weight(f"{name}.{part}", place, (width,)) for part in parts)


def _names(layer: str, merged: str, separate: tuple[str, ...], fused: bool) -> tuple[str, ...]:
    return tuple(f"{layer}{name}" for name in ((merged,) if fused else separate))
