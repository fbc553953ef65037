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
    from collections.abc import Sequence

    from charttest.cluster.process import Process

HOLDER_SECONDS = 5


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
    return Namespaces(run(name, ["unshare", "--net", str(pause)]).pid, ("net",))


def machine(run: Run, name: str, pause: Path) -> Namespaces:
    """Network, mount and process namespaces; `pause` is process 1 and everything in them ends with it."""
    options = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    holder = run(name, ["unshare", *options, str(pause)])
    return Namespaces(_child(holder), MACHINE)


def _child(holder: Process) -> int:
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    deadline = time.monotonic() + HOLDER_SECONDS
    while holder.alive and time.monotonic() < deadline:
        # The child is ready once it runs `pause`: only then is /proc its own.
        for pid in children.read_text(encoding="ascii").split():
            if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() != "unshare":
                return int(pid)
        time.sleep(0.01)
    raise ClusterError(
        f"{holder.name}: no namespaces of its own\n{holder.log_tail()}",
        "is this a container without the right to make them? run it privileged",
    )
