"""How each quantization method stores a tensor and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantization:
    """A checkpoint's own quantization, as config.json or hf_quant_config.json states it."""

    method: str  # vLLM's name: fp8, awq, gptq, compressed-tensors, modelopt, …
