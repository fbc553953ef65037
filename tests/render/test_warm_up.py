"""What the startup probe runs for warmup.prompts: each engine answers each prompt, and what fails is said."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charttest.cluster import pki

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[2] / "charts/vllm-stack/files/warm_up.py"
KEY = "open sesame"


class Engine(BaseHTTPRequestHandler):
    """Healthy, knows the model `m`, and answers those only who send the key."""

    def do_GET(self) -> None:
        self.reply(200, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers["X-data-parallel-rank"], request))  # type: ignore[attr-defined]
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.reply(401, {"error": "Unauthorized"})
        elif request["model"] != "m":
            self.reply(404, {"error": f"The model {request['model']} does not exist."})
        else:
            self.reply(200, {"choices": []})

    def reply(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.seen = []  # type: ignore[attr-defined]
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        yield server
        server.shutdown()
        answering.join()


def warm_up(folder: Path, url: str, *prompts: object, ranks: int = 1, key: str = KEY) -> tuple[int, str]:
    """What the program answers and prints when it lies in this folder, as in a pod."""
    shutil.copy(PROGRAM, folder)
    asked = {"url": url, "health": "/health", "model": "m", "ranks": ranks, "prompts": prompts}
    (folder / "warm_up.json").write_text(json.dumps(asked))
    # A proxy of the namespace's environment leads nowhere for an address of the pod itself.
    environment = {**os.environ, "VLLM_API_KEY": key, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, folder / PROGRAM.name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout


def test_every_engine_answers_every_prompt_as_it_will_be_asked_later(tmp_path: Path) -> None:
    tools = {
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "function"}],
        "max_tokens": 2,
    }
    with serving() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        assert warm_up(tmp_path, address, "Be brief.", tools, ranks=2) == (0, "")
    system = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    requests = [{"model": "m", "max_tokens": 1, "messages": system}, {"model": "m", **tools}]
    assert server.seen == [  # type: ignore[attr-defined]
        ("/v1/chat/completions", rank, request) for request in requests for rank in ("0", "1")
    ]


def test_an_engine_alone_is_not_told_its_rank(tmp_path: Path) -> None:
    with serving() as server:
        assert warm_up(tmp_path, f"http://127.0.0.1:{server.server_port}", "a")[0] == 0
    assert [rank for _, rank, _ in server.seen] == [None]  # type: ignore[attr-defined]


def test_an_engine_that_loads_is_waited_for(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine, bind_and_activate=False) as server:
        server.server_bind()  # as vLLM: the port is taken, nothing listens on it yet
        status, said = warm_up(tmp_path, f"http://127.0.0.1:{server.server_port}", "a")
    assert status == 1
    assert said.startswith("the engine does not answer yet: ")
    assert "Connection refused" in said


def test_a_prompt_that_is_refused_is_named_with_the_engines_words(tmp_path: Path) -> None:
    with serving() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        wrong = {"model": "legal", "messages": []}
        assert warm_up(tmp_path, address, "a", wrong) == (
            1,
            'prompt 2 of warmup.prompts: 404 Not Found: {"error": "The model legal does not exist."}',
        )
        status, said = warm_up(tmp_path, address, "a", key="other")
        assert (status, said.startswith("prompt 1 of warmup.prompts: 401 Unauthorized")) == (1, True)


def test_an_engine_with_a_certificate_is_asked_by_tls(tmp_path: Path) -> None:
    pair = pki.create(tmp_path / "pki", ["127.0.0.1"]).server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving(context) as server:
        assert warm_up(tmp_path, f"https://127.0.0.1:{server.server_port}", "a") == (0, "")
    assert len(server.seen) == 1  # type: ignore[attr-defined]
