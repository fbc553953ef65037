"""`charttest picture`: what it refuses, and the servers that it asks in vain."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.charttest.chart_dashboards import FILES, document, one_panel
from tests.charttest.load_servers import serving
from tests.charttest.real_prometheus import prometheus

from charttest.cli import main
from charttest.cluster import pki
from charttest.errors import AnswerError
from charttest.picture import Server, Window, draw

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_with_a_certificate_is_asked_by_its_authority_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = pki.create(tmp_path / "pki", ("127.0.0.1",))
    (tmp_path / "server").mkdir()
    dashboard = tmp_path / "one.json"
    dashboard.write_text(json.dumps(one_panel("vector(4)")))
    command = ["picture", str(dashboard), "--output", str(tmp_path), "--prometheus"]
    with prometheus(tmp_path / "server", "# EOF\n", keys) as address:
        assert main([*command, address, "--ca", str(keys.authority.certificate)]) == 0
        assert "last 4 req/s" in (tmp_path / "one.svg").read_text()
        assert main([*command, address]) == 2
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ["--set", "modle=m"],
            "--set modle=m: no dashboard has such a variable; they have gpu_namespace, gpu_pod,",
        ),
        (["--set", "model"], "--set model: a value is written NAME=VALUE, for example namespace=llm"),
        (["--last", "1w"], "1w: is no duration; write a number and s, m, h or d, such as 30m"),
        (["--last", "30m", "--from", "1"], "--last and --from exclude each other: give one of them"),
        (["--to", "noon"], "noon: is no time; write 2026-11-20T12:00:00Z, or the seconds since 1970"),
        (["--from", "7200", "--to", "3600"], "is no time; let the end be after the start"),
    ],
)
def test_the_command_refuses(
    args: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["picture", *map(str, FILES), "--prometheus", "http://127.0.0.1:9", "--output", str(tmp_path)]
    assert main([*command, *args]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_away_and_what_is_no_address_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["picture", str(FILES[0]), "--output", str(tmp_path), "--prometheus"]
    assert main([*command, "http://127.0.0.1:9"]) == 2
    assert "http://127.0.0.1:9: does not answer as a Prometheus (<urlopen error" in capsys.readouterr().err
    assert main([*command, "127.0.0.1:9090"]) == 2
    assert "127.0.0.1:9090: is no address of a Prometheus; write http://HOST:PORT" in capsys.readouterr().err
    assert main([*command, "https://127.0.0.1:9", "--ca", str(FILES[0])]) == 2
    assert f"{FILES[0]}: holds no certificate (" in capsys.readouterr().err


class Other(BaseHTTPRequestHandler):
    """No web server."""

    def do_GET(self) -> None:
        self.wfile.write(b"220 mail\r\n\r\n")
        self.close_connection = True


def test_what_speaks_no_http_is_named() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    with serving(server), pytest.raises(AnswerError, match=r"does not answer as a Prometheus \(220 mail"):
        draw(document("fleet"), Server(f"http://127.0.0.1:{server.server_port}"), Window(0, 3600))
