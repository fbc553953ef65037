"""A Hub id is read through huggingface_hub: configuration files only, and every failure has a next step."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from valuegen.catalog.models import find_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("huggingface_hub", reason="the optional extra valuegen[hub] is not installed")

HEADERS = {"X-Repo-Commit": "a" * 40}


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does for one public and one gated repository."""

    asked: list[str]  # set by the fixture: the paths that were asked for

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path in {"/org/public/resolve/main/config.json", "/org/public/resolve/v1/config.json"}:
            entry = find_model("Qwen3-8B")
            assert entry is not None
            self._answer(200, json.dumps(dict(entry.config)).encode(), {"ETag": '"1"'})
        elif self.path.startswith("/org/public/"):
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif self.path.startswith("/org/gated/"):
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Hub,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def ask(arguments: str, cache: Path, endpoint: str, **environment: str) -> Any:
    """`valuegen ARGUMENTS` in a process of its own: huggingface_hub reads its settings once."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from valuegen.cli import main; main()",
            *arguments.split(),
            "--gpu",
            "L40S",
            "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "PATH": "",
            "PYTHONPATH": ":".join(sys.path),
            "HF_HOME": str(cache),
            "HF_ENDPOINT": endpoint,
            **environment,
        },
    )


def test_a_model_is_read_from_the_hub_without_its_weights_and_then_offline(
    hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    endpoint, asked = hub
    online = ask("fit org/public", tmp_path, endpoint)
    assert online.returncode == 0, online.stderr
    assert json.loads(online.stdout)["model"]["name"] == "public"
    assert {path.rpartition("/")[2] for path in asked if "/resolve/" in path} == {
        "config.json",
        "hf_quant_config.json",
    }
    offline = ask("fit org/public", tmp_path, endpoint, HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout) == (0, online.stdout)


def test_a_revision_is_read_and_reaches_the_values(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, asked = hub
    written = ask("values org/public --revision v1", tmp_path, endpoint)
    assert written.returncode == 0, written.stderr
    assert json.loads(written.stdout)["models"]["public"]["source"] == {
        "uri": "hf://org/public",
        "revision": "v1",
    }
    assert "/org/public/resolve/v1/config.json" in asked


@pytest.mark.parametrize(
    ("model", "rule", "step"),
    [("org/gated", "is gated", "HF_TOKEN"), ("org/none", "no such repository", "valuegen models")],
)
def test_a_repository_that_cannot_be_read_is_refused(
    hub: tuple[str, list[str]], tmp_path: Path, model: str, rule: str, step: str
) -> None:
    refused = ask(f"fit {model}", tmp_path, hub[0])
    assert refused.returncode == 2
    assert model in refused.stderr
    assert rule in refused.stderr
    assert step in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_not_cached_is_refused_offline(tmp_path: Path) -> None:
    refused = ask("fit org/public", tmp_path, "http://127.0.0.1:1", HF_HUB_OFFLINE="1")
    assert refused.returncode == 2
    assert "cannot be reached; give a directory" in refused.stderr
