"""Pages on this machine that the cluster's Prometheus scrapes, by ScrapeConfigs: that is where it runs, too."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from charttest.controllers.beside import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType


class Exporter:
    """Serves pages in a `with` statement, each made anew for every scrape."""

    def __init__(self, pages: Mapping[str, Callable[[], str]]) -> None:
        """The pages by their path."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    text, status = pages[self.path](), 200
                except OSError as error:  # the API server does not answer: the scrape fails
                    text, status = str(error), 503
                with contextlib.suppress(
                    ConnectionError
                ):  # Prometheus waits for no more than its scrape timeout
                    self.send_response(status)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Exporter:
        """Begin."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


def scrape_config(name: str, address: str, path: str, **spec: Any) -> dict[str, Any]:
    """The object that has a page scraped; `labels` are those of its target."""
    labels = {"job": name, **spec.pop("labels", {})}
    return {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "ScrapeConfig",
        "metadata": {"name": name},
        "spec": {
            "staticConfigs": [{"targets": [address], "labels": labels}],
            "metricsPath": path,
            **spec,
        },
    }
