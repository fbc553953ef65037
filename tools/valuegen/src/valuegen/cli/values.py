"""The command `values`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from valuegen.cli.completion import complete_models
from valuegen.cli.options import HumanInt, Seconds, engine_options
from valuegen.cli.planning import (
    load_options,
    make_plan,
    pace_options,
    profile_option,
    require_a_candidate,
    revision_option,
    version_option,
)
from valuegen.cli.printing import json_option, print_json
from valuegen.errors import UsageError

if TYPE_CHECKING:
    from valuegen.autoscaling import Mode, Scaler


@click.command("values", epilog="Example: valuegen values Qwen3-8B --gpu L40S -o values.yaml")
@click.argument("model", shell_complete=complete_models)
@load_options
@engine_options
@pace_options
@version_option
@revision_option
@profile_option
@click.option("--variants", is_flag=True, help="Add variants on other GPUs, each with its cost.")
@click.option(
    "--autoscaling",
    type=click.Choice(["hpa", "keda", "wva"]),
    default=None,
    help="Let a scaler decide the replicas, with targets from what one replica holds.",
)
@click.option(
    "--min-replicas", type=HumanInt(), default=None, metavar="N", help="Fewest replicas.  [default: 1]"
)
@click.option(
    "--max-replicas", type=HumanInt(), default=None, metavar="N", help="Most replicas; unset: the plan's."
)
@click.option(
    "--thresholds", is_flag=True, help="Write the model's thresholds of alerts that the plan decides."
)
@click.option(
    "--time-to-first-token",
    type=Seconds(),
    default=None,
    metavar="SECONDS",
    help="What 95 of 100 requests shall keep to, as a threshold.",
)
@click.option(
    "--inter-token", type=Seconds(), default=None, metavar="SECONDS", help="The same of two tokens in a row."
)
@click.option(
    "--request-time", type=Seconds(), default=None, metavar="SECONDS", help="The same of whole answers."
)
@click.option("--name", default=None, help="Key of the model in the values; unset: from MODEL.")
@click.option("--source", default=None, help="source.uri of the chart; unset: from MODEL.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="File to write.")
@click.option(
    "--into", type=click.Path(path_type=Path), default=None, help="Values file to add the model to."
)
@json_option
def values_command(
    *,
    model: str,
    name: str | None,
    source: str | None,
    output: Path | None,
    into: Path | None,
    variants: bool,
    autoscaling: Mode | None,
    min_replicas: int | None,
    max_replicas: int | None,
    thresholds: bool,
    time_to_first_token: float | None,
    inter_token: float | None,
    request_time: float | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Write the cheapest plan as commented values of the vllm-stack chart.

    --into updates the numbers of a model that is there, adds one that is not, and keeps the rest.
    """
    from valuegen import values  # noqa: PLC0415
    from valuegen.thresholds import Objectives  # noqa: PLC0415
    from valuegen.variants import variants_of  # noqa: PLC0415

    if output is not None and into is not None:
        raise UsageError(
            "-o and --into: exclude each other", "use --into for a file that exists, -o for a new one"
        )
    scaler = _scaler(autoscaling, min_replicas, max_replicas)
    objectives = Objectives(time_to_first_token, inter_token, request_time)
    made = make_plan(model, options)
    require_a_candidate(made)
    chosen = variants_of(made) if variants else made.ranked[:1]
    document = values.render(
        made,
        chosen[0],
        name=name,
        source=source,
        variants=chosen[1:],
        scaler=scaler,
        objectives=objectives if thresholds or objectives != Objectives() else None,
    )
    if into is not None:
        from valuegen.merge import kept_by_hand, merge_into  # noqa: PLC0415

        for part, flag in kept_by_hand(into, document).items():
            click.echo(f"{into}: args.{flag} is kept; remove it to get {part} from here", err=True)
        changed = merge_into(into, document)
        click.echo(f"{into}: {'updated' if changed else 'unchanged'}", err=True)
    elif output is not None:
        values.write(output, document.text)
        click.echo(f"{output}: written", err=True)
    elif not as_json:
        click.echo(document.text, nl=False)
    if as_json:
        print_json(document.data)
    return 0


def _scaler(mode: Mode | None, least: int | None, most: int | None) -> Scaler | None:
    from valuegen.autoscaling import Scaler  # noqa: PLC0415

    if mode is not None:
        return Scaler(mode, least, most)
    if least is not None or most is not None:
        raise UsageError("--min-replicas, --max-replicas: are limits of a scaler", "add --autoscaling")
    return None
