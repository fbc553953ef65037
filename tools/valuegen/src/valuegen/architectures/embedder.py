"""Decoders that are served as embedders: the same layers and cache without a language model head.

Source: vLLM 0.33.0 model_executor/models/adapters.py (as_embedding_model) and registry.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import architectures
from valuegen.architectures.base import Embedding

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

DECODERS = {
    "Gemma2Model": "Gemma2ForCausalLM",
    "LlamaModel": "LlamaForCausalLM",
    "MistralModel": "MistralForCausalLM",
    "Qwen2Model": "Qwen2ForCausalLM",
}


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe the decoder under the name of its base model."""
    name = DECODERS[architecture]
    decoder = architectures.reader(name)(keys, name)
    kept = tuple(module for module in decoder.modules if not _is_head(module))
    return replace(decoder, modules=kept, is_pooling=True)


def _is_head(module: Module) -> bool:
    return isinstance(module, Embedding) and module.is_head
