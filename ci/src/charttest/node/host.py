"""What a cluster could leave on this machine; compare before and after."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from charttest.cluster.process import start_time
from charttest.node import commands
from charttest.node.machine import KERNEL_SETTINGS
from charttest.parts.cache import cache_folder

NETWORK_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/all/route_localnet",
)

POD_CGROUP = re.compile(r"\bcharttest\.|kubepods")
OWN = re.compile(r"\bcharttest\.|\bct[0-9a-f]{8}\b")  # a cluster's cgroups, and its link with its routes


def state() -> dict[str, set[str]]:
    """Processes, namespaces, mounts, links, routes, firewall rules, cgroups, files and kernel settings, by kind.

    Only what real nodes deal with: of the processes those that run a part of charttest.
    """
    links = json.loads(commands.run("ip", "-json", "link"))
    routes = [f"{family} {line}" for family in "46" for line in _lines("ip", f"-{family}", "route", "show")]
    settings = [f"{key} = {_read('/proc/sys/' + key)}" for key in (*KERNEL_SETTINGS, *NETWORK_SETTINGS)]
    return {
        "processes": set(_processes()),
        "namespaces": set(_namespaces()),
        "mounts": {" ".join(line.split()[3:5]) for line in _read("/proc/self/mountinfo").splitlines()},
        "links": {link["ifname"] for link in links},
        "routes": set(routes),
        "rules": set(_lines("nft", "list", "ruleset")),
        # Those of pods only: other programs make and remove theirs all the time.
        "cgroups": {path for path in map(str, Path("/sys/fs/cgroup").rglob("*/")) if POD_CGROUP.search(path)},
        "files": {
            str(path) for folder in ("/run", "/var/lib", "/var/log") for path in Path(folder).glob("*")
        },
        "settings": set(settings),
    }


def differences(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """One line for everything that came or went; another cluster may go meanwhile."""
    came = [f"{kind}: + {item}" for kind in before for item in sorted(after[kind] - before[kind])]
    went = [
        f"{kind}: - {item}"
        for kind in before
        for item in sorted(before[kind] - after[kind])
        if kind not in ("processes", "namespaces") and not OWN.search(item)
    ]
    return came + went


def _lines(*command: str) -> list[str]:
    return commands.run(*command).splitlines()


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace").strip()


def _processes() -> list[str]:
    own, found = str(cache_folder() / "bin"), []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            program = str((entry / "exe").readlink())
            if program.startswith(own):
                found.append(f"{entry.name} {program}")
    return found


def _namespaces() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        # One that has ended keeps its namespace of processes until process 1 has taken note of it.
        if not entry.name.isdecimal() or start_time(int(entry.name)) is None:
            continue
        for kind in ("net", "mnt", "pid"):
            with contextlib.suppress(OSError):
                found.append(str((entry / "ns" / kind).readlink()))
    return found
