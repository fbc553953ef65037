"""The command `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from valuegen.cli.completion import complete_gpus, complete_models
from valuegen.cli.options import engine_options, engine_settings
from valuegen.cli.planning import (
    asked_pace,
    pace_options,
    plot_option,
    profile_option,
    revision_option,
    version_option,
)
from valuegen.cli.printing import json_option, print_json
from valuegen.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("fit", epilog="Example: valuegen fit Qwen3-8B --gpu L40S --max-model-len 8K")
@click.argument("model", shell_complete=complete_models)
@click.option(
    "--gpu",
    "gpu_name",
    required=True,
    metavar="GPU",
    shell_complete=complete_gpus,
    help="Name, alias or nvidia.com/gpu.product.",
)
@engine_options
@pace_options
@version_option
@revision_option
@profile_option
@plot_option
@click.option("--explain", is_flag=True, help="Show the formula, inputs and source of every number.")
@json_option
def fit_command(
    *,
    model: str,
    gpu_name: str,
    vllm_version: str,
    revision: str | None,
    profile: str | None,
    plot: Path | None,
    explain: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Judge one configuration: does vLLM start, how much KV cache, how many requests at once.

    MODEL is a directory or config.json, a name of `valuegen models`, a Hub id, or a size such as 70B.
    """
    from valuegen.catalog.gpus import Gpu  # noqa: PLC0415  (imports stay with the command that needs them)
    from valuegen.fit import fit  # noqa: PLC0415
    from valuegen.model import Model  # noqa: PLC0415

    if explain and as_json:
        raise UsageError("--explain: is text", "drop it: the JSON has the same under `provenance`")
    result = fit(
        Model.load(model, revision=revision),
        Gpu.find(gpu_name),
        engine_settings(options),
        vllm_version=vllm_version,
        pace=asked_pace(options),
        profile=profile,
    )
    if plot is not None and result.fits:  # a command that fails writes nothing
        from valuegen.plot import write_fit  # noqa: PLC0415

        write_fit(plot, result)
    if as_json:
        print_json(result.to_dict())
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_fit(result)
        if explain:
            report.show_explanation(result)
    if not result.fits:
        raise RefusedError(result.reasons)
    return 0
