"""DeepSeek-V4: a window of exact tokens beside caches in which 4 or 128 tokens are compressed to one.

Source: vLLM 0.33.0 models/deepseek_v4/{attention,compressor}.py, models/deepseek_v4/nvidia/model.py,
v1/attention/backends/mla/sparse_swa.py (the caches).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, moe, rope
from valuegen.architectures.base import LatentKv, Linear, Part, Place, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.architectures.base import Architecture, Buffer, Module
    from valuegen.keys import Keys

MODEL_TYPE = "deepseek_v4"  # vLLM has no config class for others
LAYER = "model.layers.*."
TOKEN_BYTES = 584  # 448 fp8 elements, 64 bfloat16 of rotary key, 8 scales
PAGE_ALIGNMENT = 576  # bytes
BLOCK = 256  # tokens that the sparse kernels read at once
WINDOW_BLOCK = 64
INDEXED_RATIO = 4  # layers of this compression pick what they read
STATE_BLOCK = {4: 4, 128: 8}  # tokens per block of a compressor's state
SINK_HEADS = 64  # the decode kernel takes 64 or 128 heads
SHARED_MULTIPLE = 128  # rows of an FP8 block: shared experts are cut between blocks only


@dataclass(frozen=True)
class _Sizes:
    """What of this attention is not in dense.Sizes."""

    q_rank: int
    o_rank: int
    o_groups: int
    rope: int
    index_heads: int
    index_dim: int


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of this generation."""
    keys.one_of("model_type", keys.text("model_type", MODEL_TYPE), (MODEL_TYPE,))
    heads = keys.positive("num_attention_heads")
    width = keys.positive("moe_intermediate_size")
    s = dense.Sizes(
        hidden=keys.positive("hidden_size"),
        intermediate=width,
        layers=keys.positive("num_hidden_layers"),
        heads=heads,
        kv_heads=1,
        head_dim=keys.positive("head_dim"),
        vocab=keys.positive("vocab_size"),
    )
    a = _Sizes(
        q_rank=keys.positive("q_lora_rank"),
        o_rank=keys.positive("o_lora_rank"),
        o_groups=keys.positive("o_groups"),
        rope=keys.positive("qk_rope_head_dim"),
        index_heads=keys.positive("index_n_heads"),
        index_dim=keys.positive("index_head_dim"),
    )
    ratios = _ratios(keys, s.layers)
    caches = {ratio: _caches(s, a, keys, ratio) for ratio in set(ratios)}
    max_position = keys.positive("max_position_embeddings")
    options = dense.Options(norms=("attn_norm", "ffn_norm"))
    compressed = _layers(ratios, *STATE_BLOCK)
    rotary = rope.read(keys, max_position)
    attention: list[Module] = list(_attention(s, a))
    for ratio in sorted(set(ratios) - {1}):
        attention += _compressor(f"{LAYER}attn.", s.hidden, s.head_dim, ratio, _layers(ratios, ratio))
    attention += _indexer(s, a, _layers(ratios, INDEXED_RATIO))
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=(
            _table(replace(rotary, type="default"), a, _layers(ratios, 1), max_position),
            _table(rotary, a, compressed, max_position),
        ),
        kv_layers=tuple(caches[ratio] for ratio in ratios),
        options=options,
        attention_blocks=tuple(attention),
        feed_forward=_experts(keys, s, options),
        extra=_hyper_connections(keys, s),
    )


def _ratios(keys: Keys, layers: int) -> tuple[int, ...]:
    """How many tokens each layer compresses to one; 1: none, the window is all it sees."""
    raw = keys.raw("compress_ratios")
    if not isinstance(raw, list) or len(raw) < layers or not set(raw) <= {0, 1, *STATE_BLOCK}:
        raise keys.fail("compress_ratios", f"must hold 0, 4 or 128 for each of the {layers} layers")
    return tuple(max(1, ratio) for ratio in raw[:layers])


def _layers(ratios: tuple[int, ...], *wanted: int) -> tuple[int, ...]:
    return tuple(layer for layer, ratio in enumerate(ratios) if ratio in wanted)


def _table(rotary: rope.Rope, a: _Sizes, layers: Sequence[int], max_position: int) -> Buffer:
    table = rotary.table(f"{LAYER}attn.rotary_emb", layers, max_position=max_position, head_dim=a.rope)
    return replace(table, dtype="float32")


