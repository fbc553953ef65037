"""Loopback ports that nobody else can take between choosing and listening."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from charttest.cluster.control_plane import Ports
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def reserved(server: int | None) -> Iterator[Ports]:
    """Hold the ports of a cluster, the API server's being `server` or a free one, until it listens.

    Each is bound by a socket that does not listen; the servers bind it too (SO_REUSEPORT, same user), other
    programs cannot. ClusterError: `server` is in use.
    """
    if server is not None:
        _refuse_busy(server)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_bound(port)) for port in (0, 0, server or 0)]
        etcd, peer, api = (held.getsockname()[1] for held in sockets)
        yield Ports(etcd, peer, api)


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((LOOPBACK, port))
    return held


def _refuse_busy(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # like a server: closed connections that linger do not count, a listener does
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise ClusterError(
                f"--port {port}: this user may not listen there", "choose a port from 1024 on"
            ) from error
        except OSError as error:
            raise ClusterError(
                f"--port {port}: another process listens there",
                "choose another port, or leave the option out to get a free one",
            ) from error
