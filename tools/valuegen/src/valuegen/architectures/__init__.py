"""Architectures by the name in config.json. A family is one file, loaded when a model needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FAMILIES = {
    "DeepseekV2ForCausalLM": "deepseek",
    "DeepseekV3ForCausalLM": "deepseek",
    "DeepseekV32ForCausalLM": "deepseek",
    "GlmMoeDsaForCausalLM": "deepseek",
    "KimiK25ForConditionalGeneration": "kimi_k25",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Mistral3ForConditionalGeneration": "mistral3",
    "Glm4MoeForCausalLM": "glm4_moe",
    "GptOssForCausalLM": "gpt_oss",
    "Llama4ForConditionalGeneration": "llama4",
    "MiMoV2FlashForCausalLM": "mimo",
    "MiniMaxM2ForCausalLM": "minimax_m2",
    "MixtralForCausalLM": "mixtral",
    "OlmoeForCausalLM": "olmoe",
    "Qwen2ForCausalLM": "qwen",
    "Qwen2MoeForCausalLM": "qwen_moe",
    "Qwen3ForCausalLM": "qwen",
    "Qwen3MoeForCausalLM": "qwen_moe",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma",
    "Gemma3ForCausalLM": "gemma",
    "Gemma3ForConditionalGeneration": "gemma",
    "Phi3ForCausalLM": "phi3",
    "PhiMoEForCausalLM": "phimoe",
}


def reader(name: str) -> Callable[[Keys, str], Architecture]:
    """The `read` function of the family that `name` belongs to; KeyError for an unknown name."""
    module = import_module(f"{__name__}.{FAMILIES[name]}")
    return cast("Callable[[Keys, str], Architecture]", module.read)
