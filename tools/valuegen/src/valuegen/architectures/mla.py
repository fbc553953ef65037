"""Multi-head latent attention: low-rank projections, one latent vector per token in the cache.

Source: vLLM 0.33.0 model_executor/models/deepseek_v2.py (DeepseekV2MLAAttention, Indexer),
layers/attention/mla_attention.py, models/deepseek_v32/attention.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures.base import Attention, LatentKv, Linear, Module, Part, Place, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.architectures.base import Buffer
    from valuegen.architectures.rope import Rope
    from valuegen.keys import Keys

INDEX_SCALE_BLOCK = 128  # elements of an fp8 index vector that share a float32 scale


@dataclass(frozen=True)
class Mla:
    """The ranks and head sizes of a latent attention."""

    heads: int
    q_rank: int | None  # None: queries are projected in one step
    kv_rank: int
    nope: int  # head size without rotary embedding
    rope: int  # rotary part of keys and queries
    v: int  # head size of values

    @property
    def width(self) -> int:
        """Elements per token in the cache."""
        return self.kv_rank + self.rope


@dataclass(frozen=True)
class Indexer:
    """What picks the tokens that sparse attention reads."""

    heads: int
    head_dim: int


def read(keys: Keys, heads: int) -> Mla:
    """The sizes as config.json gives them."""
    return Mla(
        heads=heads,
        q_rank=keys.positive("q_lora_rank") if keys.has("q_lora_rank") else None,
        kv_rank=keys.positive("kv_lora_rank"),
        nope=keys.positive("qk_nope_head_dim"),
        rope=keys.positive("qk_rope_head_dim"),
        v=keys.positive("v_head_dim"),
    )


def attention(
    m: Mla, hidden: int, layers: Iterable[int], *, prefix: str = "", scales: str = "mla_attn.mla_attn"
) -> tuple[Module, ...]:
    """The attention of `layers`; `scales` names the module that holds the cache's scales."""
    place = Place(layers=tuple(layers))
    a = f"{prefix}model.layers.*.self_attn."
    down = Part(m.width, m.width)
    queries = Part(m.heads * (m.nope + m.rope), m.heads)
    modules: list[Module] = []
    if m.q_rank is None:
        modules += [
            _linear(f"{a}kv_a_proj_with_mqa", place, hidden, down, "replicated"),
            _linear(f"{a}q_proj", place, hidden, queries, "column"),
        ]
    else:
        modules += [
            Linear(
                f"{a}fused_qkv_a_proj",
                place,
                hidden,
                (Part(m.q_rank, m.q_rank), down),
                "replicated",
                checkpoint_names=(f"{a}q_a_proj", f"{a}kv_a_proj_with_mqa"),
            ),
            _linear(f"{a}q_b_proj", place, m.q_rank, queries, "column"),
            Weight(f"{a}q_a_layernorm.weight", place, (m.q_rank,)),
        ]
    return (
        *modules,
        Weight(f"{a}kv_a_layernorm.weight", place, (m.kv_rank,)),
        replace(
            _linear(f"{a}kv_b_proj", place, m.kv_rank, Part(m.heads * (m.nope + m.v), m.heads), "column"),
            plain_copy=True,
        ),
        _linear(f"{a}o_proj", place, m.heads * m.v, Part(hidden, hidden), "row"),
        Attention(f"{a}{scales}" if scales else a.removesuffix("."), place, latent=True),
    )


def indexer(
    m: Mla, index: Indexer, hidden: int, layers: Iterable[int], *, prefix: str = ""
) -> tuple[Module, ...]:
    """The indexer of `layers`, whole on every GPU."""
    place = Place(layers=tuple(layers))
    i = f"{prefix}model.layers.*.self_attn.indexer."
    width = index.heads * index.head_dim
    return (
        _linear(f"{i}wq_b", place, m.q_rank or hidden, Part(width, width), "replicated"),
        replace(
            _linear(f"{i}wk_weights_proj", place, hidden, Part(index.head_dim, 1), "replicated"),
            parts=(Part(index.head_dim, index.head_dim), Part(index.heads, index.heads)),
            quantizable=False,
        ),
        Weight(f"{i}k_norm.weight", place, (index.head_dim,), "float32"),
        Weight(f"{i}k_norm.bias", place, (index.head_dim,), "float32"),
    )


def cache(m: Mla, *, sparse: bool = False) -> LatentKv:
    """The latent cache of a layer."""
    return LatentKv(m.width, sparse=sparse)


def index_cache(index: Indexer) -> LatentKv:
    """The indexer's cache: fp8 vectors with their scales, whatever --kv-cache-dtype says."""
    width = index.head_dim + index.head_dim // INDEX_SCALE_BLOCK * 4
    return LatentKv(width, dtype="uint8", sparse=True)


def rotary_table(
    m: Mla,
    rope: Rope,
    layers: Iterable[int],
    *,
    max_position: int,
    prefix: str = "",
    name: str = "rotary_emb",
) -> Buffer:
    """The rotary table that `layers` share; DeepSeek's scaled kind is float32."""
    table = rope.table(
        f"{prefix}model.layers.*.self_attn.{name}", layers, max_position=max_position, head_dim=m.rope
    )
    return table if rope.type == "default" else replace(table, dtype="float32")


def _linear(name: str, place: Place, inputs: int, part: Part, split: str) -> Linear:
    return Linear(
        name,
        place,
        inputs,
        (part,),
        "row" if split == "row" else "column" if split == "column" else "replicated",
        checkpoint_names=(name,),
    )
