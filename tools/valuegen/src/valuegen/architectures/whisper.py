"""Whisper: an audio encoder, and a decoder that keeps a cache of its own and one of the encoder's output.

Source: vLLM 0.33.0 model_executor/models/whisper.py; defaults of transformers' WhisperConfig.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gpt
from valuegen.architectures.base import KvLayer, Linear, Module, Part, Place, Weight
from valuegen.architectures.dense import Sizes

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FIRST = blocks.FIRST
DECODER, ENCODER = "model.decoder.", "model.encoder."


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe encoder and decoder; vLLM runs them on one pipeline stage."""
    hidden, heads = keys.positive("d_model", 384), keys.positive("decoder_attention_heads", 6)
    s = Sizes(
        hidden=hidden,
        intermediate=keys.positive("decoder_ffn_dim", 1536),
        layers=keys.positive("decoder_layers", 4),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("d_model", "decoder_attention_heads", hidden, heads),
        vocab=keys.positive("vocab_size", 51865),
    )
    positions = keys.positive("max_target_positions", 448)
    own = KvLayer("full", heads, s.head_dim)
    described = gpt.decoder(
        s,
        gpt.Names(
            embedding=f"{DECODER}embed_tokens",
            layer=f"{DECODER}layers.*.",
            final_norm=f"{DECODER}layer_norm",
            norms=("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
            qkv="self_attn.qkv_proj",
            output="self_attn.out_proj",
            attention="self_attn.attn",
            up="mlp.fc1",
            down="mlp.fc2",
            stored_qkv=("q_proj", "k_proj", "v_proj"),
        ),
        gpt.Options(whole_embedding=True),
        tie=True,  # vLLM gives Whisper no head of its own
        max_position=positions,
        kv_layers=((own, replace(own, type="cross-attention")),) * s.layers,
        extra=(
            gpt.positions(f"{DECODER}embed_positions", s, positions),
            *_cross_attention(s),
            *_encoder(keys, s),
        ),
    )
    return replace(described, supports_pipeline=False)


def _cross_attention(s: Sizes) -> tuple[Module, ...]:
    every, block = blocks.every_layer(s.layers), f"{DECODER}layers.*.encoder_attn."
    kv = Part(s.hidden, s.heads, replicable=True)
    stored = (f"{block}k_proj", f"{block}v_proj")
    return (
        blocks.linear(f"{block}q_proj", every, s.hidden, s.hidden, "column", bias=True),
        Linear(f"{block}kv_proj", every, s.hidden, (kv, kv), "column", bias=True, checkpoint_names=stored),
        blocks.linear(f"{block}out_proj", every, s.hidden, s.hidden, "row", bias=True),
        *blocks.attention(f"{block}attn", every),
    )


def _encoder(keys: Keys, s: Sizes) -> tuple[Module, ...]:
    """Two convolutions over the spectrogram and a stack of layers."""
    hidden, inner = s.hidden, keys.positive("encoder_ffn_dim", 1536)
    heads, mels = keys.positive("encoder_attention_heads", 6), keys.positive("num_mel_bins", 80)
    layers = Place(first=True, copies=keys.positive("encoder_layers", 4))
    block = f"{ENCODER}layers.*."
    positions = keys.positive("max_source_positions", 1500)
    modules: list[Module] = [
        *blocks.parameters(f"{ENCODER}conv1", FIRST, (hidden, mels, 3)),
        *blocks.parameters(f"{ENCODER}conv2", FIRST, (hidden, hidden, 3)),
        Weight(f"{ENCODER}embed_positions.weight", FIRST, (positions, hidden)),
        blocks.qkv(
            f"{block}self_attn.qkv_proj",
            layers,
            hidden,
            heads=heads,
            head_dim=keys.quotient("d_model", "encoder_attention_heads", hidden, heads),
            bias=True,
        ),
        blocks.linear(f"{block}self_attn.out_proj", layers, hidden, hidden, "row", bias=True),
        blocks.linear(f"{block}mlp.fc1", layers, hidden, inner, "column", bias=True),
        blocks.linear(f"{block}mlp.fc2", layers, inner, hidden, "row", bias=True),
        *blocks.norm(f"{ENCODER}layer_norm", FIRST, hidden, bias=True),
    ]
    for name in ("self_attn_layer_norm", "final_layer_norm"):
        modules.extend(blocks.norm(f"{block}{name}", layers, hidden, bias=True))
    return tuple(modules)
