"""ModernBERT as embedder and reranker: gated MLP, local and global layers with a rotary table each.

Source: vLLM 0.33.0 model_executor/models/modernbert.py; defaults of transformers' ModernBertConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import bert, blocks, gpt
from valuegen.architectures.base import Module, Place, Weight
from valuegen.architectures.dense import Sizes
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FIRST = blocks.FIRST


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe an encoder, and the classifier of a reranker behind it."""
    hidden, heads = keys.positive("hidden_size", 768), keys.positive("num_attention_heads", 12)
    s = Sizes(
        hidden=hidden,
        intermediate=keys.positive("intermediate_size", 1152),
        layers=keys.positive("num_hidden_layers", 22),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("hidden_size", "num_attention_heads", hidden, heads),
        vocab=keys.positive("vocab_size", 50368),
    )
    classifies = architecture == "ModernBertForSequenceClassification"
    root = "model." if classifies else ""
    layer = f"{root}encoder_layer.layers.*."
    norm_bias = keys.flag("norm_bias", default=False)
    max_position = keys.positive("max_position_embeddings", 8192)
    bias, mlp_bias = keys.flag("attention_bias", default=False), keys.flag("mlp_bias", default=False)
    return gpt.encoder(
        s,
        gpt.Names(
            embedding=f"{root}embeddings.tok_embeddings",
            layer=layer,
            final_norm=f"{root}final_norm",
            norms=("mlp_norm",),
            qkv="attn.Wqkv",
            output="attn.Wo",
            attention="attn.attn",
            up="mlp.Wi",
            down="mlp.Wo",
        ),
        gpt.Options(qkv_bias=bias, output_bias=bias, mlp_bias=mlp_bias, norm_bias=norm_bias, gated=True),
        max_position=max_position,
        extra=(
            *blocks.norm(f"{root}embeddings.norm", FIRST, hidden, bias=norm_bias),
            # The first layer sees the embedding's norm instead of one of its own.
            *blocks.norm(f"{layer}attn_norm", Place(tuple(range(1, s.layers))), hidden, bias=norm_bias),
            *_tables(keys, s, f"{layer}attn.rotary_emb", max_position),
            *(_classifier(keys, hidden, norm_bias=norm_bias) if classifies else ()),
        ),
    )


def _tables(keys: Keys, s: Sizes, name: str, max_position: int) -> tuple[Module, ...]:
    every = keys.positive("global_attn_every_n_layers", 3)
    if keys.has("layer_types"):
        local = [kind == "sliding_attention" for kind in keys.names("layer_types", s.layers)]
    else:
        local = [layer % every != 0 for layer in range(s.layers)]
    kinds = ([layer for layer in range(s.layers) if local[layer] == kind] for kind in (True, False))
    return tuple(
        Rope().table(name, layers, max_position=max_position, head_dim=s.head_dim)
        for layers in kinds
        if layers
    )


def _classifier(keys: Keys, hidden: int, *, norm_bias: bool) -> tuple[Module, ...]:
    """A dense layer, a norm and the scores, all in 32 bit."""
    scores = bert.labels(keys)
    shapes = {
        "pooling.dense.weight": (hidden, hidden),
        "pooling.norm.weight": (hidden,),
        "classifier.weight": (scores, hidden),
        "classifier.bias": (scores,),
    }
    if keys.flag("classifier_bias", default=False):
        shapes["pooling.dense.bias"] = (hidden,)
    if norm_bias:
        shapes["pooling.norm.bias"] = (hidden,)
    return tuple(Weight(name, FIRST, shape, "float32") for name, shape in shapes.items())
