"""The commands: each loads its inputs, calls one function of the library, and prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from valuegen.cli.completion import complete_gpus, complete_models
from valuegen.cli.options import (
    HumanInt,
    OfferType,
    PriceType,
    engine_options,
    engine_settings,
    typed_options,
)
from valuegen.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from valuegen.autoscaling import Mode, Scaler
    from valuegen.host import Pace
    from valuegen.plan import GpuOffer, Plan

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, schema 1.")
revision_option = click.option("--revision", default=None, help="Branch, tag or commit on the Hub.")
version_option = click.option("--vllm-version", default="0.33.0", show_default=True, help="0.10 to 0.33.")


def pace_options(command: Any) -> Any:
    """What decides start-up and drain times."""
    for option in (
        click.option(
            "--longest-answer",
            type=HumanInt(),
            default=None,
            metavar="TOKENS",
            help="Longest answer that a drain waits for.  [default: 4096]",
        ),
        click.option(
            "--storage-speed",
            type=HumanInt(),
            default=None,
            metavar="BYTES",
            help="What the model's storage reads per second, such as 500M or 2G.  [default: 50M]",
        ),
    ):
        command = option(command)
    return command


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
@click.option("--explain", is_flag=True, help="Show the formula, inputs and source of every number.")
@json_option
def fit_command(
    *,
    model: str,
    gpu_name: str,
    vllm_version: str,
    revision: str | None,
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
        pace=_pace(options),
    )
    if as_json:
        _print_json(result.to_dict())
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_fit(result)
        if explain:
            report.show_explanation(result)
    if not result.fits:
        raise RefusedError(result.reasons)
    return 0


def load_options(command: Any) -> Any:
    """The options that say for what load a plan is made, and with which GPUs."""
    for option in (
        click.option(
            "--price",
            "prices",
            type=PriceType(),
            multiple=True,
            metavar="GPU=USD",
            help="Your price of one GPU and hour; repeatable.",
        ),
        click.option(
            "--concurrency",
            type=HumanInt(),
            default=None,
            metavar="N",
            help="Requests of full length at once.  [default: 16]",
        ),
        click.option(
            "--gpu",
            "offers",
            type=OfferType(),
            multiple=True,
            metavar="GPU[:N]",
            shell_complete=complete_gpus,
            help="Consider this GPU, at most N of it; repeatable. Unset: every GPU.",
        ),
    ):
        command = option(command)
    return command


@click.command("plan", epilog="Example: valuegen plan Qwen3-8B --gpu H100:8 --gpu L40S --concurrency 64")
@click.argument("model", shell_complete=complete_models)
@load_options
@engine_options
@pace_options
@version_option
@revision_option
@click.option("--all", "show_all", is_flag=True, help="Show every configuration, not the best of each GPU.")
@json_option
def plan_command(*, model: str, show_all: bool, as_json: bool, **options: Any) -> int:
    """Search GPU type, count and parallelism for a load; the cheapest first.

    MODEL is a directory or config.json, a name of `valuegen models`, a Hub id, or a size such as 70B.
    """
    made = _plan(model, options)
    if as_json:
        _print_json(made.to_dict())
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_plan(made, show_all=show_all, next_command=_values_command(made, model))
    _require_a_candidate(made)
    return 0


def _values_command(made: Plan, model: str) -> list[str]:
    """The words of the command that writes the values of the best candidate: what was typed, with its GPU."""
    if not made.ranked:
        return []
    best = made.ranked[0].fit.gpu.name
    limits = {offer.gpu.name: offer.at_most for offer in made.request.offers}
    gpu = f"{best}:{limits[best]}" if limits.get(best) else best
    typed = typed_options(without={"offers", "show_all"})
    return ["valuegen", "values", model, "--gpu", gpu, *typed, "-o", "values.yaml"]


@click.command("values", epilog="Example: valuegen values Qwen3-8B --gpu L40S -o values.yaml")
@click.argument("model", shell_complete=complete_models)
@load_options
@engine_options
@pace_options
@version_option
@revision_option
@click.option("--name", default=None, help="Key of the model in the values; unset: from MODEL.")
@click.option("--source", default=None, help="source.uri of the chart; unset: from MODEL.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="File to write.")
@click.option(
    "--into", type=click.Path(path_type=Path), default=None, help="Values file to add the model to."
)
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
@json_option
def values_command(
    *,
    model: str,
    name: str | None,
    source: str | None,
    output: Path | None,
    into: Path | None,
    autoscaling: Mode | None,
    min_replicas: int | None,
    max_replicas: int | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Write the cheapest plan as commented values of the vllm-stack chart.

    --into updates the numbers of a model that is there, adds one that is not, and keeps the rest.
    """
    from valuegen import values  # noqa: PLC0415

    if output is not None and into is not None:
        raise UsageError(
            "-o and --into: exclude each other", "use --into for a file that exists, -o for a new one"
        )
    made = _plan(model, options)
    _require_a_candidate(made)
    scaler = _scaler(autoscaling, min_replicas, max_replicas)
    document = values.render(made, made.ranked[0], name=name, source=source, scaler=scaler)
    if into is not None:
        from valuegen.merge import merge_into  # noqa: PLC0415

        changed = merge_into(into, document)
        click.echo(f"{into}: {'updated' if changed else 'unchanged'}", err=True)
    elif output is not None:
        values.write(output, document.text)
        click.echo(f"{output}: written", err=True)
    elif not as_json:
        click.echo(document.text, nl=False)
    if as_json:
        _print_json(document.data)
    return 0


def _scaler(mode: Mode | None, least: int | None, most: int | None) -> Scaler | None:
    from valuegen.autoscaling import Scaler  # noqa: PLC0415

    if mode is not None:
        return Scaler(mode, least, most)
    if least is not None or most is not None:
        raise UsageError("--min-replicas, --max-replicas: are limits of a scaler", "add --autoscaling")
    return None


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
        _print_json({"schema": 1, "models": rows})
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
        _print_json({"schema": 1, "price_date": price_date(), "gpus": rows})
    else:
        from valuegen import report  # noqa: PLC0415

        report.show_gpus(all_gpus())
    return 0


def _plan(model: str, options: dict[str, Any]) -> Plan:
    from valuegen.model import Model  # noqa: PLC0415
    from valuegen.plan import DEFAULT_CONCURRENCY, plan  # noqa: PLC0415

    offers: tuple[GpuOffer, ...] = options.pop("offers")
    concurrency = options.pop("concurrency")
    prices = dict(options.pop("prices"))
    version, revision = options.pop("vllm_version"), options.pop("revision")
    return plan(
        Model.load(model, revision=revision),
        offers,
        engine_settings(options),
        concurrency=DEFAULT_CONCURRENCY if concurrency is None else concurrency,
        prices=prices,
        vllm_version=version,
        pace=_pace(options),
    )


def _pace(options: dict[str, Any]) -> Pace:
    """The pace among a command's options."""
    from valuegen.host import Pace  # noqa: PLC0415

    asked = {
        "storage_bytes_per_second": options["storage_speed"],
        "longest_answer_tokens": options["longest_answer"],
    }
    return Pace(**{name: value for name, value in asked.items() if value is not None})


def _require_a_candidate(made: Plan) -> None:
    """RefusedError with the nearest miss if nothing carries the load."""
    if made.ranked:
        return
    from valuegen.plan import nearest_miss  # noqa: PLC0415

    raise RefusedError([nearest_miss(made)])


def _print_json(document: dict[str, Any]) -> None:
    import json  # noqa: PLC0415

    click.echo(json.dumps(document, indent=2))
