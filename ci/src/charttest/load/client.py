"""The traffic of a disruption test: clients in a closed loop that count every request not answered whole.

One file of the standard library alone: a pod runs it as `python3 -u -c SOURCE OPTIONS`, OPTIONS being the
fields of `Options` as JSON. It prints {"started": true} when every client has had an answer, ends when its
stdin closes or says "stop", lets running requests finish, and prints one JSON document: `Records.report`.

Outcomes of a request, all but the first of them lost:
  ok            whole: status 200 and finish_reason "length", a stream also with its [DONE]
  refused       nobody listens
  unreachable   no route to the address, or its name is unknown
  reset         the connection ended before anything of the answer came
  lost_idle     the same on a connection that had carried a request before. The server may have closed it
                because it was idle, just as the request was written: many libraries try once more, and some
                never do so for a POST. A server that dies while it computes looks the same from here.
  truncated     the answer began and did not become whole
  timeout       no byte for `timeout_seconds`
  http_<status> any other status
  garbled       not HTTP
  no_endpoint   the Service had no ready endpoint, where a gateway would answer 503
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import math
import os
import queue
import select
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

Address = tuple[str, int]
Gone = Callable[[Address], bool]

PAUSE_SECONDS = 0.1  # of a client whose request was lost
MOST_FAILURES = 20  # told with their text
CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_SECONDS = 240  # the server ends the watch; a connection that died unnoticed is given up a little later


@dataclass(frozen=True)
class Options:
    """What to send, where to. ValueError for a choice that does not exist."""

    target: str  # "service": HOST:PORT; "endpoints": the name of the Service
    model: str
    via: str = "service"  # or "endpoints": follow the Service's EndpointSlices, as a gateway or mesh does
    namespace: str = ""  # "endpoints": of the Service
    port: str = ""  # "endpoints": the name of the Service's port, when it has several
    delay_seconds: float = 0.0  # "endpoints": by how much each change of them is seen late
    clients: int = 20  # 0: none, only follow the endpoints
    stream: str = "half"  # "all", "none"
    keep_alive: bool = False  # one connection per client as long as it works, else a new one per request
    pause_seconds: float = 0.0  # between two requests of a client
    max_tokens: int = 40
    timeout_seconds: float = 30.0  # without a byte
    ramp_seconds: float = 2.0  # the clients begin spread over it, so that they are not in step
    authorization: str = ""  # the header's value; else LOAD_AUTHORIZATION of the environment
    api_url: str = ""  # of the API server; else the pod's own
    token_file: str = str(CREDENTIALS / "token")
    ca_file: str = str(CREDENTIALS / "ca.crt")

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        for name, choices in (("via", ("service", "endpoints")), ("stream", ("half", "all", "none"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)}: must be one of {', '.join(choices)}")
        if self.via == "service" and not self.target.rpartition(":")[2].isdecimal():
            raise ValueError(f"target={self.target}: must be HOST:PORT for via=service")
        if self.via == "service" and self.delay_seconds:
            raise ValueError("delay_seconds: only via=endpoints sees changes; leave it out for via=service")

    def streams(self, client: int) -> bool:
        """Whether this client streams."""
        return self.stream == "all" or (self.stream == "half" and client % 2 == 0)


class LostError(Exception):
    """A request was not answered whole; `kind` is its outcome."""

    def __init__(self, kind: str, text: str) -> None:
        """Keep the kind apart from the text."""
        super().__init__(text)
        self.kind = kind


class Records:
    """Every request's outcome. Safe to use from all clients."""

    def __init__(self, options: Options, started: Callable[[], object]) -> None:
        """`started` is called once, when every client has had an answer."""
        self.begin = time.monotonic()
        self.reconnects = 0
        self._started = started
        self._lock = threading.Lock()
        self._waiting = set(range(options.clients))
        self._counts: Counter[tuple[bool, str]] = Counter()
        self._latencies: list[float] = []
        self._failures: list[dict[str, object]] = []

    def ok(self, client: int, streaming: bool, seconds: float) -> None:
        """Count a request that was answered whole."""
        with self._lock:
            self._counts[streaming, "ok"] += 1
            self._latencies.append(seconds)
            if self._waiting == {client}:
                self._started()
            self._waiting.discard(client)

    def lost(self, streaming: bool, seconds: float, where: str, error: LostError) -> None:
        """Count a request that was lost."""
        with self._lock:
            self._counts[streaming, error.kind] += 1
            if len(self._failures) < MOST_FAILURES:
                self._failures.append(
                    {
                        "at": self.offset(),
                        "after": round(seconds, 3),
                        "streaming": streaming,
                        "outcome": error.kind,
                        "text": f"{where}: {error}",
                    }
                )

    def reopened(self) -> None:
        """Count a connection that the server had ended between two requests, noticed before the second."""
        with self._lock:
            self.reconnects += 1

    def offset(self) -> float:
        """Seconds since the beginning."""
        return round(time.monotonic() - self.begin, 3)

    def report(self) -> dict[str, object]:
        """All counts; latencies in seconds, of requests that were answered whole."""
        outcomes: Counter[str] = Counter()
        kinds: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for (streaming, outcome), number in sorted(self._counts.items()):
            outcomes[outcome] += number
            kinds[streaming][outcome] = number
        ordered = sorted(self._latencies)
        ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {
            "seconds": self.offset(),
            "total": outcomes.total(),
            "outcomes": outcomes,
            "streaming": kinds[True],
            "plain": kinds[False],
            "latency": {
                name: round(ordered[math.ceil(len(ordered) * rank) - 1], 3) if ordered else None
                for name, rank in ranks.items()
            },
            "reconnects": self.reconnects,
            "failures": self._failures,
        }


