"""Runs the system's programs (ip, mount, ctr …) to their end."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from charttest import programs
from charttest.errors import ClusterError
from charttest.node.requirements import search_path

if TYPE_CHECKING:
    from collections.abc import Iterable


def run(*command: str) -> str:
    """What `command` prints; ClusterError with what it complained about."""
    done = programs.run(command, env={**os.environ, "PATH": search_path(), "LC_ALL": "C"})
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise ClusterError(
            f"{' '.join(command)}: {told[-1] if told else f'exit code {done.returncode}'}",
            "stop the cluster and start it again; if it stays, run charttest without a real node",
        )
    return done.stdout


def run_all(commands: Iterable[str]) -> None:
    """Run each line, split at spaces."""
    for command in commands:
        run(*command.split())


def used_networks() -> list[str]:
    """Every address and route of this machine."""
    addresses: list[dict[str, Any]] = json.loads(run("ip", "-json", "-4", "address"))
    routes: list[dict[str, Any]] = json.loads(run("ip", "-json", "-4", "route"))
    own = [f"{each['local']}/{each['prefixlen']}" for link in addresses for each in link["addr_info"]]
    return own + [route["dst"] for route in routes if route["dst"] != "default"]
