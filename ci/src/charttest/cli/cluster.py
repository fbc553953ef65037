"""`charttest cluster up | status | down`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from charttest.cluster import LocalCluster, running_clusters, state

NAME = click.option(
    "--name", default="local", show_default=True, help="Which cluster; several can run at once."
)


@click.group()
def cluster() -> None:
    """Run a real control plane with simulated and real GPU nodes on this machine, without Docker."""


@cluster.command()
@NAME
@click.option(
    "--nodes",
    type=click.Path(path_type=Path),
    help="Node pools (YAML): count, product, gpus, memory, taint, runtime.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API server; default: a free one.")
def up(name: str, nodes: Path | None, port: int | None) -> None:
    """Start a cluster and print how to use and stop it."""
    started = LocalCluster(name, node_pools=nodes, port=port, detached=True)
    started.start()
    if started.only_simulated:
        click.echo(f"# every node is simulated: {started.only_simulated}")
    click.echo(f"export KUBECONFIG={shlex.quote(str(started.kubeconfig))}")
    click.echo(f"# {started.server} is up; stop it with: charttest cluster down --name {name}")


@cluster.command()
@click.option("--name", help="Only this cluster; default: all.")
@click.option("--kubeconfig", "only_kubeconfig", is_flag=True, help="Print only the kubeconfig's path.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(name: str | None, only_kubeconfig: bool, as_json: bool) -> None:
    """Say which clusters run, and the end of the log of a part that has died (exit code 1 then)."""
    if only_kubeconfig:
        click.echo(str(LocalCluster.find(name or "local").kubeconfig))
        return
    with state.locked():
        state.sweep()
    clusters = [LocalCluster.find(n) for n in ([name] if name else running_clusters())]
    if as_json:
        click.echo(json.dumps([_document(c) for c in clusters], indent=2))
    elif not clusters:
        click.echo("no cluster is up; start one with: charttest cluster up")
    else:
        for found in clusters:
            click.echo(f"{found.name}  {found.server}  {found.kubeconfig}")
            for part in found.status():
                click.echo(f"  {part.name:<24} {'running' if part.alive else 'DEAD':<8} pid {part.pid}")
    for found in clusters:
        found.check()


@cluster.command()
@NAME
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(name: str, archives: tuple[Path, ...]) -> None:
    """Put the images of OCI archives into the nodes that run containers."""
    for archive in archives:
        LocalCluster.find(name).load_image(archive)
        click.echo(f"{archive}: loaded")


@cluster.command()
@NAME
@click.option("--all", "everything", is_flag=True, help="Every cluster of this user.")
def down(name: str, everything: bool) -> None:
    """Stop a cluster: no process and no file is left. Nothing to stop is no error."""
    with state.locked():
        state.sweep()
    running = running_clusters()
    for each in running if everything else [LocalCluster(name).name]:
        if each in running:
            LocalCluster.find(each).stop()
        click.echo(f"{each}: {'stopped' if each in running else 'nothing to stop'}")


def _document(found: LocalCluster) -> dict[str, object]:
    return {
        "name": found.name,
        "server": found.server,
        "kubeconfig": str(found.kubeconfig),
        "parts": [
            {"name": p.name, "pid": p.pid, "alive": p.alive, "log": str(p.log)} for p in found.status()
        ],
    }
