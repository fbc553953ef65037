"""Where clusters lie on disk and which of them run: all that a later command knows of an earlier one."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from charttest.cluster import process
from charttest.cluster.process import Process

FILE = "cluster.json"


@dataclass
class State:
    """What `cluster.json` holds: enough to use, describe and end a cluster from another process."""

    directory: Path
    owner: tuple[int, int] | None  # pid and start time of the process that it must not outlive
    server: str
    processes: list[Process]

    @property
    def orphaned(self) -> bool:
        """Whether its owner died without stopping it."""
        return self.owner is not None and process.start_time(self.owner[0]) != self.owner[1]

    def save(self) -> None:
        """Write the file atomically; called after each process, so that none is ever forgotten."""
        document = {
            "owner": self.owner,
            "server": self.server,
            "processes": [
                {"name": p.name, "pid": p.pid, "started": p.started, "log": str(p.log)}
                for p in self.processes
            ],
        }
        temporary = self.directory / f"{FILE}.{os.getpid()}"
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
        temporary.replace(self.directory / FILE)

    def remove(self) -> list[Process]:
        """End every process and delete the folder; returns processes that would not end (none, normally)."""
        left = process.end(self.processes)
        if not left:
            shutil.rmtree(self.directory, ignore_errors=True)
        return left


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


def sweep() -> None:
    """Remove what owners left behind that were killed before they could stop their cluster."""
    for name in running_clusters():
        state = load(clusters_directory() / name)
        if state is not None and state.orphaned:
            state.remove()
