"""A model that no family file describes: its tensors from the checkpoint, its KV cache from standard keys.

What is on disk is exact. How vLLM would split and cache it is not known here, so each rule below errs
to the large side, and `ASSUMPTIONS` says it to the user.
"""

from __future__ import annotations

import re
from collections import defaultdict
from math import prod
from typing import TYPE_CHECKING

from valuegen.architectures.base import (
    Architecture,
    Buffer,
    HeaderKind,
    HeaderSplit,
    HeaderTensor,
    KvLayer,
    Module,
    Place,
    text_keys,
)
from valuegen.architectures.rope import Rope
from valuegen.checkpoint import DTYPE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.checkpoint import Checkpoint, CheckpointTensor
    from valuegen.keys import Keys

ASSUMPTIONS = (
    "valuegen has no file for this architecture: whether vLLM runs it, and how, is not checked",
    "a GPU holds every tensor of the checkpoint; the usual projections, experts and vocabulary tables "
    "are split by tensor parallelism (key/value ones at most by num_key_value_heads), all else is on each GPU",
    "every layer keeps keys and values of the whole context, num_key_value_heads x head_dim each",
)

# Other names of the standard keys.
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num")
HIDDEN = ("hidden_size", "n_embd", "d_model")
LENGTH = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "max_seq_len")

LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
TOWER = re.compile(r"vision|visual|audio|image|speech|encoder|tower|mtp")
EXPERT = re.compile(r"\bexperts\.\d+\.")
KV_SPLIT = re.compile(r"\b(?:[kv]_proj|qkv_proj|qkv|c_attn|query_key_value|Wqkv|W_pack)\b")
SPLIT = re.compile(
    r"\b(?:q_proj|o_proj|out_proj|c_proj|c_fc|fc1|fc2|gate_proj|up_proj|down_proj|gate_up_proj|w1|w2|w3|"
    r"dense_h_to_4h|dense_4h_to_h|experts|embed_tokens|wte|word_embeddings|lm_head|embed_out)\b"
)


def read(keys: Keys, checkpoint: Checkpoint, dtype: str) -> Architecture:
    """Describe the model; `dtype` is config.json's. ModelError for a standard key that is missing."""
    text = text_keys(keys)
    layers, heads, hidden = _first(text, LAYERS), _first(text, HEADS), _first(text, HIDDEN)
    kv_heads = _first(text, KV_HEADS, heads)
    head_dim = text.positive("head_dim", -(-hidden // heads))
    # Latent attention states its sizes apart; the larger one is the safe one.
    head_dim = max(head_dim, text.count("qk_nope_head_dim", 0) + text.count("qk_rope_head_dim", 0))
    position = _first(text, LENGTH)
    modules: list[Module] = list(_modules(checkpoint, layers, dtype))
    every = Place(layers=tuple(range(layers)), shared=True)
    modules.append(Buffer("rotary_emb.cos_sin_cache", every, (position, head_dim)))
    tied = text.flag("tie_word_embeddings", default=keys.flag("tie_word_embeddings", default=False))
    return Architecture(
        hidden_size=hidden,
        intermediate_size=text.positive("intermediate_size", 4 * hidden),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=text.positive("vocab_size"),
        tie_word_embeddings=tied,
        modules=tuple(modules),
        kv_layers=(KvLayer("full", kv_heads, head_dim),) * layers,
        max_position_embeddings=position,
        rope=Rope(),
    )


def _first(keys: Keys, names: tuple[str, ...], default: int | None = None) -> int:
    name = next((name for name in names if keys.has(name)), names[0])
    return keys.positive(name, default)


def _modules(checkpoint: Checkpoint, layers: int, dtype: str) -> Iterator[HeaderTensor]:
    """Equal tensors of a layer, and of several layers, as one: a search counts them again and again."""
    copies: dict[tuple[str, str, tuple[int, ...]], dict[int | None, int]] = defaultdict(
        lambda: defaultdict(int)
    )
    for tensor in checkpoint.tensors:
        layer, name = _layer(tensor, layers)
        copies[EXPERT.sub("experts.*.", name), tensor.dtype, tensor.shape][layer] += 1
    for (name, stored, shape), by_layer in copies.items():
        members: dict[tuple[bool, int], list[int | None]] = defaultdict(list)
        for layer, count in by_layer.items():
            members[layer is None, count].append(layer)
        for (outside, count), numbers in members.items():
            place = (
                Place(first=True, last=True, copies=count)  # where it is needed is not known
                if outside
                else Place(layers=tuple(sorted(n for n in numbers if n is not None)), copies=count)
            )
            yield HeaderTensor(
                name,
                place,
                elements=prod(shape),
                bits=DTYPE_BITS[stored],
                split=_split(name, shape),
                kind=_kind(stored, dtype),
            )


def _layer(tensor: CheckpointTensor, layers: int) -> tuple[int | None, str]:
    """(the decoder layer it belongs to, its name with `*` for that layer)."""
    match = LAYER.search(tensor.name)
    if match is None or TOWER.search(tensor.name[: match.start()]) or len(match[1]) > 6:
        return None, tensor.name
    number = int(match[1])
    if number >= layers:  # extra layers, such as those that predict several tokens
        return None, tensor.name
    return number, f"{tensor.name[: match.start(1)]}*{tensor.name[match.end(1) :]}"


def _split(name: str, shape: tuple[int, ...]) -> HeaderSplit:
    if len(shape) < 2 or TOWER.search(name):
        return "whole"
    if KV_SPLIT.search(name):
        return "kv-heads"
    return "all" if SPLIT.search(name) else "whole"


def _kind(stored: str, dtype: str) -> HeaderKind:
    names = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    if stored == names[dtype]:
        return "engine"
    return "float" if stored in {"F16", "BF16", "F32", "F64"} else "stored"
