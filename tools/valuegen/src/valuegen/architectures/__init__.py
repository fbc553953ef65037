"""Architectures by the name in config.json. A family is one file, loaded when a model needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from valuegen.architectures.base import Architecture
    from valuegen.keys import Keys

FAMILIES = {
    "ApertusForCausalLM": "apertus",
    "ArceeForCausalLM": "transformers_backend",
    "BailingMoeForCausalLM": "bailing_moe",
    "BailingMoeV2ForCausalLM": "bailing_moe",
    "BertForSequenceClassification": "bert",
    "BertModel": "bert",
    "BloomForCausalLM": "bloom",
    "Cohere2ForCausalLM": "cohere",
    "CohereForCausalLM": "cohere",
    "CwmForCausalLM": "transformers_backend",
    "DeciLMForCausalLM": "decilm",
    "DeepseekV2ForCausalLM": "deepseek",
    "DeepseekV32ForCausalLM": "deepseek",
    "DeepseekV3ForCausalLM": "deepseek",
    "DeepseekV4ForCausalLM": "deepseek_v4",
    "Eagle3LlamaForCausalLM": "eagle",
    "EagleLlamaForCausalLM": "eagle",
    "Ernie4_5ForCausalLM": "llama",
    "Ernie4_5_MoeForCausalLM": "ernie45_moe",
    "Exaone4ForCausalLM": "exaone4",
    "ExaoneForCausalLM": "exaone",
    "FalconForCausalLM": "falcon",
    "FalconH1ForCausalLM": "falcon_h1",
    "FalconMambaForCausalLM": "mamba",
    "GPT2LMHeadModel": "gpt2",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "GPTJForCausalLM": "gptj",
    "GPTNeoXForCausalLM": "gpt_neox",
    "Gemma2ForCausalLM": "gemma",
    "Gemma2Model": "embedder",
    "Gemma3ForCausalLM": "gemma",
    "Gemma3ForConditionalGeneration": "gemma",
    "Gemma4ForCausalLM": "gemma4",
    "Gemma4ForConditionalGeneration": "gemma4",
    "GemmaForCausalLM": "gemma",
    "Glm4ForCausalLM": "glm4",
    "Glm4MoeForCausalLM": "glm4_moe",
    "Glm4vForConditionalGeneration": "glm4v",
    "Glm4vMoeForConditionalGeneration": "glm4v",
    "GlmForCausalLM": "transformers_backend",
    "GlmMoeDsaForCausalLM": "deepseek",
    "GptOssForCausalLM": "gpt_oss",
    "GraniteForCausalLM": "llama",
    "GraniteMoeForCausalLM": "granite_moe",
    "GraniteMoeHybridForCausalLM": "granite_hybrid",
    "GraniteMoeSharedForCausalLM": "granite_moe",
    "HunYuanDenseV1ForCausalLM": "transformers_backend",
    "IQuestCoderForCausalLM": "llama",
    "InternLM2ForCausalLM": "internlm2",
    "InternLM3ForCausalLM": "llama",
    "InternVLChatModel": "internvl",
    "KimiK25ForConditionalGeneration": "kimi_k25",
    "KimiK3ForConditionalGeneration": "kimi_k3",
    "KimiLinearForCausalLM": "kimi_k3",
    "LLaMAForCausalLM": "llama",
    "Lfm2ForCausalLM": "lfm2",
    "Llama4ForConditionalGeneration": "llama4",
    "LlamaForCausalLM": "llama",
    "LlamaForCausalLMEagle3": "eagle",
    "LlamaModel": "embedder",
    "LlavaForConditionalGeneration": "llava",
    "LlavaNextForConditionalGeneration": "llava",
    "Mamba2ForCausalLM": "mamba2",
    "MambaForCausalLM": "mamba",
    "MiMoV2FlashForCausalLM": "mimo",
    "MiMoForCausalLM": "qwen",
    "MiniMaxM2ForCausalLM": "minimax_m2",
    "MiniMaxM3SparseForConditionalGeneration": "minimax_m3",
    "Ministral3ForCausalLM": "mistral",
    "Mistral3ForConditionalGeneration": "mistral3",
    "MistralForCausalLM": "mistral",
    "MistralModel": "embedder",
    "MixtralForCausalLM": "mixtral",
    "ModernBertForSequenceClassification": "modernbert",
    "ModernBertModel": "modernbert",
    "NemotronForCausalLM": "nemotron",
    "NemotronHForCausalLM": "nemotron_h",
    "OPTForCausalLM": "opt",
    "Olmo2ForCausalLM": "transformers_backend",
    "Olmo3ForCausalLM": "transformers_backend",
    "OlmoForCausalLM": "transformers_backend",
    "OlmoeForCausalLM": "olmoe",
    "Phi3ForCausalLM": "phi3",
    "PhiForCausalLM": "phi",
    "PhiMoEForCausalLM": "phimoe",
    "Qwen2ForCausalLM": "qwen",
    "Qwen2Model": "embedder",
    "Qwen2MoeForCausalLM": "qwen_moe",
    "Qwen2VLForConditionalGeneration": "qwen_vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen_vl",
    "Qwen3ForCausalLM": "qwen",
    "Qwen3MoeForCausalLM": "qwen_moe",
    "Qwen3NextForCausalLM": "qwen3_next",
    "Qwen3VLForConditionalGeneration": "qwen_vl",
    "Qwen3VLMoeForConditionalGeneration": "qwen_vl",
    "Qwen3_5ForConditionalGeneration": "qwen3_next",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_next",
    "RobertaForSequenceClassification": "bert",
    "RobertaModel": "bert",
    "SeedOssForCausalLM": "transformers_backend",
    "SmolLM3ForCausalLM": "transformers_backend",
    "StableLmForCausalLM": "stablelm",
    "Starcoder2ForCausalLM": "starcoder2",
    "TeleChat3ForCausalLM": "llama",
    "WhisperForConditionalGeneration": "whisper",
    "XLMRobertaForSequenceClassification": "bert",
    "XLMRobertaModel": "bert",
}


def near(name: str, most: int = 5) -> list[str]:
    """The known names most like `name`, nearest first; empty where none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a refusal needs it

    lower = {known.lower(): known for known in FAMILIES}
    return [lower[match] for match in get_close_matches(name.lower(), lower, n=most, cutoff=0.5)]


def reader(name: str) -> Callable[[Keys, str], Architecture]:
    """The `read` function of the family that `name` belongs to; KeyError for an unknown name."""
    module = import_module(f"{__name__}.{FAMILIES[name]}")
    return cast("Callable[[Keys, str], Architecture]", module.read)
