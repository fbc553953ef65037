"""What a node sees of the machine it runs on: folders of its own, kernel settings and a size of its own.

The kubelet reads the size of its node from /proc and /sys, and writes three kernel settings that concern the
whole machine. In the node's mount namespace other files lie there, so it finds the size that the node pool
states and the settings as it wants them, and writes nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from charttest.node import commands
from charttest.node.configuration import HOME, VOLUMES

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.node.namespaces import Namespaces

# k8s.io/kubernetes pkg/kubelet/cm: setupKernelTunables
KERNEL_SETTINGS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}

_SCRIPT = f"""
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 charttest $folder; done
mkdir {HOME}
mount --bind "$1" {HOME}
mkdir {VOLUMES}
mount --bind "$2" {VOLUMES}
mkdir -p {HOME}/run {HOME}/logs /run/lock
cd {HOME}/sees
for file in $(find proc -type f); do mount --bind $file /$file; done
mount --bind cpu /sys/devices/system/cpu
mount --bind numa /sys/devices/system/node
echo 1 > /proc/sys/net/ipv4/ip_forward
"""


def set_up(namespaces: Namespaces, folder: Path, volumes: Path, cpus: int, memory_bytes: int) -> None:
    """Make the node's namespaces look like a machine of that size.

    `folder` is the node's own, `volumes` is shared by all nodes.
    """
    sees = folder / "sees"
    files = {
        **{f"proc/sys/{key}": f"{value}\n" for key, value in KERNEL_SETTINGS.items()},
        "proc/meminfo": _meminfo(memory_bytes),
        "proc/cpuinfo": "".join(_cpuinfo(number) for number in range(cpus)),
        "cpu/online": f"0-{cpus - 1}\n",
        "cpu/possible": f"0-{cpus - 1}\n",
        "cpu/present": f"0-{cpus - 1}\n",
    }
    # A cpu counts by its folder; only those with a package enter the cpuset that the kubelet writes, and that
    # may name real ones only (cadvisor utils/sysinfo: getCpusByPhysicalPackageID).
    for number in range(cpus):
        (sees / f"cpu/cpu{number}").mkdir(parents=True)
    for number in os.sched_getaffinity(0) & set(range(cpus)):
        files[f"cpu/cpu{number}/topology/core_id"] = f"{number}\n"
        files[f"cpu/cpu{number}/topology/physical_package_id"] = "0\n"
    for name, text in files.items():
        (sees / name).parent.mkdir(parents=True, exist_ok=True)
        (sees / name).write_text(text, encoding="ascii")
    (sees / "numa").mkdir()
    commands.run(*namespaces.inside("sh", "-euc", _SCRIPT, "sh", str(folder), str(volumes)))


def _meminfo(memory_bytes: int) -> str:
    kib = memory_bytes // 1024
    return "".join(
        f"{key + ':':<16}{value} kB\n"
        for key, value in (("MemTotal", kib), ("MemFree", kib), ("MemAvailable", kib), ("SwapTotal", 0))
    )


def _cpuinfo(number: int) -> str:
    lines = (("processor", number), ("cpu MHz", "2000.000"), ("physical id", 0), ("core id", number))
    return "".join(f"{key}\t: {value}\n" for key, value in lines) + "\n"
