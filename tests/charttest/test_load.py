"""The load client as a process of its own, against real HTTP servers and the real Kubernetes API."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.charttest.load_servers import ApiServer, EngineServer, Slice, eventually, serving

from charttest.kubectl import Kubectl, KubectlError
from charttest.load import Load, LoadError, LoadPod, Tally
from charttest.load.carried import command
from charttest.load.running import tally_of
from charttest.load.traffic.asking import LostError, check_whole
from charttest.load.traffic.options import ClosedOptions, OpenOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
    """The client as the pod runs it: with the options' JSON, whatever it says, and nothing to import from."""
    _, *boot, _ = command(ClosedOptions(target="h:1", model="m"))
    document = json.dumps({"model": "m", "ramp_seconds": 0, **options})
    pipe = subprocess.PIPE
    alone = (sys.executable, "-I", "-S")
    return subprocess.Popen([*alone, *boot, document], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def load(server: EngineServer, **options: object) -> Load:
    process = begin(target=f"127.0.0.1:{server.server_port}", **options)
    return Load(process, "test", start_seconds=60, end_seconds=60)


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
        return Load(process, "test", start_seconds=60, end_seconds=60)

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
        Load(process, "test", start_seconds=1, end_seconds=60)
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
        Load(begin(**options), "test", start_seconds=60, end_seconds=60)


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
    with follow(delay_seconds=5) as running:
        sent = time.monotonic()
        api.set("b", second.server_port, ready=False)
        api.set("c", third.server_port)
        eventually("the last change", lambda: third.server_port in {port for _, port in asked})
    [(came, seen, _), (came_next, seen_next, _)] = running.tally.changes
    assert seen - came >= 4.99  # both are rounded
    assert seen_next - came_next >= 4.99
    assert came_next - came < 4, "the second change waited for the first"
    assert any(port == second.server_port and at > sent for at, port in asked), (
        "no request to the old endpoint"
    )
    assert min(at for at, port in asked if port == third.server_port) >= sent + 5


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

    def may_watch() -> bool:
        with suppress(KubectlError):  # the API server hears of the role a moment after it took it
            return "yes" in kubectl("auth", "can-i", "watch", "endpointslices", user, *where)
        return False

    eventually("its rights", may_watch)
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
        with Load(begin(**options), "test", start_seconds=60, end_seconds=60) as running:
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
    nowhere = LoadPod(kubectl, restricted, node_selector={"no": "where"}, ready_seconds=15)
    with pytest.raises(LoadError, match=r"load: not ready in 15 s: .*Unschedulable"), nowhere:
        pass
    assert kubectl.get("pods", "--namespace", restricted) == []


@pytest.mark.parametrize(("method", "options"), [("load", ClosedOptions), ("offer", OpenOptions)])
def test_defaults_of_the_client_are_those_of_the_pod(method: str, options: type[Any]) -> None:
    made = options(target="h:1", model="m")
    defaults = dict(getattr(LoadPod, method).__kwdefaults__)
    for own in ("start_seconds", "seed", *({"port"} if options is OpenOptions else ())):
        defaults.pop(own, None)
    assert defaults
    assert defaults == {name: getattr(made, name) for name in defaults}
