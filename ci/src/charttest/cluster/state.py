"""Where clusters lie on disk and which of them run: all that a later command knows of an earlier one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from charttest.cluster import process
from charttest.cluster.process import Process
from charttest.node import cgroups, network

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "cluster.json"


@dataclass(frozen=True)
class PartStatus:
    """One process of a cluster, for people."""

    name: str
    pid: int
    alive: bool
    log: Path


@dataclass
class State:
    """What `cluster.json` holds: enough to use, describe and end a cluster from another process."""

    directory: Path
    owner: tuple[int, int] | None  # pid and start time of the process that it must not outlive
    server: str
    processes: list[Process]
    nodes: dict[str, int] = field(
        default_factory=dict
    )  # real nodes: name -> pid of the holder of its namespaces

    @property
    def abandoned(self) -> bool:
        """Whether nobody can use it any more: its owner is gone, or it had none and nothing runs."""
        if self.owner is None:
            return not any(p.alive for p in self.processes)
        return process.start_time(self.owner[0]) != self.owner[1]

    def save(self) -> None:
        """Write the file atomically; called after each process, so that none is ever forgotten."""
        document = {
            "owner": self.owner,
            "server": self.server,
            "nodes": self.nodes,
            "processes": [
                {"name": p.name, "pid": p.pid, "started": p.started, "log": str(p.log)}
                for p in self.processes
            ],
        }
        temporary = self.directory / f"{FILE}.{os.getpid()}"
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
        temporary.replace(self.directory / FILE)

    def remove(self) -> list[int]:
        """End every process and delete the folder; returns pids that would not end (none, normally)."""
        left = process.end(self.directory)
        if not left:
            _remove(self.directory)
        return left


def _remove(folder: Path) -> None:
    """Delete what a cluster without processes still has."""
    network.remove(folder)
    cgroups.remove(folder)
    shutil.rmtree(folder, ignore_errors=True)


def clusters_directory() -> Path:
    """The folder that holds one folder per cluster."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "vllm-stack" / "clusters"


def load(directory: Path) -> State | None:
    """The state in a cluster's folder; None where nothing (usable) lies there."""
    try:
        document = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return State(
            directory=directory,
            owner=tuple(document["owner"]) if document["owner"] else None,
            server=document["server"],
            nodes=document.get("nodes", {}),
            processes=[
                Process(p["name"], p["pid"], p["started"], Path(p["log"])) for p in document["processes"]
            ],
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def running_clusters() -> list[str]:
    """Names of the clusters that have a folder, in order."""
    try:
        return sorted(entry.name for entry in clusters_directory().iterdir() if load(entry) is not None)
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one process at a time add or remove clusters."""
    folder = clusters_directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The folder itself is the lock, so that no lock file is left.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sweep() -> None:
    """Remove what clusters left behind that ended without being stopped. Call it with the lock held."""
    for folder in filter(Path.is_dir, clusters_directory().iterdir()):
        state = load(folder)
        if state is None or state.abandoned:
            process.end(folder)
            _remove(folder)
