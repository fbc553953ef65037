"""A real Prometheus on this machine that has given series and scrapes nothing."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.charttest.load_servers import eventually

from charttest import parts
from charttest.cluster import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from charttest.cluster.pki import Pki

READY_SECONDS = 300
_LISTENS = re.compile(r'msg="Listening on" .*address=(127\.0\.0\.1:\d+)')


@contextmanager
def prometheus(folder: Path, openmetrics: str, keys: Pki | None = None) -> Iterator[str]:
    """Its address, HTTPS where it gets keys; `folder` gets what it keeps."""
    found = parts.find_all(["prometheus", "promtool"])
    page, data = folder / "page.txt", folder / "data"
    page.write_text(openmetrics, encoding="utf-8")
    made = subprocess.run(
        [
            str(found["promtool"]),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            str(page),
            str(data),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=READY_SECONDS,
    )
    assert made.returncode == 0, made.stderr
    (folder / "prometheus.yaml").write_text("{}", encoding="utf-8")
    command = [
        str(found["prometheus"]),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={data}",
        "--web.listen-address=127.0.0.1:0",
    ]
    if keys:
        served = f"{{cert_file: {keys.server.certificate}, key_file: {keys.server.key}}}"
        (folder / "web.yaml").write_text(f"tls_server_config: {served}", encoding="utf-8")
        command.append(f"--web.config.file={folder / 'web.yaml'}")
    log = folder / "prometheus.log"
    started = process.start("prometheus", command, log, tied=True)
    try:

        def address() -> re.Match[str] | None:
            assert started.alive, started.log_tail()
            return _LISTENS.search(log.read_text(encoding="utf-8"))

        eventually("Prometheus to listen", address, seconds=READY_SECONDS)
        listens = address()
        assert listens
        url = f"{'https' if keys else 'http'}://{listens[1]}"
        eventually("Prometheus to be ready", lambda: _ready(url, keys), seconds=READY_SECONDS)
        yield url
    finally:
        process.end(folder)


def answer(url: str, query: str, when: int) -> list[tuple[dict[str, str], float]]:
    """What it says at a time: the labels and the value of each series."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urlencode({"query": query, "time": when})
    with opener.open(f"{url}/api/v1/query?{asked}", timeout=READY_SECONDS) as response:
        result = json.load(response)["data"]["result"]
    return [(series["metric"], float(series["value"][1])) for series in result]


def _ready(url: str, keys: Pki | None) -> bool:
    context = ssl.create_default_context(cafile=str(keys.authority.certificate) if keys else None)
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(f"{url}/-/ready", timeout=10):
            return True
    except OSError:
        return False
