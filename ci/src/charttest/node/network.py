"""This machine's link to the network of a cluster's nodes: named after the cluster, removed by that name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from charttest.node import commands


def link(cluster: Path) -> str:
    """The name of the link to the cluster in that folder."""
    return f"ct{hashlib.sha256(bytes(cluster)).hexdigest()[:8]}"


def remove(cluster: Path) -> None:
    """Remove the link if it is there. The kernel does it too, but some time after the last process."""
    if Path("/sys/class/net", link(cluster)).exists():
        commands.run("ip", "link", "delete", link(cluster))
