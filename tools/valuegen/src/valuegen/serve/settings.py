"""Flags -> EngineSettings: what a command line asks of the engine."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from valuegen.engine import EngineSettings
from valuegen.errors import UsageError
from valuegen.fit import AUTO_LENGTH
from valuegen.units import human_int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.serve.words import Flag
    from valuegen.speculation import Speculation

SETTINGS = {field.name.replace("_", "-"): field for field in fields(EngineSettings)}

# Flags that change what a GPU holds. Those without a setting above are not counted, and that is said.
MEMORY_FLAGS = (
    "cpu-offload-params",
    "cudagraph-capture-sizes",
    "compilation-config",
    "diffusion-config",
    "enable-dbo",
    "enable-eplb",
    "enable-mixed-moe-lora-format",
    "enable-moe-shared-loras",
    "enable-tower-connector-lora",
    "hf-config-path",
    "hf-overrides",
    "kv-cache-dtype-skip-layers",
    "kv-sharing-fast-prefill",
    "language-model-only",
    "limit-mm-per-prompt",
    "mamba-block-size",
    "mamba-cache-dtype",
    "mamba-cache-mode",
    "mamba-ssm-cache-dtype",
    "max-cudagraph-capture-size",
    "mm-encoder-tp-mode",
    "lora-target-modules",
    "model-impl",
    "num-gpu-blocks-override",
    "offload-params",
    "optimization-level",
    "quantization-config",
    "runner",
    "skip-mm-profiling",
    "specialize-active-lora",
)


SPECULATION = "speculative-config"
SPECULATION_KEYS = {
    "spec-method": "method",
    "spec-model": "model",
    "spec-tokens": "num_speculative_tokens",
}


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
    if kind == "Speculation":  # several flags say it together: `speculation` reads them
        return None
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


def speculation(flags: Iterable[Flag]) -> Speculation | None:
    """What the flags for speculative decoding ask for together; ValueOfFlagError if vLLM would not read it."""
    given: dict[str, Any] = {}
    for flag in flags:
        if flag.problem not in (None, "abbreviated") or flag.value is None:
            continue
        if flag.name in SPECULATION_KEYS:
            given[SPECULATION_KEYS[flag.name]] = _number(flag.value)
        elif flag.name == SPECULATION and flag.key:
            given[flag.key] = _number(flag.value)
        elif flag.name == SPECULATION:
            given.update(_object(flag.value))
    if not given:
        return None
    from valuegen.speculation import from_dict  # noqa: PLC0415  (only where something is drafted)

    try:
        return from_dict(given)
    except UsageError as error:
        raise ValueOfFlagError(
            f"{error.message.removeprefix('--speculative-config: ')}; {error.fix}"
        ) from None


def _object(value: Any) -> dict[str, Any]:
    try:
        read = json.loads(value) if isinstance(value, str) else value
    except (json.JSONDecodeError, RecursionError):
        raise ValueOfFlagError(f"{str(value)[:60]!r} is no JSON") from None
    if not isinstance(read, dict):
        raise ValueOfFlagError("is no JSON object")
    return read


def _number(value: Any) -> Any:
    """A text of the command line as JSON reads it."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def engine_settings(parallelism: dict[str, Any], flags: Iterable[Flag]) -> EngineSettings:
    """What `vllm serve` is asked for by the chart's `parallelism` and by flags, of which the last wins.

    Raises ValueOfFlagError for a value that vLLM would not read.
    """
    asked: dict[str, Any] = {
        f"{name}_parallel_size": parallelism.get(name) or 1 for name in ("tensor", "pipeline", "data")
    }
    asked["enable_expert_parallel"] = bool(parallelism.get("expert"))
    flags = list(flags)
    asked["speculative_config"] = speculation(flags)
    for flag in flags:
        if flag.name == SPECULATION:
            continue
        if flag.name in SETTINGS and flag.value is not None and flag.problem in (None, "abbreviated"):
            asked[flag.name.replace("-", "_")] = read_value(flag)
    return EngineSettings(**asked)
