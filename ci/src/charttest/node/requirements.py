"""Whether a real node can run on this machine, and what is missing where it cannot."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# program -> Debian package
PROGRAMS = {
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
KERNEL_LOG = Path("/dev/kmsg")
CAP_SYS_ADMIN = 21
CAP_NET_ADMIN = 12
# A node sees folders of its own here; what it needs of this machine must lie elsewhere.
HIDDEN = tuple(Path(folder) for folder in ("/run", "/var/lib", "/var/log"))


def missing(*needed: Path) -> str:
    """Why no real node can run here, with the next step; empty where one can. `needed`: folders it must see."""
    return next(_missing(needed), "")


def _missing(needed: Iterable[Path]) -> Iterator[str]:
    if sys.platform != "linux":
        yield f"real nodes need Linux, not {sys.platform}"
    if os.geteuid() != 0:
        yield "real nodes need root; run as root, or use kind (make test-kind)"
    if not _capable():
        yield "real nodes need CAP_SYS_ADMIN and CAP_NET_ADMIN, which this container lacks; run it privileged"
    if absent := [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]:
        packages = " ".join(sorted({PROGRAMS[name] for name in absent}))
        yield f"real nodes need {', '.join(absent)}; install: apt-get install {packages}"
    if not KERNEL_LOG.exists():  # where the kubelet reads of processes that ran out of memory
        yield f"real nodes need {KERNEL_LOG}, which this container lacks; run it privileged"
    for folder in needed:
        if any(folder.resolve().is_relative_to(hidden) for hidden in HIDDEN):
            yield f"real nodes cannot see {folder}; set XDG_STATE_HOME and XDG_CACHE_HOME to folders elsewhere"


def search_path() -> str:
    """PATH with the folders of system programs, which a user's own may leave out."""
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def _capable() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return all(int(effective, 16) >> bit & 1 for bit in (CAP_SYS_ADMIN, CAP_NET_ADMIN))
