"""Option types, and the engine settings as options with vLLM's own flag names."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from valuegen.catalog.gpus import Gpu
from valuegen.engine import EngineSettings
from valuegen.fit import AUTO_LENGTH
from valuegen.units import human_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from valuegen.plan import GpuOffer
    from valuegen.speculation import Speculation

F = TypeVar("F", bound="Callable[..., Any]")


class HumanInt(click.ParamType[int]):
    """A count as vLLM reads it: 8192, 8k (8000), 8K (8192), 1.5k."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, at least 1."""
        try:
            return human_int(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Length(HumanInt):
    """A length in tokens, or what vLLM calls auto."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; -1 for auto."""
        return AUTO_LENGTH if str(value) in {"auto", "-1"} else super().convert(value, param, ctx)


class Fraction(click.ParamType[float]):
    """A share of the GPU's memory."""

    name = "fraction"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number above 0 and at most 1."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        if not (math.isfinite(number) and 0 < number <= 1):
            self.fail(f"{value!r} is not above 0 and at most 1", param, ctx)
        return number


class Seconds(click.ParamType[float]):
    """A time."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number above 0."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        if not math.isfinite(number) or number <= 0:
            self.fail(f"{value!r} is not above 0", param, ctx)
        return number


class Gibibytes(click.ParamType[float]):
    """A size as vLLM's flags in GiB take it."""

    name = "gibibytes"
    metavar = "GIB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number of at least 0."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        if not math.isfinite(number) or number < 0:
            self.fail(f"{value!r} is not at least 0", param, ctx)
        return number


class SpeculationType(click.ParamType["Speculation"]):
    """--speculative-config: JSON, as vLLM takes it."""

    name = "json"
    metavar = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Speculation:  # noqa: ARG002 - click's signature
        """What it asks for; UsageError for what vLLM would not read."""
        from valuegen.speculation import parse  # noqa: PLC0415  (only where something is drafted)

        return parse(str(value))


class OfferType(click.ParamType["GpuOffer"]):
    """A GPU and, after a colon, how many of it may be used."""

    name = "name[:count]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> GpuOffer:
        """The offer; GpuError for a name that the catalogue does not have."""
        from valuegen.plan import GpuOffer  # noqa: PLC0415  (only the commands that plan need it)

        name, colon, count = str(value).partition(":")
        if colon and not (count.isdecimal() and int(count) > 0):
            self.fail(f"{value!r}: what follows the colon is no count of GPUs", param, ctx)
        return GpuOffer(Gpu.find(name), int(count) if colon else None)


class PriceType(click.ParamType[tuple[str, float]]):
    """GPU=USD, per GPU and hour."""

    name = "name=usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """The GPU's catalogue name and the price."""
        name, equals, text = str(value).partition("=")
        try:
            price = float(text)
        except ValueError:
            price = math.nan
        if not equals or not math.isfinite(price) or price < 0:
            self.fail(f"{value!r} is no NAME=USD such as H100-80GB=2.10", param, ctx)
        return Gpu.find(name).name, price


# vLLM's flag without its dashes -> type and help. A type of None is a switch with a --no- form.
ENGINE_OPTIONS: dict[str, tuple[click.ParamType[Any] | None, str]] = {
    "tensor-parallel-size": (HumanInt(), "GPUs that share every layer."),
    "pipeline-parallel-size": (HumanInt(), "Groups of GPUs that hold different layers."),
    "data-parallel-size": (HumanInt(), "Copies of the model in one engine."),
    "decode-context-parallel-size": (HumanInt(), "GPUs that share the KV cache of one request."),
    "enable-expert-parallel": (None, "Split experts, not each expert's matrices."),
    "max-model-len": (Length(), "Longest request in tokens; 8k is 8000, 8K is 8192; auto."),
    "max-num-seqs": (HumanInt(), "Requests in one batch."),
    "max-num-batched-tokens": (HumanInt(), "Tokens in one batch."),
    "gpu-memory-utilization": (Fraction(), "Share of the GPU's memory that vLLM may use."),
    "kv-cache-memory-bytes": (HumanInt(), "KV cache of each GPU, instead of a share."),
    "kv-cache-dtype": (click.STRING, "auto, bfloat16, float16, fp8, ..."),
    "quantization": (click.STRING, "Method; unset: the checkpoint's own."),
    "dtype": (click.STRING, "auto, bfloat16, float16, float32."),
    "block-size": (HumanInt(), "Tokens in a KV block."),
    "enable-prefix-caching": (None, "Keep KV blocks for later requests."),
    "async-scheduling": (None, "Schedule the next batch while one runs."),
    "disable-hybrid-kv-cache-manager": (None, "Keep the whole context in sliding-window layers."),
    "enforce-eager": (None, "No CUDA graphs."),
    "enable-lora": (None, "Room for LoRA adapters."),
    "max-loras": (HumanInt(), "Adapters in one batch."),
    "max-lora-rank": (HumanInt(), "Largest rank of an adapter."),
    "max-cpu-loras": (HumanInt(), "Adapters in the host's memory."),
    "lora-dtype": (click.STRING, "auto, bfloat16, float16."),
    "fully-sharded-loras": (None, "Split both matrices of adapters."),
    "speculative-config": (SpeculationType(), "What drafts tokens, as vLLM's JSON."),
    "cpu-offload-gb": (Gibibytes(), "GiB of weights of each GPU in host memory."),
    "offload-backend": (click.STRING, "auto, uva, prefetch."),
    "offload-group-size": (HumanInt(), "Layers in a group of which some are offloaded."),
    "offload-num-in-group": (HumanInt(), "Layers of a group that are offloaded."),
    "offload-prefetch-step": (HumanInt(), "Layers that are fetched ahead."),
    "kv-offloading-size": (Gibibytes(), "GiB of KV blocks in host memory, all GPUs."),
    "kv-offloading-backend": (click.STRING, "native, lmcache."),
}


def engine_options(command: F) -> F:
    """Add every engine setting to a command, as options that default to vLLM's own choice."""
    for name, (kind, text) in reversed(ENGINE_OPTIONS.items()):
        if kind is None:
            command = click.option(f"--{name}/--no-{name}", default=None, help=text)(command)
        else:
            metavar = "NAME" if kind is click.STRING else getattr(kind, "metavar", "N")
            command = click.option(f"--{name}", type=kind, default=None, metavar=metavar, help=text)(command)
    return command


def engine_settings(options: dict[str, Any]) -> EngineSettings:
    """The settings among a command's options, which are taken out of `options`."""
    return EngineSettings(**{field.name: options.pop(field.name) for field in fields(EngineSettings)})


def typed_options(without: set[str]) -> list[str]:
    """The options of the running command that the user typed, as words of a command line."""
    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        name = option.name
        if not isinstance(option, click.Option) or name is None or name in without:
            continue
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if isinstance(value, bool):
            words.append(option.opts[0] if value else option.secondary_opts[0])
        elif option.multiple:
            for gpu, price in value:  # --price is the only one
                words += [option.opts[0], f"{gpu}={price:g}"]
        else:
            words += [option.opts[0], "auto" if value == AUTO_LENGTH else getattr(value, "text", str(value))]
    return words
