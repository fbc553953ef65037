"""The way from the nodes to the API server: listens in the switch's network namespace, connects on loopback.

    python -m charttest.node.gateway NAMESPACE ADDRESS PORT TARGET_PORT

A socket stays in the network namespace that it was made in: this process makes its listener in the switch's,
goes back, and every connection that it makes then is one of this machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000
CHUNK_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


def listener(namespace: Path, address: str, port: int) -> socket.socket:
    """A listening socket in another network namespace; OSError if that cannot be entered."""
    with Path("/proc/self/ns/net").open() as home, namespace.open() as there:
        _enter(there.fileno())
        try:
            return socket.create_server((address, port), backlog=128)
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


async def serve(listening: socket.socket, target_port: int) -> None:
    """Pass on every connection until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", target_port)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        writer.close()

    server = await asyncio.start_server(connected, sock=listening)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        # Both ways end together: TLS has no half-closed connections.
        writer.close()


if __name__ == "__main__":
    _namespace, _address, _port, _target = sys.argv[1:]
    asyncio.run(serve(listener(Path(_namespace), _address, int(_port)), int(_target)))
