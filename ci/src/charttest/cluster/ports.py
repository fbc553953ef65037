"""Free ports on loopback. One can still be taken between choosing and binding: the caller tries again."""

from __future__ import annotations

import random
import socket

from charttest.cluster.control_plane import Ports

RANGE = range(20000, 30000)  # below the range that Linux takes outgoing connections from


def free_ports(server: int | None) -> Ports:
    """Ports for one cluster; `server` is the API server's if it is given."""
    chosen: list[int] = []
    for candidate in random.sample(RANGE, k=len(RANGE)):
        if len(chosen) == len(Ports.__dataclass_fields__):
            break
        if candidate != server and is_free(candidate):
            chosen.append(candidate)
    etcd, peer, own, controller_manager, scheduler = chosen
    return Ports(etcd, peer, own if server is None else server, controller_manager, scheduler)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
