"""Real HTTP servers for the load's process: an engine that behaves in a given way, and the EndpointSlices of an API."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WHOLE = {"choices": [{"message": {"content": "1 2"}, "finish_reason": "length"}]}
ABORTED = {"choices": [{"message": {"content": "1"}, "finish_reason": "abort"}]}
TOKEN = {"choices": [{"delta": {"content": "1"}, "finish_reason": None}]}
Slice = dict[str, Any]


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


def eventually(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class Engine(BaseHTTPRequestHandler):
    """Answers as `behaviour` says; the server counts requests and connections."""

    protocol_version = "HTTP/1.1"
    server: EngineServer

    def setup(self) -> None:
        super().setup()
        self.carried = 0
        with self.server.lock:
            self.server.connections += 1
            self.server.open += 1

    def finish(self) -> None:
        super().finish()
        with self.server.lock:
            self.server.open -= 1

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, asked["model"], asked["ignore_eos"]) == ("/v1/chat/completions", "m", True)
        with self.server.lock:
            self.server.asked.append((time.monotonic(), self.server.server_port))
        getattr(self, self.server.behaviour)(asked["stream"])
        self.carried += 1

    def whole(self, stream: bool) -> None:
        if stream:
            self.chunks(events(TOKEN), events(WHOLE), b"data: [DONE]\n\n")
        else:
            self.answer(200, json.dumps(WHOLE).encode())

    def cut(self, stream: bool) -> None:
        """End half way: a stream between two tokens, a body short of its length."""
        if stream:
            self.chunks(events(TOKEN), end=False)
        else:
            self.answer(200, b'{"choices', promised=1000)
        self.close_connection = True

    def without_done(self, stream: bool) -> None:
        """End properly for HTTP, but too early."""
        if stream:
            self.chunks(events(TOKEN, WHOLE))
        else:
            self.answer(200, b'{"choices": []}')

    def aborted(self, stream: bool) -> None:
        """What vLLM sends when it aborts its requests: all is well but for the reason."""
        if stream:
            self.chunks(events(TOKEN, ABORTED), b"data: [DONE]\n\n")
        else:
            self.answer(200, json.dumps(ABORTED).encode())

    def closed(self, _stream: bool) -> None:
        self.close_connection = True

    def garbage(self, _stream: bool) -> None:
        self.wfile.write(b"no HTTP\r\n\r\n")
        self.close_connection = True

    def error(self, _stream: bool) -> None:
        self.answer(500, b"broken")

    def hang(self, _stream: bool) -> None:
        self.server.released.wait(60)
        self.close_connection = True

    def whole_for_a_key(self, stream: bool) -> None:
        if self.headers["Authorization"] == "Bearer key":
            self.whole(stream)
        else:
            self.answer(401, b"who are you")

    def announced(self, stream: bool) -> None:
        """Answer, and end the connection as HTTP wants it."""
        self.whole(stream) if stream else self.answer(200, json.dumps(WHOLE).encode(), closing=True)

    def closed_idle(self, _stream: bool) -> None:
        """An error, after which the client pauses; the idle connection ends in that time."""
        if self.server.connections > 1:
            return self.answer(200, json.dumps(WHOLE).encode())
        # The answer and the end leave in one segment: the client's pause is surely after both.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.answer(503, b"later")
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True
        return None

    def second_unanswered(self, _stream: bool) -> None:
        """Answer the first request of a connection; end it at the second."""
        if self.carried:
            self.close_connection = True
        else:
            self.answer(200, json.dumps(WHOLE).encode())

    def answer(self, status: int, body: bytes, promised: int = 0, closing: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(promised or len(body)))
        if closing:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def chunks(self, *parts: bytes, end: bool = True) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (*parts, b"") if end else parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class EngineServer(ThreadingHTTPServer):
    """One engine; several may share the list of what was asked."""

    request_queue_size = 64

    def __init__(self, behaviour: str, asked: list[tuple[float, int]] | None = None) -> None:
        self.behaviour = behaviour
        self.asked = [] if asked is None else asked
        self.connections = self.open = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), Engine)

    def handle_error(self, *_: object) -> None:
        """Ignore a client that gave up."""


class Api(BaseHTTPRequestHandler):
    """EndpointSlices of the Service `s`: list and watch, with versions."""

    server: ApiServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: value for key, [value] in parse_qs(url.query).items()}
        assert url.path == "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"
        assert query["labelSelector"] == "kubernetes.io/service-name=s"
        if self.headers["Authorization"] != "Bearer secret":
            self.send_error(403, "forbidden here")
        elif "watch" in query:
            self.watch(int(query["resourceVersion"]))
        else:
            self.list()

    def list(self) -> None:
        with self.server.changed:
            self.server.lists += 1
            slices, version = list(self.server.slices.values()), len(self.server.log)
        self.reply({"items": slices, "metadata": {"resourceVersion": str(version)}})

    def watch(self, version: int) -> None:
        server = self.server
        with server.changed:
            server.watches += 1
            mine = server.generation
            if version < server.oldest:
                gone = {"code": 410, "message": "too old"}
                return self.reply({"type": "ERROR", "object": gone})
        self.reply()
        with server.changed:
            while mine == server.generation:
                for event in server.log[version:]:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
                version = len(server.log)
                server.changed.wait()
        return None

    def reply(self, *documents: object) -> None:
        self.send_response(200)
        self.end_headers()
        for document in documents:
            self.wfile.write(json.dumps(document).encode() + b"\n")

    def log_message(self, *_: object) -> None:
        pass


class ApiServer(ThreadingHTTPServer):
    """Holds the slices, and every change of them."""

    def __init__(self) -> None:
        self.slices: dict[str, Slice] = {}
        self.log: list[dict[str, Any]] = []
        self.lists = self.watches = self.generation = self.oldest = 0
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Api)

    def set(self, name: str, port: int, host: str = "127.0.0.1", **conditions: bool) -> None:
        """Create or change the slice with this one endpoint."""
        endpoint = {"addresses": [host], "conditions": conditions}
        with self.changed:
            metadata = {"name": name, "resourceVersion": str(len(self.log) + 1)}
            ports = [{"name": "metrics", "port": 1}, {"name": "http", "port": port}]
            entry = {"metadata": metadata, "endpoints": [endpoint], "ports": ports}
            self._log("MODIFIED" if name in self.slices else "ADDED", entry)
            self.slices[name] = entry

    def delete(self, name: str) -> None:
        with self.changed:
            entry = self.slices.pop(name)
            entry["metadata"]["resourceVersion"] = str(len(self.log) + 1)
            self._log("DELETED", entry)

    def end_watches(self, *, forget: bool = False) -> None:
        """End every watch; `forget` the changes until now, so that none can be resumed."""
        with self.changed:
            self.generation += 1
            if forget:
                self.oldest = len(self.log) + 1
                self.log.append({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "0"}}})
            self.changed.notify_all()

    def _log(self, kind: str, entry: Slice) -> None:
        self.log.append({"type": kind, "object": entry})
        self.changed.notify_all()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, ApiServer):
            server.end_watches()
        elif isinstance(server, EngineServer):
            server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
