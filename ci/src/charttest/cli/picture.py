"""`charttest picture`: Grafana dashboards as SVG files, drawn from a Prometheus."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from charttest.errors import UsageError
from charttest.picture import Server, Window, draw, instant, last, read, seconds


@click.command()
@click.argument(
    "dashboards", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--prometheus", "url", required=True, help="Where it answers: http://127.0.0.1:9090")
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its certificate's authority (PEM).",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder that gets NAME.svg of each NAME.json; default: this one.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable's value; again for a second value. Default: all values, or the first.",
)
@click.option("--last", "length", help="How far to look back: 30m, 6h. Default: what the dashboard says.")
@click.option("--from", "start", metavar="TIME", help="Since when (2026-11-20T12:00:00Z), instead of --last.")
@click.option("--to", "end", metavar="TIME", help="Until when; default: now.")
@click.option(
    "--scrape-interval",
    default="15s",
    show_default=True,
    help="Of that Prometheus, as in Grafana's data source: rates are taken over four and more.",
)
def picture(
    *,
    dashboards: tuple[Path, ...],
    url: str,
    ca: Path | None,
    output: Path,
    sets: tuple[str, ...],
    length: str | None,
    start: str | None,
    end: str | None,
    scrape_interval: str,
) -> None:
    """Draw Grafana dashboards (JSON) from what a Prometheus knows, and print the paths of the pictures."""
    if length and start:
        raise click.UsageError("--last and --from exclude each other: give one of them")
    documents = {path: _document(path) for path in dashboards}
    chosen = _chosen(sets, documents)
    server, scrape = Server(url, ca), seconds(scrape_interval)
    until = instant(end) if end else float(int(time.time()))
    output.mkdir(parents=True, exist_ok=True)
    for path, document in documents.items():
        found = read(document)
        back = last(length or found.last, until, scrape)
        window = Window(instant(start), until, scrape) if start else back
        own = {
            variable.name: chosen[variable.name] for variable in found.variables if variable.name in chosen
        }
        target = output / f"{path.stem}.svg"
        target.write_text(draw(document, server, window, own), encoding="utf-8")
        click.echo(str(target))


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: is no JSON ({error})", "give the JSON of a dashboard") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: is no dashboard", "give the JSON of one, which is an object")
    return found


def _chosen(sets: tuple[str, ...], documents: dict[Path, dict[str, Any]]) -> dict[str, list[str]]:
    """The values of each variable; UsageError for one that none of the dashboards has."""
    names = {variable.name for document in documents.values() for variable in read(document).variables}
    chosen: dict[str, list[str]] = defaultdict(list)
    for given in sets:
        name, equals, value = given.partition("=")
        if not equals:
            raise click.UsageError(f"--set {given}: a value is written NAME=VALUE, for example namespace=llm")
        if name not in names:
            raise UsageError(
                f"--set {given}: no dashboard has such a variable", f"they have {', '.join(sorted(names))}"
            )
        chosen[name].append(value)
    return dict(chosen)
