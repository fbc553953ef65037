"""config.json -> ModelConfig, checked once, here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valuegen.quantization import Quantization


@dataclass(frozen=True)
class ModelConfig:
    """A model as far as its memory goes."""

    name: str
    architecture: str  # architectures[0] of config.json
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    max_model_len: int  # vLLM's default when --max-model-len is unset
    max_model_len_limit: int  # the longest that vLLM accepts
    tie_word_embeddings: bool
    dtype: str  # of the checkpoint: bfloat16, float16 or float32
    quantization: Quantization | None
    sliding_window: int | None
    layer_types: tuple[str, ...]  # "full" or "sliding-window", one per layer

    @classmethod
    def from_dict(
        cls, raw: Mapping[str, Any], *, name: str, hf_quant_config: Mapping[str, Any] | None = None
    ) -> ModelConfig:
        """Read a parsed config.json; raises ModelError that names the key and the rule."""
        raise NotImplementedError
