"""A model hub and an object store on loopback, as far as the clients of the download ask them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT = sha1(b"commit", usedforsecurity=False).hexdigest()
REPOSITORY = "org/model"
BUCKET, PREFIX = "bucket", "models/model/"


@dataclass
class Store:
    """What a server holds, whom it answers, and what it was asked."""

    files: dict[str, bytes]
    token: str = ""  # whoever sends another one, or none, is refused
    stall_after: int = 0  # bytes of a file after which nothing more comes
    break_after: int = 0  # bytes of a file after which the connection ends, once
    sizes: dict[str, int | None] = field(default_factory=dict)  # told instead of the real ones
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and Range of every GET of a file
    going_on: threading.Event = field(default_factory=threading.Event)

    def size(self, name: str) -> int | None:
        return self.sizes.get(name, len(self.files[name]))


class _Handler(BaseHTTPRequestHandler):
    store: Store

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.begin(status, len(body), headers or {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, size: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(size), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_file(self, name: str, **more: str) -> None:
        body, wanted = self.store.files[name], self.headers["Range"] or ""
        headers = {"ETag": f'"{sha1(body, usedforsecurity=False).hexdigest()}"', "Accept-Ranges": "bytes"}
        headers |= {"Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
        headers |= {key.replace("_", "-"): value for key, value in more.items()}
        if self.command == "HEAD":
            self.answer(200, body, headers)
            return
        self.store.asked.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        part, end = body[start:], self.store.stall_after or self.store.break_after
        if not 0 < end < len(part):
            self.answer(206 if wanted else 200, part, headers)
            return
        self.begin(200, len(part), headers)
        self.wfile.write(part[:end])
        if self.store.stall_after:
            self.store.going_on.wait()
        self.store.break_after = 0
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Hub(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, store = unquote(urlsplit(self.path).path).strip("/"), self.store
        if store.token and self.headers["Authorization"] != f"Bearer {store.token}":
            self.answer(401, b'{"error": "Invalid credentials"}', {"X-Error-Code": "GatedRepo"})
        elif path in (f"api/models/{REPOSITORY}", f"api/models/{REPOSITORY}/revision/{COMMIT}"):
            siblings = [{"rfilename": name, "size": store.size(name)} for name in store.files]
            self.answer(200, json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"api/models/{REPOSITORY}/tree/{COMMIT}"):
            entries = [
                {"type": "file", "path": name, "size": store.size(name) or 0, "oid": COMMIT}
                for name in store.files
            ]
            self.answer(200, json.dumps(entries).encode())
        elif path.startswith(f"api/models/{REPOSITORY}/revision/"):
            self.answer(404, b'{"error": "Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith(f"{REPOSITORY}/resolve/{COMMIT}/"):
            name = path.removeprefix(f"{REPOSITORY}/resolve/{COMMIT}/")
            self.send_file(name, X_Repo_Commit=COMMIT)
        else:
            self.answer(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})


class _ObjectStore(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts, store = urlsplit(self.path), self.store
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if store.token and f"Credential={store.token}/" not in (self.headers["Authorization"] or ""):
            self.fail(403, "InvalidAccessKeyId")
        elif bucket != BUCKET:
            self.fail(404, "NoSuchBucket")
        elif "list-type" in parse_qs(parts.query):
            wanted = parse_qs(parts.query)["prefix"][0]
            keys = [PREFIX + name for name in store.files if (PREFIX + name).startswith(wanted)]
            found = "".join(
                f"<Contents><Key>{k}</Key><Size>{store.size(k.removeprefix(PREFIX))}</Size></Contents>"
                for k in keys
            )
            self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())
        else:
            self.send_file(key.removeprefix(PREFIX))

    def fail(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


@contextmanager
def _serving(handler: type[_Handler], store: Store) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"store": store}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    store.going_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def hub(store: Store) -> Iterator[str]:
    """The address of a hub that has the files as org/model."""
    with _serving(_Hub, store) as address:
        yield address


@contextmanager
def object_store(store: Store) -> Iterator[str]:
    """The address of an S3 store that has the files under bucket/models/model."""
    with _serving(_ObjectStore, store) as address:
        yield address
