"""What `fit`, `plan` and `values` have in common: the load, the pace, and how a plan is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from valuegen.cli.completion import complete_gpus
from valuegen.cli.options import HumanInt, OfferType, PriceType, engine_settings
from valuegen.errors import RefusedError

if TYPE_CHECKING:
    from valuegen.host import Pace
    from valuegen.plan import GpuOffer, Plan

PROFILES = ("throughput", "latency", "cost", "long-context")  # of profiles.py, which this need not load

revision_option = click.option("--revision", default=None, help="Branch, tag or commit on the Hub.")
version_option = click.option("--vllm-version", default="0.33.0", show_default=True, help="0.10 to 0.33.")
profile_option = click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=None,
    help="Settings for a purpose; what you set yourself wins.",
)
plot_option = click.option(
    "--plot",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE.svg",
    help="Draw the result as an SVG picture, too.",
)


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


def load_options(command: Any) -> Any:
    """The options that say for what load a plan is made, and with which GPUs."""
    for option in (
        click.option(
            "--max-nodes",
            type=HumanInt(),
            default=None,
            metavar="N",
            help="Nodes that one replica may span.  [default: 1]",
        ),
        click.option(
            "--max-gpus-per-node",
            type=HumanInt(),
            default=None,
            metavar="N",
            help="GPUs that a node of yours has at most. Unset: what `gpus` lists.",
        ),
        click.option(
            "--prices",
            "price_file",
            type=click.Path(path_type=Path),
            default=None,
            metavar="FILE",
            help="TOML or JSON file of your prices: H100-80GB = 2.10.",
        ),
        click.option(
            "--price",
            "prices",
            type=PriceType(),
            multiple=True,
            metavar="GPU=USD",
            help="Your price of one GPU and hour, over that of a file; repeatable.",
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
            help="Consider this GPU, at most N of it; repeatable. Unset: every GPU that clouds rent.",
        ),
    ):
        command = option(command)
    return command


def make_plan(model: str, options: dict[str, Any]) -> Plan:
    """The plan that a command's options ask for, which are taken out of `options`."""
    from valuegen.model import Model  # noqa: PLC0415
    from valuegen.plan import DEFAULT_CONCURRENCY, plan  # noqa: PLC0415

    offers: tuple[GpuOffer, ...] = options.pop("offers")
    concurrency, max_nodes = options.pop("concurrency"), options.pop("max_nodes")
    version, revision = options.pop("vllm_version"), options.pop("revision")
    prices = asked_prices(options.pop("price_file"), options.pop("prices"))
    return plan(
        Model.load(model, revision=revision),
        offers,
        engine_settings(options),
        concurrency=DEFAULT_CONCURRENCY if concurrency is None else concurrency,
        prices=prices,
        max_gpus_per_node=options.pop("max_gpus_per_node"),
        max_nodes=max_nodes or 1,
        profile=options.pop("profile"),
        vllm_version=version,
        pace=asked_pace(options),
    )


def asked_prices(file: Path | None, single: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """The prices of a file, and over them those of the command line."""
    if file is None:
        return dict(single)
    from valuegen.prices import read_prices  # noqa: PLC0415

    return {**read_prices(file), **dict(single)}


def asked_pace(options: dict[str, Any]) -> Pace:
    """The pace among a command's options."""
    from valuegen.host import Pace  # noqa: PLC0415

    asked = {
        "storage_bytes_per_second": options["storage_speed"],
        "longest_answer_tokens": options["longest_answer"],
    }
    return Pace(**{name: value for name, value in asked.items() if value is not None})


def require_a_candidate(made: Plan) -> None:
    """RefusedError with the nearest miss if nothing carries the load."""
    if made.ranked:
        return
    from valuegen.nearest import nearest_miss  # noqa: PLC0415

    raise RefusedError([nearest_miss(made)])
