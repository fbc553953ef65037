"""`charttest parts`: the real components, where they are, and building those that are missing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from charttest.parts import Status, ensure
from charttest.parts.registry import PARTS


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@click.option("--path", "only_path", is_flag=True, help="Print only the paths, one a line.")
def parts(names: tuple[str, ...], as_json: bool, only_path: bool) -> None:
    """Find the real components, all or those named, and build what is missing.

    A program on PATH is used when its version fits; else it is built from its pinned Go module, once.
    """
    if as_json and only_path:
        raise click.UsageError("--json and --path exclude each other: give one of them")
    found = ensure(names or PARTS)
    if as_json:
        click.echo(json.dumps([_row(status) for status in found], indent=2))
    elif only_path:
        for status in found:
            click.echo(str(status.path))
    else:
        click.echo(_table([_row(status) | {"path": _short(status.path)} for status in found]))


def _row(status: Status) -> dict[str, str]:
    return {
        "name": status.name,
        "version": status.version,
        "from": status.source,
        "path": str(status.path),
    }


def _short(path: Path | None) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path and path.is_relative_to(home) else str(path)


def _table(rows: list[dict[str, str]]) -> str:
    lines = [[key.upper() for key in rows[0]], *(list(row.values()) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
