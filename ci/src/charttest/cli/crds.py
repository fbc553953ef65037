"""`charttest crds`: the custom resource definitions that charts are tested with."""

from __future__ import annotations

import click

from charttest.cluster import simulation


@click.command()
def crds() -> None:
    """Print the CustomResourceDefinitions of the pinned modules, for `kubectl apply` on another cluster."""
    click.echo("\n---\n".join(simulation.custom_resources()))