class Endpoints:
    """The ready endpoints of a Service, by a watch of its EndpointSlices, each change seen late."""

    def __init__(self, options: Options, begin: float) -> None:
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


class Client:
    """One client: a request, its outcome, the next request."""

    def __init__(
        self, number: int, options: Options, pick: Callable[[], Address], records: Records, gone: Gone
    ) -> None:
        """`pick` names the address of the next connection; `gone` says that an address must be left."""
        self._number = number
        self._options = options
        self._pick = pick
        self._gone = gone
        self._records = records
        self._streaming = options.streams(number)
        self._connection: http.client.HTTPConnection | None = None
        self._address: Address | None = None
        self._carried = 0  # requests on this connection before
        self._body = json.dumps(
            {
                "model": options.model,
                "messages": [{"role": "user", "content": "Count to one hundred."}],
                "max_tokens": options.max_tokens,
                "ignore_eos": True,
                "stream": self._streaming,
            }
        )
        self._headers = {"Content-Type": "application/json"}
        if authorization := options.authorization or os.environ.get("LOAD_AUTHORIZATION", ""):
            self._headers["Authorization"] = authorization

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop`; a request that runs then is finished."""
        stop.wait(self._number * self._options.ramp_seconds / self._options.clients)
        while not stop.is_set():
            begin = time.monotonic()
            self._address = self._address if self._connection else None
            try:
                self._ask()
            except LostError as error:
                where = "{}:{}".format(*self._address) if self._address else self._options.target
                self._records.lost(self._streaming, time.monotonic() - begin, where, error)
                stop.wait(PAUSE_SECONDS)
            else:
                self._records.ok(self._number, self._streaming, time.monotonic() - begin)
            if not self._options.keep_alive:
                self._close()
            stop.wait(self._options.pause_seconds)
        self._close()

    def _ask(self) -> None:
        connection = self._open()
        answer: http.client.HTTPResponse | None = None
        try:
            connection.request("POST", "/v1/chat/completions", self._body, self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._close()
            kind = _outcome(error, begun=answer is not None, reused=self._carried > 0)
            raise LostError(kind, f"{type(error).__name__}: {error}") from error
        self._carried += 1
        if answer.status != http.client.OK:
            raise LostError(f"http_{answer.status}", text[:200].decode(errors="replace"))
        check_whole(text, self._streaming)

    def _open(self) -> http.client.HTTPConnection:
        """The connection for the next request: the one that works, else a new one."""
        if self._connection is not None and self._address is not None:
            if self._gone(self._address):
                self._close()
            elif _ended(self._connection.sock):
                self._records.reopened()
                self._close()
        if self._connection is None:
            self._address = self._pick()
            timeout = self._options.timeout_seconds
            self._connection = http.client.HTTPConnection(*self._address, timeout=timeout)
            self._carried = 0
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _ended(connected: socket.socket | None) -> bool:
    """Whether the server has ended an idle connection: told us in its last answer, or closed it since."""
    return connected is None or bool(select.select([connected], [], [], 0)[0])


def _outcome(error: OSError | http.client.HTTPException, *, begun: bool, reused: bool) -> str:
    """The outcome's name; `begun` says that the answer's head has come."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if begun:
        return "truncated"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):
        return "lost_idle" if reused else "reset"
    return "garbled" if isinstance(error, http.client.HTTPException) else "unreachable"


def check_whole(text: bytes, streaming: bool) -> None:
    """LostError unless the answer is whole, up to its last token."""
    if streaming:
        lines = [line[6:] for line in text.splitlines() if line.startswith(b"data: ")]
        if not lines or lines[-1] != b"[DONE]":
            raise LostError("truncated", f"the stream ends without [DONE]: {text[-200:]!r}")
        lines.pop()
    else:
        lines = [text]
    try:
        choices = [choice for line in lines for choice in json.loads(line).get("choices") or []]
        reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    except (ValueError, AttributeError, TypeError) as error:
        raise LostError("truncated", f"no JSON: {error}: {text[-200:]!r}") from error
    if reasons != ["length"]:
        raise LostError("truncated", f"finish_reason is {reasons}, not length: {text[-200:]!r}")


def run(options: Options) -> None:
    """Send until stdin ends, then print the report."""
    stop = threading.Event()
    records = Records(options, started=lambda: _say({"started": True}))
    endpoints = Endpoints(options, records.begin) if options.via == "endpoints" else None
    if endpoints is None:
        host, _, port = options.target.rpartition(":")
        address = (host.strip("[]"), int(port))
        clients = [
            Client(number, options, lambda: address, records, lambda _: False)
            for number in range(options.clients)
        ]
    else:
        followed = endpoints
        # As a gateway does: a connection to an endpoint that is no longer ready takes no more requests.
        clients = [
            Client(number, options, followed.pick, records, lambda used: used not in followed.ready)
            for number in range(options.clients)
        ]
    threads = [threading.Thread(target=client.run, args=(stop,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    if not threads:
        _say({"started": True})
    while sys.stdin.readline() not in ("", "stop\n"):
        pass
    stop.set()
    for thread in threads:
        thread.join()
    report = records.report()
    if endpoints is not None:
        endpoints.close()
        report |= {"changes": endpoints.changes, "watch_errors": endpoints.errors}
    _say(report)


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _die(broken: threading.ExceptHookArgs) -> None:
    """A client that is broken ends all: without it, fewer requests would look like fewer losses."""
    sys.excepthook(broken.exc_type, broken.exc_value or broken.exc_type(), broken.exc_traceback)
    os._exit(1)


def main() -> None:
    """Run with the options of the command line; ends with the reason when they, or the API, refuse."""
    threading.excepthook = _die
    try:
        run(Options(**json.loads(sys.argv[1])))
    except (TypeError, ValueError, OSError, http.client.HTTPException, LostError) as error:
        sys.exit(f"load: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