def _attention(s: dense.Sizes, a: _Sizes) -> tuple[Module, ...]:
    every, n = blocks.every_layer(s.layers), f"{LAYER}attn."
    padded = SINK_HEADS if s.heads <= SINK_HEADS else 2 * SINK_HEADS
    grouped = a.o_groups * a.o_rank
    return (
        blocks.linear(
            f"{n}fused_wqa_wkv",
            every,
            s.hidden,
            (a.q_rank, s.head_dim),
            "replicated",
            stored_as=(f"{n}wq_a", f"{n}wkv"),
        ),
        Linear(f"{n}wq_b", every, a.q_rank, (Part(s.heads * s.head_dim, s.heads),), "column"),
        blocks.linear(f"{n}wo_a", every, s.heads * s.head_dim // a.o_groups, grouped, "column"),
        blocks.linear(f"{n}wo_b", every, grouped, s.hidden, "row"),
        *blocks.norm(f"{n}q_norm", every, a.q_rank),
        *blocks.norm(f"{n}kv_norm", every, s.head_dim),
        Weight(f"{n}attn_sink", every, (padded,), "float32", units=padded // SINK_HEADS, replicable=True),
    )


def _compressor(
    name: str, hidden: int, head_dim: int, ratio: int, layers: tuple[int, ...]
) -> tuple[Module, ...]:
    place, n = Place(layers=layers), f"{name}compressor."
    width = _overlap(ratio) * head_dim
    return (
        Weight(f"{n}ape", place, (ratio, width), "float32"),
        blocks.linear(f"{n}fused_wkv_wgate", place, hidden, (width, width), "replicated", quantizable=False),
        *blocks.norm(f"{n}norm", place, head_dim),
    )


def _indexer(s: dense.Sizes, a: _Sizes, layers: tuple[int, ...]) -> tuple[Module, ...]:
    place, n = Place(layers=layers), f"{LAYER}attn.indexer."
    return (
        blocks.linear(f"{n}wq_b", place, a.q_rank, a.index_heads * a.index_dim, "replicated"),
        blocks.linear(f"{n}weights_proj", place, s.hidden, a.index_heads, "replicated", quantizable=False),
        *_compressor(n, s.hidden, a.index_dim, INDEXED_RATIO, layers),
    )


def _experts(keys: Keys, s: dense.Sizes, options: dense.Options) -> tuple[Module, ...]:
    hashed = min(keys.count("num_hash_layers", 0), s.layers)
    block = moe.Block(experts=keys.positive("n_routed_experts"), width=s.intermediate, module="ffn")
    routed, table = Place(layers=tuple(range(hashed, s.layers))), Place(layers=tuple(range(hashed)))
    shared = s.intermediate * keys.count("n_shared_experts", 0)
    found = list(moe.modules(s, block, range(s.layers), options=options))
    if shared:
        found += _shared(s, shared)
    choices = (s.vocab, keys.positive("num_experts_per_tok"))
    return (
        *found,
        Weight(f"{LAYER}ffn.gate.e_score_correction_bias", routed, (block.experts,), "float32"),
        Weight(f"{LAYER}ffn.gate.tid2eid", table, choices, "int32"),
    )


def _shared(s: dense.Sizes, width: int) -> tuple[Module, ...]:
    """Shared experts; a GPU's share is whole FP8 blocks, the last GPUs' are filled with zeros."""
    every, n = blocks.every_layer(s.layers), f"{LAYER}ffn.shared_experts."
    gate = Part(width, width, multiple=SHARED_MULTIPLE)
    return (
        Linear(f"{n}gate_up_proj", every, s.hidden, (gate, gate), "column", sequence_parallel=True),
        Linear(
            f"{n}down_proj",
            every,
            width,
            (Part(s.hidden, s.hidden),),
            "row",
            inputs_multiple=SHARED_MULTIPLE,
            sequence_parallel=True,
        ),
    )


def _hyper_connections(keys: Keys, s: dense.Sizes) -> tuple[Module, ...]:
    """The weights that mix the residual streams, around each half of a layer and before the head."""
    streams = keys.positive("hc_mult")
    every, stage = blocks.every_layer(s.layers), blocks.every_stage(s.layers)
    mixed, width = (2 + streams) * streams, streams * s.hidden
    shapes = (("fn", (mixed, width)), ("base", (mixed,)), ("scale", (3,)))
    head = (("fn", (streams, width)), ("base", (streams,)), ("scale", (1,)))
    return (
        *(
            Weight(f"{LAYER}hc_{half}_{part}", every, shape, "float32")
            for half in ("attn", "ffn")
            for part, shape in shapes
        ),
        *(Weight(f"model.hc_head_{part}", stage, shape, "float32") for part, shape in head),
    )


def _caches(s: dense.Sizes, a: _Sizes, keys: Keys, ratio: int) -> tuple[LatentKv, ...]:
    window = LatentKv(
        s.head_dim,
        "sliding-window-mla",
        dtype="uint8",
        bytes=TOKEN_BYTES,
        window=keys.positive("sliding_window"),
        block_size=WINDOW_BLOCK,
        alignment=PAGE_ALIGNMENT,
        kernel_block=BLOCK,
        side_by_side=True,
    )
    if ratio == 1:
        return (window,)
    latent = LatentKv(
        s.head_dim,
        dtype="uint8",
        bytes=TOKEN_BYTES,
        tokens_per_vector=ratio,
        alignment=PAGE_ALIGNMENT,
        kernel_block=BLOCK,
        side_by_side=True,
    )
    state = _state(s.head_dim, ratio)
    if ratio != INDEXED_RATIO:
        return (window, latent, state)
    index = replace(latent, width=a.index_dim + 4, bytes=None)  # fp8 with a float32 scale
    # In the order in which vLLM registers them, which is that of its groups.
    return (index, _state(a.index_dim, ratio), window, latent, state)


def _state(head_dim: int, ratio: int) -> LatentKv:
    """The tokens that a compressor has not compressed yet, with their scores."""
    overlap = _overlap(ratio)
    return LatentKv(
        2 * overlap * head_dim,
        "sliding-window-mla",
        dtype="float32",
        window=overlap * ratio,
        block_size=STATE_BLOCK[ratio],
        alignment=PAGE_ALIGNMENT,
        kernel_block=BLOCK,
        side_by_side=True,
    )


def _overlap(ratio: int) -> int:
    """Windows of the finer compression overlap by half."""
    return 2 if ratio == INDEXED_RATIO else 1
