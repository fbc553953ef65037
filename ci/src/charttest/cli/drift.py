"""`charttest drift`: what changed between the tables of vLLM's metrics and flags and a release."""

from __future__ import annotations

import re
from pathlib import Path

import click

from charttest.errors import FindingError, UsageError
from charttest.exporters import load, vllm_table
from charttest.sources import drift as tables
from charttest.sources.package import of_folder, of_release


@click.command()
@click.argument("version", required=False)
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read this folder's vllm/.",
)
@click.option(
    "--flags", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Also hold this flags.json."
)
@click.option("--seal", is_flag=True, help="Seal the table of metrics when nothing differs.")
def drift(version: str | None, source: Path | None, flags: Path | None, seal: bool) -> None:
    """Print what the source of a vLLM release has otherwise than the tables here; 1 if there is anything.

    VERSION is that of the tables unless given; its source archive (50 MB) is fetched once.
    """
    path = vllm_table()
    table = load(path)
    read = of_folder(source) if source else of_release(version or table.version)
    found = list(tables.differences(table, tables.flags_of(flags) if flags else None, read))
    for each in found:
        click.echo(each)
    if found:
        raise FindingError(
            f"vLLM {read.version} differs in {len(found)} from the table of {table.title}",
            f"change {path.name}, rules and dashboards, and the flags; docs/monitoring.md says how",
        )
    if seal:
        if read.version != table.version:
            raise UsageError(
                f"the table is of {table.title}, the source of {read.version}", "set its version first"
            )
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'(?m)^seal: "\w*"', f'seal: "{tables.seal(table)}"', text), encoding="utf-8")
    click.echo(f"vLLM {read.version}: no difference")
