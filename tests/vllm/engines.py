"""A running engine on loopback, real or not: what the table of behaviours asks of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEY = "a-key"
PATIENCE_SECONDS = 90  # for what comes at once on a quiet machine
NAMES = ("first", "second")


@dataclass(frozen=True)
class Engine:
    """How to start one, and what to expect of its speed."""

    command: tuple[str, ...]  # up to `serve`
    model: Path
    log: Path
    core: str  # how the command line of the process begins that dies in a crash
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = PATIENCE_SECONDS
    long_tokens: int = 150  # takes a few seconds
    broken_streams: frozenset[str] = frozenset({"silent"})  # what SIGTERM without a timeout makes of them

    def run(
        self, *flags: str, model: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> int:
        """Start one that ends by itself: its exit code."""
        with self.started(*flags, model=model, environment=environment) as running:
            return running.process.wait(self.start_seconds)

    @contextlib.contextmanager
    def started(
        self, *flags: str, model: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        """One that loads; it and its children are gone after the block."""
        port = free_port()
        command = [*self.command, str(model or self.model), *self.flags, f"--port={port}", *flags]
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], **self.environment, **(environment or {})},
                start_new_session=True,
            )
        running = Running(self, process, port)
        try:
            yield running
        finally:
            children = running.children()
            for pid, line in {process.pid: "", **children}.items():
                # Python's own child that removes the shared memory of those that are killed; it ends by itself.
                if "resource_tracker" not in line:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            process.wait()
            eventually("its children to end", lambda: not any(alive(pid) for pid in children))

    @contextlib.contextmanager
    def serving(self, *flags: str, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
        """One that answers."""
        with self.started(*flags, environment=environment) as running:
            running.wait_until_ready()
            yield running


@dataclass(frozen=True)
class Running:
    """An engine that was started."""

    engine: Engine
    process: subprocess.Popen[bytes]
    port: int

    def wait_until_ready(self) -> None:
        """Until /health is answered."""

        def ready() -> bool:
            assert self.process.poll() is None, self.told()
            return self.refuses() is False and self.status("/health") == 200

        eventually("the engine to be ready", ready, self.engine.start_seconds)

    def refuses(self) -> bool:
        """Whether nobody listens on the port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    def request(self, path: str, body: dict[str, Any] | None = None, key: str = "") -> tuple[int, str]:
        """GET, or POST of `body`: the status and the text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json"}
            if key:
                headers["Authorization"] = f"Bearer {key}"
            connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def status(self, path: str, body: dict[str, Any] | None = None, key: str = "") -> int:
        """The status alone."""
        return self.request(path, body, key)[0]

    @contextlib.contextmanager
    def streaming(self, tokens: int, key: str = "") -> Iterator[socket.socket]:
        """A stream of so many tokens whose first bytes have come."""
        body = json.dumps({**chat(tokens), "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nAuthorization: Bearer {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(head.encode() + body)
            first = connection.recv(1 << 16)
            assert first.startswith(b"HTTP/1.1 200 "), first
            yield connection

    def terminate(self) -> None:
        """SIGTERM, to the one process that a container's runtime knows."""
        self.process.send_signal(signal.SIGTERM)

    def kill_core(self) -> None:
        """SIGKILL to the process that computes."""
        (pid,) = (pid for pid, line in self.children().items() if line.startswith(self.engine.core))
        os.kill(pid, signal.SIGKILL)

    def children(self) -> dict[int, str]:
        """The command line of every process below the started one, by pid."""
        parents = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        found: dict[int, str] = {}
        todo = [self.process.pid]
        while todo:
            parent = todo.pop()
            for pid in (pid for pid, its in parents.items() if its == parent):
                todo.append(pid)
                with contextlib.suppress(OSError):
                    line = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                    found[pid] = line.replace("\0", " ")
        return found

    def told(self) -> str:
        """The end of its log, for messages."""
        return self.engine.log.read_text(errors="replace")[-3000:]


def chat(tokens: int) -> dict[str, Any]:
    """A request that is answered with so many tokens."""
    messages = [{"role": "user", "content": "one two three four five six seven"}]
    return {"model": NAMES[0], "messages": messages, "max_tokens": tokens, "ignore_eos": True}


def rest_of(stream: socket.socket, seconds: float) -> tuple[bytes, str]:
    """What comes on a stream until it is closed, or silent for so long: its bytes, and `closed` or `silent`."""
    stream.settimeout(seconds)
    came = b""
    try:
        while more := stream.recv(1 << 16):
            came += more
    except TimeoutError:
        return came, "silent"
    except ConnectionResetError:
        return came, "reset"
    return came, "closed"


def eventually(what: str, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
