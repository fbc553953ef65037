"""A Hub of the test's own: real headers, ranges, redirects, and every way to fail."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMIT = "a" * 40


@dataclass
class Request:
    """One request as the server saw it."""

    path: str
    range: str | None
    token: str | None


@dataclass
class HubServer:
    """What the server has and how it behaves; tests change it."""

    files: Mapping[str, bytes] = field(default_factory=dict)  # of org/model at main, v1 and COMMIT
    failures: list[int] = field(default_factory=list)  # statuses to answer first; 0: drop the connection
    retry_after: str = "0"
    redirect: str = ""  # where weight files are, with their path after it
    token: str = ""  # required, when set
    ranges: bool = True
    asked: list[Request] = field(default_factory=list)
    sent: int = 0  # bytes of bodies
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[HubServer]:
        """Serve on a port of this machine."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def do_GET(self) -> None:
        hub, token = self.hub, self.headers.get("Authorization")
        hub.asked.append(Request(self.path, self.headers.get("Range"), token))
        name = self.path.rpartition("/")[2]
        if hub.failures:
            self._fail(hub.failures.pop(0))
        elif self.path.startswith("/org/gated/"):
            self._answer(403, headers={"X-Error-Code": "GatedRepo"})
        elif hub.token and token != f"Bearer {hub.token}":
            self._answer(401)
        elif self.path.startswith("/store/"):
            self._file(name)
        elif not self.path.startswith("/org/model/resolve/"):
            self._answer(401)  # what the Hub says of a repository that is none, to nobody known
        elif self.path.split("/")[4] not in {"main", "v1", COMMIT}:
            self._answer(404, headers={"X-Error-Code": "RevisionNotFound"})
        elif name not in hub.files:
            self._answer(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        elif hub.redirect and name.endswith(".safetensors"):
            self._answer(302, headers={"X-Repo-Commit": COMMIT, "Location": f"{hub.redirect}/store/{name}"})
        else:
            self._file(name)

    def _fail(self, status: int) -> None:
        if status:
            self._answer(status, headers={"Retry-After": self.hub.retry_after})
            return
        self.send_response(200)  # and then half of what was promised
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{" * 500)

    def _file(self, name: str) -> None:
        content = self.hub.files[name]
        asked = self.headers.get("Range")
        if not self.hub.ranges or asked is None:
            self._answer(200, content, {"X-Repo-Commit": COMMIT})
            return
        end = min(int(asked.rpartition("-")[2]), len(content) - 1)
        if end < 0:
            self._answer(416, headers={"X-Repo-Commit": COMMIT})
            return
        span = f"bytes 0-{end}/{len(content)}"
        self._answer(206, content[: end + 1], {"X-Repo-Commit": COMMIT, "Content-Range": span})

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.hub.sent += len(body)
        try:
            self.wfile.write(body)
        except OSError:  # who wanted the start only has left
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""
