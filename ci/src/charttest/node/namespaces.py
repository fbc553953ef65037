"""Linux namespaces held by one process: when it ends, the kernel removes everything that was in them.

This is why nothing of a node needs to be undone: its processes, mounts, links, firewall rules and network
settings exist in its namespaces only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from charttest.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from charttest.cluster.process import Process

HOLDER_SECONDS = 60


MACHINE = ("net", "mount", "pid")


class Run(Protocol):
    """Starts a part of the cluster and records it."""

    def __call__(self, name: str, command: Sequence[str]) -> Process:
        """The started process of that name."""


@dataclass(frozen=True)
class Namespaces:
    """Namespaces and the process that holds them; its pid is this machine's."""

    pid: int
    kinds: tuple[str, ...]

    @property
    def network(self) -> Path:
        """The network namespace as a file."""
        return Path(f"/proc/{self.pid}/ns/net")

    def inside(self, *command: str) -> list[str]:
        """`command`, run in these namespaces."""
        return ["nsenter", f"--target={self.pid}", *(f"--{kind}" for kind in self.kinds), "--", *command]


def network(run: Run, name: str, pause: Path) -> Namespaces:
    """A network namespace of its own, held by `pause`."""
    holder = run(name, ["unshare", "--net", str(pause)])
    return Namespaces(_holding(holder, lambda: [holder.pid]), ("net",))


def machine(run: Run, name: str, pause: Path) -> Namespaces:
    """Network, mount and process namespaces; `pause` is process 1 and everything in them ends with it."""
    options = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    holder = run(name, ["unshare", *options, str(pause)])
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    return Namespaces(
        _holding(holder, lambda: [int(pid) for pid in children.read_text(encoding="ascii").split()]), MACHINE
    )


def _holding(holder: Process, candidates: Callable[[], list[int]]) -> int:
    """The pid that holds the namespaces, once it does: until it runs `pause` they may still be this machine's."""
    deadline = time.monotonic() + HOLDER_SECONDS
    while holder.alive and time.monotonic() < deadline:
        for pid in candidates():
            if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith("pause"):
                return pid
        time.sleep(0.01)
    raise ClusterError(
        f"{holder.name}: no namespaces of its own\n{holder.log_tail()}",
        "is this a container without the right to make them? run it privileged",
    )
