"""The command `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from valuegen.cli.options import HumanInt
from valuegen.errors import FindingsError, UsageError


class ModelName(click.ParamType[tuple[str, str]]):
    """KEY=MODEL: which model a key of the values is."""

    name = "key=model"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The key and the model."""
        key, equals, model = str(value).partition("=")
        if not (key and equals and model):
            self.fail(f"{value!r} is no KEY=MODEL such as llama-8b=Llama-3.1-8B-Instruct", param, ctx)
        return key, model


@click.command("check", epilog="Example: valuegen check values.yaml --format annotations")
@click.argument("values", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--model",
    "models",
    type=ModelName(),
    multiple=True,
    metavar="KEY=MODEL",
    help="What a model of the values is, where its source cannot be read; repeatable.",
)
@click.option(
    "--storage-speed",
    type=HumanInt(),
    default=None,
    metavar="BYTES",
    help="What the model's storage reads per second, such as 500M or 2G.  [default: 100M]",
)
@click.option("--ignore", multiple=True, metavar="ID", help="A rule to leave out; repeatable.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "annotations"]),
    default=None,
    help="text for people, sarif for code scanning, annotations for GitHub.  [default: text]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, schema 1.")
def check_command(
    *,
    values: tuple[Path, ...],
    models: tuple[tuple[str, str], ...],
    storage_speed: int | None,
    ignore: tuple[str, ...],
    form: str | None,
    as_json: bool,
) -> int:
    """Judge every model of the chart's VALUES files as `fit` does, and find what would not work.

    Several files are merged as `helm -f A -f B` does. Exit code 3 if there is any finding.
    """
    from valuegen import check, valuesfile  # noqa: PLC0415  (imports stay with the command that needs them)
    from valuegen.checkreport import show_check, summary  # noqa: PLC0415
    from valuegen.host import ORDINARY_READ  # noqa: PLC0415

    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form}: exclude each other", "keep one of them")
    report = check.check(
        valuesfile.read(values),
        models=dict(models),
        bytes_per_second=storage_speed or ORDINARY_READ,
        ignore=ignore,
    )
    if as_json or form == "json":
        import json  # noqa: PLC0415

        click.echo(json.dumps(report.to_dict(), indent=2))
    elif form in ("sarif", "annotations"):
        from valuegen import checkformats  # noqa: PLC0415

        text = checkformats.as_sarif(report) if form == "sarif" else checkformats.as_annotations(report)
        click.echo(text, nl=bool(text))
    else:
        show_check(report)
    if report.findings:
        names = ", ".join(map(str, values))
        raise FindingsError(
            f"{names}: {summary(report)}", "do what stands beside each, or leave it out with --ignore ID"
        )
    return 0
