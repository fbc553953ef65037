"""How a command prints a document."""

from __future__ import annotations

from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, schema 1.")


def print_json(document: dict[str, Any]) -> None:
    """The document, indented."""
    import json  # noqa: PLC0415

    click.echo(json.dumps(document, indent=2))
