"""What `helm test` runs: it waits for a Service that has just come up, and names what is not served."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from charttest.cluster import pki

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[2] / "charts/vllm-stack/files/check_models.py"
KEY = "open sesame"


class Engine(BaseHTTPRequestHandler):
    """Healthy, serves `m`, and answers those only who send the key."""

    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": "m"}]}).encode() if self.path == "/v1/models" else b""
        self.send_response(200 if self.headers["Authorization"] == f"Bearer {KEY}" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Has its port, and listens once `server_activate` is called."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine, bind_and_activate=False)
    server.server_bind()
    yield server
    server.server_close()


def begin(server: ThreadingHTTPServer, *names: str) -> subprocess.Popen[str]:
    asked = {"names": names, "health": "/health", "list": "/v1/models"}
    models = {f"127.0.0.1:{server.server_port}": asked}
    environment = {**os.environ, "MODELS": json.dumps(models), "VLLM_API_KEY": KEY}
    return subprocess.Popen([sys.executable, PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("names", "status", "told"),
    [(["m"], 0, "ok, serves m"), (["m", "other"], 1, "does not serve other")],
    ids=["served", "not served"],
)
def test_a_service_that_refuses_at_first_is_asked_again(
    server: ThreadingHTTPServer, names: list[str], status: int, told: str
) -> None:
    program = begin(server, *names)
    time.sleep(1)
    assert program.poll() is None
    server.server_activate()
    answering = threading.Thread(target=server.serve_forever)
    answering.start()
    printed, _ = program.communicate(timeout=60)
    server.shutdown()
    answering.join()
    assert (program.returncode, printed) == (status, f"127.0.0.1:{server.server_port}: {told}\n")


def test_an_engine_with_a_certificate_is_asked_by_tls(tmp_path: Path) -> None:
    pair = pki.create(tmp_path / "pki", ["127.0.0.1"]).server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        host = f"https://127.0.0.1:{server.server_port}"
        models = {host: {"names": ["m"], "health": "/health", "list": "/v1/models"}}
        environment = {**os.environ, "MODELS": json.dumps(models), "VLLM_API_KEY": KEY}
        done = subprocess.run(
            [sys.executable, PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        server.shutdown()
        answering.join()
    assert done.stdout == f"{host}: ok, serves m\n"
