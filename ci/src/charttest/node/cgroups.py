"""The control groups of a node's pods: one folder per hierarchy, removed by name whoever made it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
GONE_SECONDS = 30


def create(cluster: Path, node: str) -> str:
    """Make the cgroup of a node of the cluster in that folder, in every hierarchy, and return its name."""
    group = f"{_prefix(cluster)}{node}"
    for hierarchy in _hierarchies():
        folder = hierarchy / group
        folder.mkdir(exist_ok=True)
        for key in ("cpuset.cpus", "cpuset.mems"):  # empty in a new folder, and nothing could run in it
            if (folder / key).exists():
                (folder / key).write_text((hierarchy / key).read_text())
    return group


def remove(cluster: Path) -> None:
    """Remove the folders of all nodes of a cluster whose processes have ended."""
    deadline = time.monotonic() + GONE_SECONDS
    while groups := [group for each in _hierarchies() for group in each.glob(f"{_prefix(cluster)}*")]:
        for group in groups:
            for folder in (*sorted(group.rglob("*/"), key=lambda path: -len(path.parts)), group):
                with contextlib.suppress(OSError):  # its last process is still on its way out
                    folder.rmdir()
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)


def _prefix(cluster: Path) -> str:
    # of the whole path: two users may have clusters of one name
    return f"charttest.{hashlib.sha256(bytes(cluster)).hexdigest()[:12]}."


def _hierarchies() -> list[Path]:
    # one with version 2, one per controller with version 1
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [
        each for each in sorted(ROOT.iterdir()) if (each / "cgroup.procs").exists() and not each.is_symlink()
    ]
