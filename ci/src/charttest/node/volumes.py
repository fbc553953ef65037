"""Makes the folder of every volume that kwok provisions, as a storage driver would on a real node.

    python -m charttest.node.volumes KUBECTL KUBECONFIG FOLDER

A local volume is a folder that must exist; the kubelet mounts it into the pod and gives it to the pod's group.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PATHS = 'jsonpath={.spec.local.path}{"\\n"}'


def follow(kubectl: str, kubeconfig: str, folder: Path) -> None:
    """Follow the volumes of the cluster until the API server goes away."""
    command = (
        kubectl,
        f"--kubeconfig={kubeconfig}",
        "get",
        "persistentvolumes",
        "--watch",
        f"--output={PATHS}",
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        for line in watching.stdout or ():
            if path := line.strip():
                (folder / Path(path).name).mkdir(exist_ok=True)


if __name__ == "__main__":
    while True:
        follow(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
        time.sleep(1)
