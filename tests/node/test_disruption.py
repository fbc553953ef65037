"""No request is lost in a rollout, a drain, a scale-down or an eviction; without preStop and drain many are.

Each disruption happens once, under four groups of streaming clients at the same time: through the ClusterIP,
and by endpoints that they see change at once, 1 s and 5 s late, as gateways and meshes do. `make soak` repeats.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import engine, eventually, pods, rolled_out

from charttest.load import LoadPod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from charttest.load import Tally
    from charttest.release import Release, Releases

MODEL = {"source": {"uri": "hf://Qwen/Qwen3-8B"}, "accelerator": {"product": "NVIDIA-L40S"}}
# 20 tokens, one every 100 ms: a request takes 2.2 s.
ENGINE = {"TEST_ENGINE_TIME_TO_FIRST_TOKEN": "200ms", "TEST_ENGINE_INTER_TOKEN_LATENCY": "100ms"}
# preStop covers the slowest of the clients' delays and the requests that they begin in it.
GRACEFUL = {"preStopSeconds": 7, "drainSeconds": 20}
ABRUPT = {"preStopSeconds": 0, "drainSeconds": 0}
WAYS: tuple[dict[str, Any], ...] = (
    {"via": "service"},
    {"via": "endpoints"},
    {"via": "endpoints", "delay_seconds": 1},
    {"via": "endpoints", "delay_seconds": 5},
)
CLIENTS = 20
TRAFFIC = "traffic"  # the property whose values are printed after the run
SEEN_BY_ALL_SECONDS = 6
AT_ONCE = 2
ROUNDS = int(os.environ.get("SOAK", "1"))


def values(replicas: int, shutdown: Mapping[str, int]) -> dict[str, Any]:
    model = {**MODEL, "replicas": replicas, "shutdown": dict(shutdown), "env": ENGINE}
    return {"models": {"m": model}}


# The disruptions


def roll(release: Release, before: dict[str, Any]) -> None:
    before["models"]["m"]["podAnnotations"] = {"example.com/change": str(len(release.history()))}
    release.upgrade(before)
    rolled_out(release)


def scale_down(release: Release, before: dict[str, Any]) -> None:
    before["models"]["m"]["replicas"] -= 1
    release.upgrade(before)
    eventually("the pod to go", lambda: len(pods(release)) == before["models"]["m"]["replicas"])


def evict(release: Release, _: dict[str, Any]) -> None:
    name = pods(release)[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
    release.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(eviction))
    release.wait("wait", "--for=delete", f"pod/{name}")
    rolled_out(release)


def drain(release: Release, _: dict[str, Any]) -> None:
    """Of a node that has a pod of the release; what was on it comes up elsewhere."""
    node = pods(release)[0]["spec"]["nodeName"]
    which = f"--pod-selector=app.kubernetes.io/instance={release.name}"
    try:
        release.kubectl(
            "drain", node, which, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"
        )
        rolled_out(release)
        assert node not in {pod["spec"]["nodeName"] for pod in pods(release)}
    finally:
        release.kubectl("uncordon", node)


# What they lose


@dataclass(frozen=True)
class Cell:
    """One disruption of a release with this many replicas, stopped like this."""

    disrupt: Callable[[Release, dict[str, Any]], None]
    replicas: int = 2
    shutdown: Mapping[str, int] = field(default_factory=lambda: GRACEFUL)
    ways: tuple[dict[str, Any], ...] = WAYS
    patience: Mapping[str, Any] = field(default_factory=dict)


KEPT = {"via": "service", "keep_alive": True}
LOSSLESS = {
    # A connection that pauses for longer than vLLM's keep-alive of 5 s is closed before its pod ends.
    "rolling update": Cell(roll, ways=(*WAYS, {**KEPT, "pause_seconds": 6})),
    "node drain": Cell(drain),
    "scale-down": Cell(scale_down, replicas=3),
    "eviction": Cell(evict),
}
LOSING = {
    "without preStop and drain": Cell(roll, shutdown=ABRUPT, patience={"timeout_seconds": 8}),
    "kept connections": Cell(roll, ways=(KEPT,)),
}
CELLS = [
    *((name, turn, cell) for turn in range(ROUNDS) for name, cell in LOSSLESS.items()),
    *((name, 0, cell) for name, cell in LOSING.items()),
]


@pytest.fixture(scope="module")
def tallies(releases: Releases) -> Iterator[dict[tuple[str, int], Future[list[Tally]]]]:
    """What each group of clients counted, by cell and turn; a few cells run at the same time."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield {
            (name, turn): pool.submit(measure, releases(timeout_seconds=300), cell)
            for name, turn, cell in CELLS
        }
        pool.shutdown(cancel_futures=True)


def measure(release: Release, cell: Cell) -> list[Tally]:
    given = values(cell.replicas, cell.shutdown)
    release.install(given)
    service = f"{release.name}-m"
    options: dict[str, Any] = {"model": "m", "stream": "all", "clients": CLIENTS, "max_tokens": 20}
    with LoadPod(release.kubectl, release.namespace) as pod, ExitStack() as stack:
        with ThreadPoolExecutor() as starting:
            begun = [
                starting.submit(pod.load, service, **options, **cell.patience, **way) for way in cell.ways
            ]
        loads = [stack.enter_context(each.result()) for each in begun]
        cell.disrupt(release, given)
        time.sleep(SEEN_BY_ALL_SECONDS)
        found = [load.stop() for load in loads]
    # What was lost because an engine had to be started again is no loss of the disruption.
    assert {engine(each).get("restartCount") for each in pods(release)} == {0}, pods(release)
    release.uninstall()
    return found


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("disruption", LOSSLESS)
def test_no_request_is_lost_in_a(
    tallies: dict[tuple[str, int], Future[list[Tally]]],
    disruption: str,
    turn: int,
    record_property: Callable[[str, object], None],
) -> None:
    for tally in tallies[disruption, turn].result():
        record_property(TRAFFIC, f"{disruption}: {tally.what}: lost {tally.lost} of {tally.total}")
        assert tally.total >= CLIENTS
        assert tally.lost == 0, tally


def test_requests_of_every_group_are_lost_without_prestop_and_drain(
    tallies: dict[tuple[str, int], Future[list[Tally]]], record_property: Callable[[str, object], None]
) -> None:
    for tally in tallies["without preStop and drain", 0].result():
        record_property(
            TRAFFIC, f"without preStop and drain: {tally.what}: lost {tally.lost} of {tally.total}"
        )
        assert tally.lost >= CLIENTS / 2, tally


def test_connections_that_never_pause_are_the_only_ones_to_lose_requests_in_a_rolling_update(
    tallies: dict[tuple[str, int], Future[list[Tally]]], record_property: Callable[[str, object], None]
) -> None:
    (tally,) = tallies["kept connections", 0].result()
    record_property(TRAFFIC, f"rolling update: {tally.what}: lost {tally.lost} of {tally.total}")
    # Each connection meets at most two pods that end, and loses what it asks of them while they drain.
    assert tally.lost > 0, tally
    assert set(tally.outcomes) <= {"ok", "http_500", "lost_idle", "reset"}, tally
