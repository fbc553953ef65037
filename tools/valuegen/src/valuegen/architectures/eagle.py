"""EAGLE and EAGLE3 heads on a Llama decoder: drafts that read the hidden states of the model.

Source: vLLM 0.33.0 model_executor/models/llama_eagle.py and llama_eagle3.py,
v1/worker/gpu/spec_decode/eagle/utils.py (what is shared with the model).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, rope
from valuegen.architectures.base import Embedding, Linear, Module, Part, Place, Weight

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

AUX_STATES = 3


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a head; its embedding is the model's where the widths are equal, its head where vocabularies are."""
    s = dense.sizes(keys)
    third = "Eagle3" in architecture
    max_position = keys.positive("max_position_embeddings", 2048)
    scaling = rope.read(keys, max_position)
    options = dense.Options(qkv_bias=keys.flag("attention_bias", default=False))
    attention = dense.attention(s, range(s.layers), options=options)
    if third:
        attention = tuple(part for module in attention for part in _widened(module, s.layers))
    target = keys.positive("target_hidden_size", s.hidden)
    states = keys.positive("num_aux_hidden_states", _aux_states(keys)) if third else 2
    fc = Part(s.hidden, s.hidden)
    modules: list[Module] = [
        *attention,
        *dense.mlp(s, s.intermediate, range(s.layers), options=options),
        Linear("model.fc", Place(first=True), target * states, (fc,), "replicated", checkpoint_names=("fc",)),
        *blocks.norm("model.layers.*.post_attention_layernorm", blocks.every_layer(s.layers), s.hidden),
        dense.rotary_table(s, scaling, max_position),
    ]
    normed = range(s.layers) if third else range(1, s.layers)
    modules += blocks.norm("model.layers.*.input_layernorm", Place(layers=tuple(normed)), s.hidden)
    if third:
        words = keys.positive("draft_vocab_size", s.vocab)
        modules += [
            *blocks.norm("model.layers.*.hidden_norm", blocks.every_layer(s.layers), s.hidden),
            *blocks.norm("model.norm", Place(last=True), s.hidden),
            Weight("draft_id_to_target_id", Place(last=True), (words,), "int64"),
        ]
        if words != s.vocab:
            modules.append(Embedding("lm_head", Place(last=True), words, s.hidden))
    if target != s.hidden:
        modules.append(Embedding("model.embed_tokens", Place(first=True), s.vocab, s.hidden))
    described = dense.decoder(
        s,
        tie=False,
        max_position=max_position,
        rope=scaling,
        tables=(),
        kv_layers=dense.full_attention(s),
        options=options,
        attention_blocks=(),
        feed_forward=(),
    )
    return replace(described, modules=tuple(modules))


def _widened(module: Module, layers: int) -> tuple[Module, ...]:
    """The first layer reads embedding and hidden states side by side."""
    if not isinstance(module, Linear) or not module.name.endswith("qkv_proj"):
        return (module,)
    first = replace(module, place=Place(layers=(0,)), inputs=2 * module.inputs)
    rest = replace(module, place=Place(layers=tuple(range(1, layers))))
    return (first, rest) if layers > 1 else (first,)


def _aux_states(keys: Keys) -> int:
    section = keys.section("eagle_config") if keys.has("eagle_config") else None
    if section is not None and section.has("eagle_aux_hidden_state_layer_ids"):
        return len(section.indexes("eagle_aux_hidden_state_layer_ids"))
    return AUX_STATES
