"""The load client as a process of its own, against real HTTP servers and the real Kubernetes API."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from charttest.kubectl import Kubectl, KubectlError
from charttest.load import Load, LoadError, LoadPod, Tally
from charttest.load.client import LostError, Options, check_whole
from charttest.load.pod import _SOURCE
from charttest.load.running import tally_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WHOLE = {"choices": [{"message": {"content": "1 2"}, "finish_reason": "length"}]}
ABORTED = {"choices": [{"message": {"content": "1"}, "finish_reason": "abort"}]}
TOKEN = {"choices": [{"delta": {"content": "1"}, "finish_reason": None}]}
Slice = dict[str, Any]


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


def eventually(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class Engine(BaseHTTPRequestHandler):
    """Answers as `behaviour` says; the server counts requests and connections."""

    protocol_version = "HTTP/1.1"
    server: EngineServer

    def setup(self) -> None:
        super().setup()
        self.carried = 0
        with self.server.lock:
            self.server.connections += 1
            self.server.open += 1

    def finish(self) -> None:
        super().finish()
        with self.server.lock:
            self.server.open -= 1

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, asked["model"], asked["ignore_eos"]) == ("/v1/chat/completions", "m", True)
        with self.server.lock:
            self.server.asked.append((time.monotonic(), self.server.server_port))
        getattr(self, self.server.behaviour)(asked["stream"])
        self.carried += 1

    def whole(self, stream: bool) -> None:
        if stream:
            self.chunks(events(TOKEN), events(WHOLE), b"data: [DONE]\n\n")
        else:
            self.answer(200, json.dumps(WHOLE).encode())

    def cut(self, stream: bool) -> None:
        """End half way: a stream between two tokens, a body short of its length."""
        if stream:
            self.chunks(events(TOKEN), end=False)
        else:
            self.answer(200, b'{"choices', promised=1000)
        self.close_connection = True

    def without_done(self, stream: bool) -> None:
        """End properly for HTTP, but too early."""
        if stream:
            self.chunks(events(TOKEN, WHOLE))
        else:
            self.answer(200, b'{"choices": []}')

    def aborted(self, stream: bool) -> None:
        """What vLLM sends when it aborts its requests: all is well but for the reason."""
        if stream:
            self.chunks(events(TOKEN, ABORTED), b"data: [DONE]\n\n")
        else:
            self.answer(200, json.dumps(ABORTED).encode())

    def closed(self, _stream: bool) -> None:
        self.close_connection = True

    def garbage(self, _stream: bool) -> None:
        self.wfile.write(b"no HTTP\r\n\r\n")
        self.close_connection = True

    def error(self, _stream: bool) -> None:
        self.answer(500, b"broken")

    def hang(self, _stream: bool) -> None:
        self.server.released.wait(60)
        self.close_connection = True

    def whole_for_a_key(self, stream: bool) -> None:
        if self.headers["Authorization"] == "Bearer key":
            self.whole(stream)
        else:
            self.answer(401, b"who are you")

    def announced(self, stream: bool) -> None:
        """Answer, and end the connection as HTTP wants it."""
        self.whole(stream) if stream else self.answer(200, json.dumps(WHOLE).encode(), closing=True)

    def closed_idle(self, _stream: bool) -> None:
        """An error, after which the client pauses; the idle connection ends in that time."""
        if self.server.connections > 1:
            return self.answer(200, json.dumps(WHOLE).encode())
        # The answer and the end leave in one segment: the client's pause is surely after both.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.answer(503, b"later")
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True
        return None

    def second_unanswered(self, _stream: bool) -> None:
        """Answer the first request of a connection; end it at the second."""
        if self.carried:
            self.close_connection = True
        else:
            self.answer(200, json.dumps(WHOLE).encode())

    def answer(self, status: int, body: bytes, promised: int = 0, closing: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(promised or len(body)))
        if closing:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def chunks(self, *parts: bytes, end: bool = True) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (*parts, b"") if end else parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class EngineServer(ThreadingHTTPServer):
    """One engine; several may share the list of what was asked."""

    request_queue_size = 64

    def __init__(self, behaviour: str, asked: list[tuple[float, int]] | None = None) -> None:
        self.behaviour = behaviour
        self.asked = [] if asked is None else asked
        self.connections = self.open = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), Engine)

    def handle_error(self, *_: object) -> None:
        """Ignore a client that gave up."""


class Api(BaseHTTPRequestHandler):
    """EndpointSlices of the Service `s`: list and watch, with versions."""

    server: ApiServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: value for key, [value] in parse_qs(url.query).items()}
        assert url.path == "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"
        assert query["labelSelector"] == "kubernetes.io/service-name=s"
        if self.headers["Authorization"] != "Bearer secret":
            self.send_error(403, "forbidden here")
        elif "watch" in query:
            self.watch(int(query["resourceVersion"]))
        else:
            self.list()

    def list(self) -> None:
        with self.server.changed:
            self.server.lists += 1
            slices, version = list(self.server.slices.values()), len(self.server.log)
        self.reply({"items": slices, "metadata": {"resourceVersion": str(version)}})

    def watch(self, version: int) -> None:
        server = self.server
        with server.changed:
            server.watches += 1
            mine = server.generation
            if version < server.oldest:
                gone = {"code": 410, "message": "too old"}
                return self.reply({"type": "ERROR", "object": gone})
        self.reply()
        with server.changed:
            while mine == server.generation:
                for event in server.log[version:]:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
                version = len(server.log)
                server.changed.wait()
        return None

    def reply(self, *documents: object) -> None:
        self.send_response(200)
        self.end_headers()
        for document in documents:
            self.wfile.write(json.dumps(document).encode() + b"\n")

    def log_message(self, *_: object) -> None:
        pass


class ApiServer(ThreadingHTTPServer):
    """Holds the slices, and every change of them."""

    def __init__(self) -> None:
        self.slices: dict[str, Slice] = {}
        self.log: list[dict[str, Any]] = []
        self.lists = self.watches = self.generation = self.oldest = 0
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Api)

    def set(self, name: str, port: int, host: str = "127.0.0.1", **conditions: bool) -> None:
        """Create or change the slice with this one endpoint."""
        endpoint = {"addresses": [host], "conditions": conditions}
        with self.changed:
            metadata = {"name": name, "resourceVersion": str(len(self.log) + 1)}
            ports = [{"name": "metrics", "port": 1}, {"name": "http", "port": port}]
            entry = {"metadata": metadata, "endpoints": [endpoint], "ports": ports}
            self._log("MODIFIED" if name in self.slices else "ADDED", entry)
            self.slices[name] = entry

    def delete(self, name: str) -> None:
        with self.changed:
            entry = self.slices.pop(name)
            entry["metadata"]["resourceVersion"] = str(len(self.log) + 1)
            self._log("DELETED", entry)

    def end_watches(self, *, forget: bool = False) -> None:
        """End every watch; `forget` the changes until now, so that none can be resumed."""
        with self.changed:
            self.generation += 1
            if forget:
                self.oldest = len(self.log) + 1
                self.log.append({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "0"}}})
            self.changed.notify_all()

    def _log(self, kind: str, entry: Slice) -> None:
        self.log.append({"type": kind, "object": entry})
        self.changed.notify_all()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, ApiServer):
            server.end_watches()
        elif isinstance(server, EngineServer):
            server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def engine(stack: ExitStack) -> Callable[..., EngineServer]:
    def make(behaviour: str = "whole", asked: list[tuple[float, int]] | None = None) -> EngineServer:
        server = EngineServer(behaviour, asked)
        stack.enter_context(serving(server))
        return server

    return make


@pytest.fixture
def api(stack: ExitStack) -> ApiServer:
    server = ApiServer()
    stack.enter_context(serving(server))
    return server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(**options: object) -> subprocess.Popen[str]:
    """The client as the pod runs it."""
    document = json.dumps({"model": "m", "ramp_seconds": 0, **options})
    pipe = subprocess.PIPE
    command = [sys.executable, "-u", "-c", _SOURCE, document]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def load(server: EngineServer, **options: object) -> Load:
    process = begin(target=f"127.0.0.1:{server.server_port}", **options)
    return Load(process, "test", start_seconds=20, end_seconds=20)


def tally_after(server: EngineServer, requests: int, **options: object) -> Tally:
    """Of a load that may never have an answer: stopped after that many requests."""
    with begin(target=f"127.0.0.1:{server.server_port}", **options) as process:
        eventually("the requests", lambda: len(server.asked) >= requests)
        out, err = process.communicate("stop\n", timeout=60)
    assert not err
    return tally_of("test", out.splitlines()[-1])


@pytest.fixture
def follow(api: ApiServer, tmp_path: Path) -> Callable[..., Load]:
    """A load by the endpoints that `api` tells."""

    def follow(**options: object) -> Load:
        token = tmp_path / "token"
        token.write_text("secret\n")
        where = {"api_url": f"http://127.0.0.1:{api.server_port}", "token_file": str(token)}
        service = {"target": "s", "namespace": "ns", "port": "http", "via": "endpoints"}
        process = begin(**{"clients": 1, **service, **where, **options})
        return Load(process, "test", start_seconds=20, end_seconds=20)

    return follow


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("whole", "ok"),
        ("cut", "truncated"),
        ("without_done", "truncated"),
        ("aborted", "truncated"),
        ("closed", "reset"),
        ("garbage", "garbled"),
        ("error", "http_500"),
        ("hang", "timeout"),
    ],
)
def test_every_way_to_lose_a_request_has_its_name(
    engine: Callable[..., EngineServer], behaviour: str, outcome: str
) -> None:
    timeout = 0.2 if outcome == "timeout" else 20
    tally = tally_after(engine(behaviour), 6, clients=4, timeout_seconds=timeout)
    assert set(tally.streaming) == set(tally.plain) == {outcome}, tally
    assert tally.total >= 6
    assert (tally.lost == 0) is (outcome == "ok")
    assert bool(tally.failures) is (outcome != "ok")


def test_a_closed_port_and_an_address_without_a_route_are_told_apart(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    server = engine()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        api.set("a", silent.getsockname()[1])
        api.set("b", 9, host="255.255.255.255")
        api.set("c", server.server_port)
        with follow() as running:
            eventually("a third round", lambda: len(server.asked) >= 3)
    assert running.tally.outcomes["refused"] >= 2
    assert running.tally.outcomes["unreachable"] >= 2
    assert running.tally.lost == running.tally.outcomes["refused"] + running.tally.outcomes["unreachable"]


@pytest.mark.parametrize(
    ("stream", "kinds"), [("half", (2, 2)), ("all", (4, 0)), ("none", (0, 4))], ids=["half", "all", "none"]
)
def test_a_load_begins_when_every_client_had_an_answer_and_says_how_many_streamed(
    engine: Callable[..., EngineServer], stream: str, kinds: tuple[int, int]
) -> None:
    server = engine()
    with load(server, clients=4, stream=stream) as running:
        assert len(server.asked) >= 4
    tally = running.tally
    assert (tally.streaming.get("ok", 0) >= kinds[0], tally.plain.get("ok", 0) >= kinds[1]) == (True, True)
    assert [bool(tally.streaming), bool(tally.plain)] == [number > 0 for number in kinds]
    assert tally.ok == tally.total == len(server.asked)
    assert tally.latency["p50"] is not None
    assert tally.latency["max"] is not None
    assert 0 < tally.latency["p50"] <= tally.latency["max"] <= tally.seconds


def test_a_load_without_an_answer_does_not_begin_and_says_what_came_instead(
    engine: Callable[..., EngineServer],
) -> None:
    server = engine("error")
    process = begin(target=f"127.0.0.1:{server.server_port}", clients=2)
    eventually("a request", lambda: server.asked)
    message = (
        r"(?s)every client had an answer in 1 s: test: lost (\d+) of \1 .*http_500: 127.0.0.1:\d+: broken"
    )
    with pytest.raises(LoadError, match=message):
        Load(process, "test", start_seconds=1, end_seconds=20)
    assert process.poll() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "h:1", "via": "mesh"}, "via=mesh: must be one of service, endpoints"),
        ({"target": "h"}, "target=h: must be HOST:PORT"),
        ({"target": "h:1", "delay_seconds": 1}, "delay_seconds: only via=endpoints"),
        ({"target": "h:1", "tempo": 1}, "tempo"),
        ({"target": "s", "via": "endpoints"}, "KUBERNETES_SERVICE_HOST is not set"),
    ],
    ids=["via", "target", "delay", "unknown", "api"],
)
def test_options_that_cannot_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], said: str
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(LoadError, match=said):
        Load(begin(**options), "test", start_seconds=20, end_seconds=20)


def test_the_client_ends_with_a_report_when_the_local_side_dies(engine: Callable[..., EngineServer]) -> None:
    server = engine()
    process = begin(target=f"127.0.0.1:{server.server_port}", clients=2)
    out, _ = process.communicate("", timeout=60)  # its stdin closes, as it does when the other end is killed
    assert process.returncode == 0
    assert "outcomes" in json.loads(out.splitlines()[-1])


def test_the_authorization_is_sent(engine: Callable[..., EngineServer]) -> None:
    server = engine("whole_for_a_key")
    with load(server, clients=2, authorization="Bearer key") as running:
        pass
    assert running.tally.lost == 0
    assert set(tally_after(server, len(server.asked) + 2, clients=2).outcomes) == {"http_401"}


def test_a_connection_is_new_for_each_request_or_kept(engine: Callable[..., EngineServer]) -> None:
    each, kept = engine(), engine()
    with load(each, clients=2), load(kept, clients=2, keep_alive=True):
        eventually("requests", lambda: len(each.asked) >= 6 and len(kept.asked) >= 6)
    assert each.connections == len(each.asked)
    assert kept.connections == 2


def test_a_connection_that_the_server_announced_to_end_is_opened_anew_without_a_loss(
    engine: Callable[..., EngineServer],
) -> None:
    server = engine("announced")
    with load(server, clients=1, stream="none", keep_alive=True) as running:
        eventually("requests", lambda: len(server.asked) >= 4)
    assert running.tally.lost == 0
    assert running.tally.reconnects == server.connections - 1 >= 3


def test_a_connection_that_ended_while_idle_is_opened_anew_without_a_loss(
    engine: Callable[..., EngineServer],
) -> None:
    with load(engine("closed_idle"), clients=1, stream="none", keep_alive=True) as running:
        pass
    assert (running.tally.reconnects, running.tally.lost) == (1, 1)
    assert running.tally.outcomes["http_503"] == 1


def test_a_kept_connection_that_ends_under_a_request_is_a_loss_counted_apart(
    engine: Callable[..., EngineServer],
) -> None:
    server = engine("second_unanswered")
    with load(server, clients=1, stream="none", keep_alive=True) as running:
        eventually("requests", lambda: len(server.asked) >= 5)
    tally = running.tally
    assert tally.lost == tally.lost_idle >= 2
    assert tally.ok - 1 <= tally.lost_idle
    assert tally.reconnects == 0


def test_ready_endpoints_are_asked_in_turn_and_no_other_port(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    asked: list[tuple[float, int]] = []
    servers = [engine(asked=asked), engine(asked=asked), engine(asked=asked)]
    api.set("a", servers[0].server_port, ready=True)
    api.set("b", servers[1].server_port)  # no word of readiness means ready
    api.set("c", servers[2].server_port, ready=False)
    with follow() as running:
        eventually("requests", lambda: len(asked) >= 9)
    counts = Counter(port for _, port in asked)
    assert set(counts) == {server.server_port for server in servers[:2]}
    assert abs(counts[servers[0].server_port] - counts[servers[1].server_port]) <= 1
    assert running.tally.lost == 0, running.tally


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("change", ["terminating", "not ready", "deleted"])
def test_an_endpoint_that_goes_gets_no_more_requests(
    engine: Callable[..., EngineServer],
    api: ApiServer,
    follow: Callable[..., Load],
    change: str,
    keep_alive: bool,
) -> None:
    asked: list[tuple[float, int]] = []
    stays, goes = engine(asked=asked), engine(asked=asked)
    api.set("a", stays.server_port)
    api.set("b", goes.server_port)
    with follow(clients=2, keep_alive=keep_alive) as running:
        if change == "deleted":
            api.delete("b")
        else:
            # A Service with publishNotReadyAddresses calls its terminating endpoints ready.
            api.set("b", goes.server_port, ready=change == "terminating", terminating=change == "terminating")
        only = {stays.server_port}
        eventually("the change", lambda: {port for _, port in asked[-8:]} == only and not goes.open)
    [(_, _, ready)] = running.tally.changes
    assert ready == [f"127.0.0.1:{stays.server_port}"]
    assert running.tally.lost == 0, running.tally


def test_changes_are_seen_late_and_a_late_one_holds_up_no_other(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    asked: list[tuple[float, int]] = []
    first, second, third = engine(asked=asked), engine(asked=asked), engine(asked=asked)
    api.set("a", first.server_port)
    api.set("b", second.server_port)
    with follow(delay_seconds=2) as running:
        sent = time.monotonic()
        api.set("b", second.server_port, ready=False)
        api.set("c", third.server_port)
        eventually("the last change", lambda: third.server_port in {port for _, port in asked})
    [(came, seen, _), (came_next, seen_next, _)] = running.tally.changes
    assert seen - came >= 1.99  # both are rounded
    assert seen_next - came_next >= 1.99
    assert came_next - came < 1, "the second change waited for the first"
    assert any(port == second.server_port and at > sent for at, port in asked), (
        "no request to the old endpoint"
    )
    assert min(at for at, port in asked if port == third.server_port) >= sent + 2


def test_a_watch_that_ended_goes_on_from_its_version(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    first, second = engine(), engine()
    api.set("a", first.server_port)
    with follow() as running:
        eventually("the watch", lambda: api.watches == 1)
        api.end_watches()
        api.set("a", second.server_port)
        eventually("the change", lambda: second.asked)
    assert (api.lists, running.tally.watch_errors) == (1, [])
    assert api.watches >= 2


def test_a_watch_whose_version_is_forgotten_begins_with_a_new_list(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    first, second = engine(), engine()
    api.set("a", first.server_port)
    with follow() as running:
        eventually("the watch", lambda: api.watches == 1)
        with api.changed:
            api.end_watches(forget=True)
            api.set("b", second.server_port)
            api.delete("a")
        eventually("the change", lambda: second.asked)
    assert api.lists == 2
    [error] = running.tally.watch_errors
    assert "too old" in error
    assert running.tally.changes[-1][2] == [f"127.0.0.1:{second.server_port}"]


def test_a_service_without_a_ready_endpoint_loses_requests(
    engine: Callable[..., EngineServer], api: ApiServer, follow: Callable[..., Load]
) -> None:
    server = engine()
    api.set("a", server.server_port)
    with follow() as running:
        api.delete("a")
        eventually("silence", lambda: server.asked[-1][0] < time.monotonic() - 1)
    assert running.tally.outcomes["no_endpoint"] == running.tally.lost > 0


def test_an_api_that_refuses_is_named(api: ApiServer, follow: Callable[..., Load], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("other")
    with pytest.raises(LoadError, match=r"(?s)endpointslices: 403 .*forbidden here"):
        follow(token_file=str(wrong))
    assert api.lists == 0


@pytest.mark.parametrize("text", [b"[]", b'"a"', b'{"choices": 3}', b'{"choices": [3]}', b"", b"<html>"])
def test_an_answer_of_another_shape_is_not_whole(text: bytes) -> None:
    with pytest.raises(LostError):
        check_whole(text, streaming=False)
    with pytest.raises(LostError):
        check_whole(b"data: " + text + b"\n\ndata: [DONE]\n\n", streaming=True)


def test_a_tally_tells_its_losses() -> None:
    failure = {
        "at": 1.5,
        "after": 0.25,
        "streaming": True,
        "outcome": "reset",
        "text": "10.0.0.1:8000: closed",
    }
    outcomes = {"ok": 8, "reset": 2}
    latency: dict[str, float | None] = {"p50": 1.0, "p99": 2.0, "max": 2.0}
    tally = Tally("m via service", 10.0, outcomes, outcomes, {}, latency, 0, [failure])
    assert (tally.total, tally.ok, tally.lost, tally.truncated) == (10, 8, 2, 0)
    first, second = str(tally).splitlines()
    assert first.startswith(
        "m via service: lost 2 of 10 in 10.0 s (2 reset); latency p50/p99/max 1.0/2.0/2.0 s"
    )
    assert second == "  at 1.50 s, after 0.250 s, streaming, reset: 10.0.0.1:8000: closed"


@pytest.fixture
def restricted(kubectl: Kubectl) -> Iterator[str]:
    name = f"load-{uuid.uuid4().hex[:6]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def test_the_pods_account_may_follow_endpoints_of_the_real_api_and_nothing_else(
    kubectl: Kubectl, restricted: str, tmp_path: Path
) -> None:
    where = ("--namespace", restricted)
    *account, pod = LoadPod(kubectl, restricted).objects
    kubectl.apply(*account, namespace=restricted)
    kubectl("apply", "--dry-run=server", "--filename", "-", *where, stdin=json.dumps(pod))
    user = f"--as=system:serviceaccount:{restricted}:load"
    assert "yes" in kubectl("auth", "can-i", "watch", "endpointslices", user, *where)
    with pytest.raises(KubectlError, match="auth can-i get secrets"):
        kubectl("auth", "can-i", "get", "secrets", user, *where)

    cluster = kubectl("config", "view", "--flatten", "--minify", "--output", "json")
    entry = json.loads(cluster)["clusters"][0]["cluster"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(entry["certificate-authority-data"]))
    (tmp_path / "token").write_text(kubectl("create", "token", "load", *where))
    options = {
        "target": "s",
        "namespace": restricted,
        "via": "endpoints",
        "clients": 0,
        "api_url": entry["server"],
        "ca_file": str(tmp_path / "ca.crt"),
        "token_file": str(tmp_path / "token"),
    }

    def addresses(wait_seconds: float) -> list[list[str]]:
        with Load(begin(**options), "test", start_seconds=20, end_seconds=20) as running:
            for ready in (True, False):
                kubectl.apply(endpoint_slice(ready), namespace=restricted)
            time.sleep(wait_seconds)
        kubectl("delete", "endpointslice", "s-1", *where)
        assert running.tally.watch_errors == []
        return [ready for _, _, ready in running.tally.changes]

    assert any(addresses(wait) == [["192.0.2.1:8000"], []] for wait in (0.2, 1, 5))


def endpoint_slice(ready: bool) -> Slice:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "http", "port": 8000}],
    }


def test_the_pod_exists_inside_its_with_statement_only(local_cluster: Any, restricted: str) -> None:
    kubectl = Kubectl(local_cluster.kubeconfig)
    mine = ("pod,role,rolebinding,serviceaccount", "--selector=app=load", "--namespace", restricted)
    with LoadPod(kubectl, restricted) as pod:
        assert sorted(entry["kind"] for entry in kubectl.get(*mine)) == [
            "Pod",
            "Role",
            "RoleBinding",
            "ServiceAccount",
        ]
        ports = [{"name": "http", "port": 80}]
        for name, address in (("headless", {"clusterIP": "None"}), ("plain", {})):
            spec = {"ports": ports, **address}
            service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
            kubectl.apply(service, namespace=restricted)
        with pytest.raises(LoadError, match="headless: it is headless"):
            pod.load("headless", model="m")
        with pytest.raises(LoadError, match="port=grpc: service plain has no such port; name one of http"):
            pod.load("plain", model="m", port="grpc")
        # A simulated node has no kubelet to ask; the API server took the client's source before.
        with pytest.raises(LoadError, match="load on plain via service: error: ") as told:
            pod.load("plain", model="m")
        assert len(str(told.value)) < 1000
    assert kubectl.get(*mine) == []


def test_a_pod_that_cannot_run_is_reported_with_its_state_and_removed(
    local_cluster: Any, restricted: str
) -> None:
    kubectl = Kubectl(local_cluster.kubeconfig)
    nowhere = LoadPod(kubectl, restricted, node_selector={"no": "where"}, ready_seconds=2)
    with pytest.raises(LoadError, match=r"load: not ready in 2 s: .*Unschedulable"), nowhere:
        pass
    assert kubectl.get("pods", "--namespace", restricted) == []


def test_defaults_of_the_client_are_those_of_the_pod() -> None:
    options = Options(target="h:1", model="m")
    defaults = LoadPod.load.__kwdefaults__ or {}
    assert defaults
    assert {name: defaults[name] for name in defaults if name != "start_seconds"} == {
        name: getattr(options, name) for name in defaults if name != "start_seconds"
    }
