"""BERT, RoBERTa and XLM-RoBERTa as embedders and rerankers: no KV cache, one pipeline stage.

Source: vLLM 0.33.0 model_executor/models/{bert,roberta}.py; defaults of transformers' config classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, gpt
from valuegen.architectures.base import Buffer, Embedding, Module, Weight
from valuegen.architectures.dense import Sizes

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FIRST = blocks.FIRST


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe an encoder, and the classifier of a reranker behind it."""
    hidden, heads = keys.positive("hidden_size", 768), keys.positive("num_attention_heads", 12)
    s = Sizes(
        hidden=hidden,
        intermediate=keys.positive("intermediate_size", 3072),
        layers=keys.positive("num_hidden_layers", 12),
        heads=heads,
        kv_heads=heads,
        head_dim=keys.quotient("hidden_size", "num_attention_heads", hidden, heads),
        vocab=keys.positive("vocab_size", 30522),
    )
    classifies = architecture.endswith("ForSequenceClassification")
    roberta = "Roberta" in architecture
    root = "model." if not classifies else "roberta." if roberta else "bert."
    max_position = keys.positive("max_position_embeddings", 512)
    return gpt.encoder(
        s,
        gpt.Names(
            embedding=f"{root}embeddings.word_embeddings",
            layer=f"{root}encoder.layer.*.",
            final_norm=f"{root}embeddings.LayerNorm",  # there is no norm behind the last layer
            norms=("attention.output.LayerNorm", "output.LayerNorm"),
            qkv="attention.self.qkv_proj",
            output="attention.output.dense",
            attention="attention.self.attn",
            up="intermediate.dense",
            down="output.dense",
            stored_qkv=("query", "key", "value"),
        ),
        gpt.Options(),
        max_position=max_position,
        extra=(
            Embedding(f"{root}embeddings.position_embeddings", FIRST, max_position, hidden),
            Embedding(
                f"{root}embeddings.token_type_embeddings", FIRST, keys.positive("type_vocab_size", 2), hidden
            ),
            Buffer(f"{root}embeddings.position_ids", FIRST, (1, max_position), "int64"),
            *(_classifier(keys, root, hidden, roberta=roberta) if classifies else ()),
        ),
    )


def _classifier(keys: Keys, root: str, hidden: int, *, roberta: bool) -> tuple[Module, ...]:
    """A dense layer and the scores, both in 32 bit."""
    dense, scores = (
        ("classifier.dense", "classifier.out_proj") if roberta else (f"{root}pooler.dense", "classifier")
    )
    modules: list[Module] = []
    for name, outputs in ((dense, hidden), (scores, labels(keys))):
        modules.append(Weight(f"{name}.weight", FIRST, (outputs, hidden), "float32"))
        modules.append(Weight(f"{name}.bias", FIRST, (outputs,), "float32"))
    return tuple(modules)


def labels(keys: Keys) -> int:
    """Scores that a classifier gives; transformers' default is two."""
    if keys.has("id2label"):
        return len(keys.entries("id2label"))
    return keys.positive("num_labels", 2)
