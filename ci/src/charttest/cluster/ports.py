"""Loopback ports that nobody else can take between choosing and listening."""

from __future__ import annotations

import errno
import socket

from charttest.errors import UsageError

LOOPBACK = "127.0.0.1"


class Reservation:
    """A port held by a bound socket that does not listen.

    The servers bind it too, with SO_REUSEPORT; other programs get EADDRINUSE. So no start is lost to
    a race and none needs a retry.
    """

    def __init__(self, port: int = 0) -> None:
        """Hold `port`, or a free one; UsageError when a given port is in use."""
        if port:
            _refuse_busy(port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((LOOPBACK, port))
        self.port: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Let go of the port; the server that listens keeps it."""
        self._socket.close()


def _refuse_busy(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # like a server: connections in TIME_WAIT do not count, a listener does
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise UsageError(
                    f"--port {port}: this user may not listen there", "choose 1024 or above"
                ) from error
            raise UsageError(
                f"--port {port}: another program listens on {LOOPBACK}:{port}",
                "choose another port, or leave --port away to get a free one",
            ) from error
