"""The commands `models` and `gpus`: what is built in."""

from __future__ import annotations

from typing import Any

import click

from valuegen.cli.printing import json_option, print_json
from valuegen.errors import UsageError

filter_argument = click.argument("filter", metavar="[FILTER]", default="")


@click.command("models", epilog="Example: valuegen models qwen3-vl")
@filter_argument
@json_option
def models_command(*, filter: str, as_json: bool) -> int:  # noqa: A002  (named as the command line shows it)
    """List the models that need no network.

    FILTER is a part of the name, Hub id, architecture or quantization.
    """
    from valuegen.catalog.models import all_models  # noqa: PLC0415
    from valuegen.catalog.names import matches  # noqa: PLC0415
    from valuegen.model import Model  # noqa: PLC0415
    from valuegen.weights import checkpoint_bytes, parameter_count  # noqa: PLC0415

    rows = []
    for entry in all_models():
        quantized = entry.config.get("quantization_config") or entry.hf_quant_config or {}
        method = str(quantized.get("quant_method", "modelopt")) if quantized else ""
        if not matches(filter, (entry.name, entry.hub, method, *entry.config.get("architectures", ()))):
            continue
        config = Model.load(entry.name).config
        rows.append(
            {
                "name": entry.name,
                "hub": entry.hub,
                "architecture": config.architecture,
                "parameters": parameter_count(config),
                "checkpoint_bytes": checkpoint_bytes(config),
                "max_model_len": config.max_model_len,
                "dtype": config.dtype,
                "quantization": config.quantization.method if config.quantization else None,
                "source": entry.source,
            }
        )
    if as_json:
        print_json({"schema": 1, "models": rows})
        return 0
    _require_matches(rows, filter, "models")
    from valuegen import report  # noqa: PLC0415

    report.show_models(rows)
    return 0


@click.command("gpus", epilog="Example: valuegen gpus a100 --slices")
@filter_argument
@click.option("--slices", "with_slices", is_flag=True, help="MIG slices too.")
@json_option
def gpus_command(*, filter: str, with_slices: bool, as_json: bool) -> int:  # noqa: A002
    """List the GPUs that are known, with their memory and prices.

    FILTER is a part of the name, an alias or the product label; with one, node labels and resources are
    shown as well. --json has every GPU and slice.
    """
    from valuegen.catalog.gpus import all_gpus, price_date  # noqa: PLC0415
    from valuegen.catalog.names import matches  # noqa: PLC0415

    found = [gpu for gpu in all_gpus() if matches(filter, (gpu.name, *gpu.aliases, *gpu.products, gpu.arch))]
    if as_json:
        rows = [
            {
                "name": gpu.name,
                "aliases": list(gpu.aliases),
                "products": list(gpu.products),
                "label": gpu.label,
                "resource": gpu.resource,
                "compute_capability": gpu.compute,
                "memory_bytes": gpu.memory_bytes,
                "memory_known": gpu.memory_known,
                "memory_source": gpu.memory_source,
                "interconnect": gpu.interconnect,
                "max_per_node": gpu.max_per_node,
                "slice_of": gpu.whole.name if gpu.whole is not None else None,
                "usd_per_hour": gpu.usd_per_hour,
            }
            for gpu in found
        ]
        print_json({"schema": 1, "price_date": price_date(), "gpus": rows})
        return 0
    shown = [gpu for gpu in found if with_slices or gpu.whole is None or gpu.profile in filter.lower()]
    _require_matches(shown, filter, "gpus")
    from valuegen import report  # noqa: PLC0415

    report.show_gpus(shown, labels=bool(filter))
    return 0


def _require_matches(found: list[Any], filter: str, command: str) -> None:  # noqa: A002
    """UsageError if a filter leaves nothing to show."""
    if not found:
        raise UsageError(f"{filter}: matches none of `valuegen {command}`", "shorten it, or leave it out")
