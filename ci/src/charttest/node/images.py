"""Puts images into the nodes that have none to pull from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from charttest.errors import ClusterError
from charttest.node import commands, configuration, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def load(archive: Path, ctr: Path, holders: Iterable[int]) -> None:
    """Import every image of an OCI archive into the nodes whose namespaces `holders` hold, side by side."""
    if not archive.is_file():
        raise ClusterError(
            f"{archive}: no such file", "give an OCI archive, as `charttest image` writes them"
        )
    command = (
        str(ctr),
        f"--address={configuration.CONTAINERD_SOCKET}",
        "--namespace=k8s.io",
        "images",
        "import",
    )
    each = [namespaces.Namespaces(pid, namespaces.MACHINE) for pid in holders]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: commands.run(*node.inside(*command, str(archive.resolve()))), each))
