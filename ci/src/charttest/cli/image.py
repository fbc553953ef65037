"""`charttest image`: the test engine as an image archive, for nodes that pull from nowhere."""

from __future__ import annotations

from pathlib import Path

import click

from charttest.images.engine import engine_archive


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--flags",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The flags that it accepts: the chart's files/engines/vllm.yaml.",
)
def image(names: tuple[str, ...], flags: Path) -> None:
    """Write the test engine as an OCI archive, once, and print its path.

    NAME is what pods call it, in full: docker.io/vllm/vllm-openai:v0.33.0.
    """
    click.echo(str(engine_archive(flags, names)))
