"""The commands `models` and `gpus`: what is built in."""

from __future__ import annotations

import click

from valuegen.cli.printing import json_option, print_json


@click.command("models")
@json_option
def models_command(*, as_json: bool) -> int:
    """List the models that need no network."""
    from valuegen.catalog.models import all_models  # noqa: PLC0415
    from valuegen.model import Model  # noqa: PLC0415
    from valuegen.weights import checkpoint_bytes, parameter_count  # noqa: PLC0415

    rows = []
    for entry in all_models():
        config = Model.load(entry.name).config
        rows.append(
            {
                "name": entry.name,
                "hub": entry.hub,
                "architecture": config.architecture,
                "parameters": parameter_count(config),
                "checkpoint_bytes": checkpoint_bytes(config),
                "max_model_len": config.max_model_len,
                "quantization": config.quantization.method if config.quantization else None,
                "source": entry.source,
            }
        )
    if as_json:
        print_json({"schema": 1, "models": rows})
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_models(rows)
    return 0


@click.command("gpus")
@json_option
def gpus_command(*, as_json: bool) -> int:
    """List the GPUs that are known, with their node labels and prices."""
    from valuegen.catalog.gpus import all_gpus, price_date  # noqa: PLC0415

    if as_json:
        rows = [
            {
                "name": gpu.name,
                "aliases": list(gpu.aliases),
                "products": list(gpu.products),
                "compute_capability": f"{gpu.compute_capability[0]}.{gpu.compute_capability[1]}",
                "memory_bytes": gpu.memory_bytes,
                "memory_source": gpu.memory_source,
                "interconnect": gpu.interconnect,
                "max_per_node": gpu.max_per_node,
                "usd_per_hour": gpu.usd_per_hour,
            }
            for gpu in all_gpus()
        ]
        print_json({"schema": 1, "price_date": price_date(), "gpus": rows})
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_gpus(all_gpus())
    return 0
