"""`charttest parts`: find or build the real components."""

from __future__ import annotations

import json

import click

from charttest.parts import PARTS, ensure
from charttest.parts.registry import select


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def parts(names: tuple[str, ...], as_json: bool) -> None:
    """Find or build the real components (all, or the NAMEs), and say where each came from."""
    found = ensure([select(name) for name in names] or PARTS)
    if as_json:
        print(json.dumps({"schema": 1, "parts": [part.to_dict() for part in found]}, indent=2))
        return
    rows = [("NAME", "VERSION", "FROM", "PATH")]
    rows += [(part.name, part.version, part.source, str(part.path)) for part in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
