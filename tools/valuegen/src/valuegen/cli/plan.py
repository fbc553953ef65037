"""The command `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from valuegen.cli.completion import complete_models
from valuegen.cli.options import engine_options, typed_options
from valuegen.cli.planning import (
    load_options,
    make_plan,
    pace_options,
    plot_option,
    profile_option,
    require_a_candidate,
    revision_option,
    version_option,
)
from valuegen.cli.printing import json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from valuegen.plan import Plan


@click.command("plan", epilog="Example: valuegen plan Qwen3-8B --gpu H100:8 --gpu L40S --concurrency 64")
@click.argument("model", shell_complete=complete_models)
@load_options
@engine_options
@pace_options
@version_option
@revision_option
@profile_option
@plot_option
@click.option("--all", "show_all", is_flag=True, help="Show every configuration, and why it lost.")
@json_option
def plan_command(*, model: str, plot: Path | None, show_all: bool, as_json: bool, **options: Any) -> int:
    """Search GPU type, count and parallelism for a load; the cheapest first.

    MODEL is a directory or config.json, a name of `valuegen models`, a Hub id, or a size such as 70B.
    """
    made = make_plan(model, options)
    if plot is not None and made.ranked:  # a command that fails writes nothing
        from valuegen.plot import write_plan  # noqa: PLC0415

        write_plan(plot, made)
    if as_json:
        print_json(made.to_dict())
    else:
        from valuegen.reportplan import show_plan  # noqa: PLC0415

        show_plan(made, show_all=show_all, next_command=_values_command(made, model))
    require_a_candidate(made)
    return 0


def _values_command(made: Plan, model: str) -> list[str]:
    """The words of the command that writes the values of the best candidate: what was typed, with its GPU."""
    if not made.ranked:
        return []
    best = made.ranked[0].fit.gpu.name
    limits = {offer.gpu.name: offer.at_most for offer in made.request.offers}
    gpu = f"{best}:{limits[best]}" if limits.get(best) else best
    typed = typed_options(without={"offers", "show_all", "plot"})
    return ["valuegen", "values", model, "--gpu", gpu, *typed, "-o", "values.yaml"]
