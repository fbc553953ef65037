"""A language model inside a multimodal one: its own family reads it, and its names get a prefix.

Source: vLLM 0.33.0 model_executor/models/utils.py (init_vllm_registered_model); defaults of transformers'
config classes, which multimodal checkpoints rely on more than others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import architectures
from valuegen.architectures.base import Linear

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys

BY_TYPE = {
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
}
DEFAULTS = {
    "llama": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "mistral": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
}


def with_class_defaults(text: Keys) -> Keys:
    """The section with the sizes of its config class where it leaves them out."""
    return text.defaulting(DEFAULTS.get(text.text("model_type", ""), {}))


def language_model(text: Keys, *, extra: tuple[Module, ...], prefix: str = "language_model.") -> Architecture:
    """The model of this section, with `extra` modules beside it."""
    kind = text.text("model_type", "")
    listed = text.strings("architectures")
    name = listed[0] if listed else BY_TYPE.get(kind, "")
    if name not in architectures.FAMILIES:
        shown = name or kind or "(none)"
        raise text.fail("architectures", f"names {shown}, no language model that is known here")
    inner = architectures.reader(name)(text, name)
    return replace(inner, modules=(*(_prefixed(module, prefix) for module in inner.modules), *extra))


def _prefixed(module: Module, prefix: str) -> Module:
    if isinstance(module, Linear):
        stored = tuple(f"{prefix}{name}" for name in module.checkpoint_names)
        return replace(module, name=f"{prefix}{module.name}", checkpoint_names=stored)
    return replace(module, name=f"{prefix}{module.name}")
