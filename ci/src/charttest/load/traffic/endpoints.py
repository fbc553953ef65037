"""The ready endpoints of a Service, followed as a gateway or a mesh follows them."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import queue
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from charttest.load.traffic.asking import LostError

if TYPE_CHECKING:
    from charttest.load.traffic.options import ClosedOptions

Address = tuple[str, int]

PAUSE_SECONDS = 0.1  # before the next watch
WATCH_SECONDS = 240  # the server ends the watch; a connection that died unnoticed is given up a little later


class Endpoints:
    """The ready endpoints of a Service, by a watch of its EndpointSlices, each change seen late."""

    def __init__(self, options: ClosedOptions, begin: float) -> None:
        """Ask for them once, then follow. OSError, HTTPException or LostError when the API does not answer."""
        self._options = options
        self._begin = begin
        self.ready: list[Address] = []
        self.changes: list[tuple[float, float, list[str]]] = []  # when it came, when it was seen, all ready
        self.errors: list[str] = []
        self._next = itertools.count()
        self._slices: dict[str, Any] = {}
        self._version = ""
        self._late: queue.SimpleQueue[tuple[float, list[Address]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        self._list()
        self.ready = self._current()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._follow, self._apply)]
        for thread in self._threads:
            thread.start()

    def pick(self) -> Address:
        """The next one in turn. LostError when none is ready."""
        ready = self.ready
        if not ready:
            raise LostError("no_endpoint", "no endpoint is ready")
        return ready[next(self._next) % len(ready)]

    def close(self) -> None:
        """Stop following; changes that are still to be seen are not."""
        self._closed.set()
        self._late.put(None)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _current(self) -> list[Address]:
        found = set()
        for entry in self._slices.values():
            ports = [
                port["port"]
                for port in entry.get("ports") or []
                if not self._options.port or port.get("name") == self._options.port
            ]
            for endpoint in entry.get("endpoints") or []:
                conditions = endpoint.get("conditions") or {}
                # The API: a `ready` that is not there means true. It stays true for a terminating endpoint
                # of a Service with publishNotReadyAddresses.
                if conditions.get("ready") is not False and not conditions.get("terminating"):
                    found |= {(address, port) for address in endpoint["addresses"] for port in ports[:1]}
        return sorted(found)

    def _offset(self) -> float:
        return round(time.monotonic() - self._begin, 3)

    def _changed(self) -> None:
        self._late.put((time.monotonic(), self._current()))

    def _apply(self) -> None:
        while (item := self._late.get()) is not None:
            came, ready = item
            if self._closed.wait(max(0.0, came + self._options.delay_seconds - time.monotonic())):
                return
            if ready != self.ready:
                names = [f"{host}:{port}" for host, port in ready]
                self.changes.append((round(came - self._begin, 3), self._offset(), names))
                self.ready = ready

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                if not self._version:
                    self._list()
                    self._changed()
                self._watch()
            except (OSError, http.client.HTTPException, ValueError, LostError) as error:
                if not self._closed.is_set():
                    self.errors.append(f"{self._offset()}: {type(error).__name__}: {error}")
            self._closed.wait(PAUSE_SECONDS)  # not a busy loop when the server ends every watch at once

    def _list(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            listed = json.load(self._get(connection))
        self._slices = {entry["metadata"]["name"]: entry for entry in listed["items"]}
        self._version = listed["metadata"]["resourceVersion"]

    def _watch(self) -> None:
        options = {"watch": 1, "resourceVersion": self._version, "timeoutSeconds": WATCH_SECONDS}
        with contextlib.closing(self._connect()) as connection:
            for line in self._get(connection, **options, allowWatchBookmarks="true"):
                event = json.loads(line)
                entry = event["object"]
                if event["type"] == "ERROR":
                    self._version = ""  # 410: the version is too old. After any error a new list is right.
                    raise LostError(f"http_{entry.get('code')}", f"watch: {entry.get('message')}")
                self._version = entry["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                if event["type"] == "DELETED":
                    self._slices.pop(entry["metadata"]["name"], None)
                else:
                    self._slices[entry["metadata"]["name"]] = entry
                self._changed()

    def _get(self, connection: http.client.HTTPConnection, **options: object) -> http.client.HTTPResponse:
        query = {"labelSelector": f"kubernetes.io/service-name={self._options.target}", **options}
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self._options.namespace}/endpointslices"
        # Read each time: the kubelet renews it.
        token = Path(self._options.token_file).read_text(encoding="utf-8").strip()
        connection.request("GET", f"{path}?{urlencode(query)}", headers={"Authorization": f"Bearer {token}"})
        self._socket = connection.sock
        if self._closed.is_set():
            raise LostError("closed", "stopped")
        response = connection.getresponse()
        if response.status != http.client.OK:
            if response.status == http.client.GONE:
                self._version = ""
            text = response.read().decode(errors="replace")
            raise LostError(f"http_{response.status}", f"GET {path}: {response.status} {text[:300]}")
        return response

    def _connect(self) -> http.client.HTTPConnection:
        url = self._options.api_url
        if not url:
            host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
            if not host:
                raise ValueError("KUBERNETES_SERVICE_HOST is not set: run in a pod, or give api_url")
            url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        split = urlsplit(url)
        assert split.hostname is not None  # noqa: S101 - a URL with a scheme has one
        timeout = WATCH_SECONDS + 30
        if split.scheme == "http":
            return http.client.HTTPConnection(split.hostname, split.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self._options.ca_file)
        return http.client.HTTPSConnection(split.hostname, split.port, timeout=timeout, context=context)
