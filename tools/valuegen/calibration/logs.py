"""A start-up log of `vllm serve` as a record of records.toml."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from valuegen.calibration import minor_of

SETTINGS = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "dtype",
    "block_size",
    "enforce_eager",
    "enable_expert_parallel",
    "quantization",
)
# What vLLM prints, in the words of 0.10 to 0.33; the first match counts, which is that of rank 0.
FIGURES: dict[str, str] = {
    "weights_gib": r"Model loading took ([\d.]+) GiB",
    "kv_gib": r"Available KV cache memory: (-?[\d.]+) GiB",
    "tokens": r"GPU KV cache size: ([\d,]+) tokens",
    "activation_gib": r"torch peak memory increase: ([\d.]+) ?GiB",
    "non_torch_gib": r"non-torch forward increase memory: ([\d.]+) ?GiB",
    "graphs_gib": r"Graph capturing finished in \d+ secs, took (-?[\d.]+) GiB",
    "needed_gib": r"\(([\d.]+) GiB KV cache is needed",
    "memory_gib": r"Free memory on device \([\d.]+/([\d.]+) GiB\)",
}
# What the engine printed of settings that were not typed.
PRINTED = {
    "tensor_parallel_size": r"tensor_parallel_size=(\d+)",
    "max_model_len": r"max_seq_len=(\d+)",
    "max_num_batched_tokens": r"max_num_batched_tokens=(\d+)",
    "max_num_seqs": r"Defaulting max_num_seqs to (\d+)",
}
# Until then FlashInfer's sampler needed a third of vLLM's own, which sorted.
SORT_UNTIL = (0, 17)
VERSION = r"(?:\bversion|\(v)\s*(\d+\.\d+[\w.+]*)"
TYPED = r"non-default args: (\{.*?\})\n"


def record(text: str, *, name: str, gpu: str, model: str, source: str) -> dict[str, Any]:
    """The record; ValueError if the log states no version or none of the figures."""
    version = re.search(VERSION, text)
    if version is None:
        raise ValueError("the log names no version of vLLM: is it from the first line on?")
    figures = {
        key: number for key, pattern in FIGURES.items() if (number := _number(pattern, text)) is not None
    }
    if not figures.keys() & {"weights_gib", "kv_gib", "activation_gib"}:
        raise ValueError("the log states neither weights nor KV cache nor an activation peak")
    found: dict[str, Any] = {"id": name, "vllm": version[1], "engine": "V1", "model": model, "gpu": gpu}
    found["settings"] = _settings(text)
    found |= figures
    if "EngineCore failed to start" in text:
        found["failed"] = True
    if "speculative_config=None" not in text and "speculative_config=" in text:
        found["draft"] = True
    if minor_of(version[1]) < SORT_UNTIL and "Using FlashInfer for top-p & top-k sampling" in text:
        found["sampler"] = "flashinfer"
    return found | {"source": source}


def toml(stated: dict[str, Any]) -> str:
    """The record as a table for the end of records.toml."""
    return "\n[[record]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in stated.items())


def _settings(text: str) -> dict[str, Any]:
    """What was typed, and what the engine says of the rest; 1 GPU and no pipeline unless it says more."""
    settings = {
        key: int(number) for key, pattern in PRINTED.items() if (number := _number(pattern, text)) is not None
    }
    if (typed := re.search(TYPED, text + "\n", re.DOTALL)) is not None:
        arguments = ast.literal_eval(typed[1].replace("\n", ""))
        settings |= {
            key: arguments[key] for key in SETTINGS if arguments.get(key) not in (None, False, "auto")
        }
    return settings


def _number(pattern: str, text: str) -> float | int | None:
    match = re.search(pattern, text)
    if match is None:
        return None
    digits = match[1].replace(",", "")
    return float(digits) if "." in digits else int(digits)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else str(value)
