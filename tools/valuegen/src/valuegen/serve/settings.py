"""Flags -> EngineSettings: what a command line asks of the engine."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from valuegen.engine import EngineSettings
from valuegen.fit import AUTO_LENGTH
from valuegen.units import human_int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.serve.words import Flag

SETTINGS = {field.name.replace("_", "-"): field for field in fields(EngineSettings)}

# Flags that change what a GPU holds. Those without a setting above are not counted, and that is said.
MEMORY_FLAGS = (
    "cpu-offload-gb",
    "cpu-offload-params",
    "cudagraph-capture-sizes",
    "compilation-config",
    "diffusion-config",
    "enable-dbo",
    "enable-eplb",
    "enable-lora",
    "hf-config-path",
    "hf-overrides",
    "kv-cache-dtype-skip-layers",
    "kv-offloading-size",
    "kv-sharing-fast-prefill",
    "language-model-only",
    "limit-mm-per-prompt",
    "mamba-block-size",
    "mamba-cache-dtype",
    "mamba-cache-mode",
    "mamba-ssm-cache-dtype",
    "max-cudagraph-capture-size",
    "mm-encoder-tp-mode",
    "model-impl",
    "num-gpu-blocks-override",
    "optimization-level",
    "quantization-config",
    "runner",
    "skip-mm-profiling",
    "spec-method",
    "spec-model",
    "spec-tokens",
    "speculative-config",
)


class ValueOfFlagError(ValueError):
    """A flag's value is none that vLLM reads; the message says what is expected."""


def uncounted(flags: Iterable[Flag]) -> list[Flag]:
    """The flags among them that change what a GPU holds and are not counted here."""
    return [
        flag
        for flag in flags
        if flag.name in MEMORY_FLAGS and flag.name not in SETTINGS and flag.value not in (None, False)
    ]


def read_value(flag: Flag) -> Any:
    """The value of a setting, of its own type; ValueOfFlagError if it has none."""
    kind = str(SETTINGS[flag.name].type).partition(" ")[0]
    value = flag.value
    if kind == "bool":
        if not isinstance(value, bool):
            raise ValueOfFlagError("is a switch, true or false")
        return value
    if isinstance(value, bool | list | dict):
        raise ValueOfFlagError("takes one value")
    if kind == "str":
        return str(value)
    try:
        if kind == "float":
            return float(value)
        if flag.name == "max-model-len" and str(value) in ("auto", "-1"):
            return AUTO_LENGTH
        # YAML has 1e6 as a fraction; the chart writes it as the whole number it is.
        whole = isinstance(value, float) and value.is_integer()
        return human_int(str(int(value) if whole else value))
    except ValueError as error:
        raise ValueOfFlagError(str(error) if kind == "int" else f"{value!r} is no number") from None


def engine_settings(parallelism: dict[str, Any], flags: Iterable[Flag]) -> EngineSettings:
    """What `vllm serve` is asked for by the chart's `parallelism` and by flags, of which the last wins.

    Raises ValueOfFlagError for a value that vLLM would not read.
    """
    asked: dict[str, Any] = {
        f"{name}_parallel_size": parallelism.get(name) or 1 for name in ("tensor", "pipeline", "data")
    }
    asked["enable_expert_parallel"] = bool(parallelism.get("expert"))
    for flag in flags:
        if flag.name in SETTINGS and flag.value is not None and flag.problem in (None, "abbreviated"):
            asked[flag.name.replace("-", "_")] = read_value(flag)
    return EngineSettings(**asked)
