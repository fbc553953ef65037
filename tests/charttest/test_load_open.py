"""The open loop as a process of its own, against real HTTP servers; what it tells, second by second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.charttest.load_servers import EngineServer, eventually, serving

from charttest.load import LoadError, OpenLoad
from charttest.load.carried import command
from charttest.load.timeline import timeline
from charttest.load.traffic.options import OpenOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def begin(**options: object) -> subprocess.Popen[str]:
    """The process as the pod runs it, with nothing to import from."""
    _, *boot, _ = command(OpenOptions(target="h:1", model="m"))
    document, pipe = json.dumps({"model": "m", **options}), subprocess.PIPE
    alone = (sys.executable, "-I", "-S")
    return subprocess.Popen([*alone, *boot, document], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def offer(server: EngineServer, arrivals: list[float], **options: object) -> OpenLoad:
    where = {"target": f"127.0.0.1:{server.server_port}", "timeout_seconds": 300}
    process = begin(**{**where, **options})
    return OpenLoad(process, "test", arrivals, start_seconds=60, end_seconds=60)


@pytest.fixture
def engine() -> Iterator[Callable[[str], EngineServer]]:
    made = []

    def make(behaviour: str) -> EngineServer:
        server = EngineServer(behaviour)
        running = serving(server)
        running.__enter__()
        made.append(running)
        return server

    yield make
    for running in made:
        running.__exit__(None, None, None)


def test_every_arrival_is_a_request_on_a_connection_of_its_own_and_not_before_its_time(
    engine: Callable[[str], EngineServer],
) -> None:
    server = engine("whole")
    arrivals = [0.0, 0.05, 0.05, 0.4, 1.2]
    before = time.monotonic()
    with offer(server, arrivals) as load:
        pass
    told = load.timeline
    assert (told.total, told.lost, told.outcomes) == (5, 0, {"ok": 5}), told
    assert (len(server.asked), server.connections) == (5, 5)
    assert told.offered[:2] == [4, 1]
    assert sum(told.started) == sum(told.completed) == 5
    assert server.asked[-1][0] - before >= 1.2
    assert told.late_seconds >= 0


def test_requests_go_on_while_nobody_answers(engine: Callable[[str], EngineServer]) -> None:
    server = engine("hang")
    with offer(server, [0.01 * number for number in range(30)]) as load:
        eventually("all of them", lambda: len(server.asked) == 30, seconds=120)
        server.released.set()
    assert max(load.timeline.in_flight) <= 30
    assert load.timeline.outcomes == {"reset": 30}, load.timeline
    assert load.timeline.in_flight[-1] == 0


def test_what_is_in_flight_is_limited_and_the_rest_counts_as_lost(
    engine: Callable[[str], EngineServer],
) -> None:
    server = engine("hang")
    with offer(server, [0.0] * 5, most_in_flight=2) as load:
        eventually("two of them", lambda: len(server.asked) == 2, seconds=120)
        server.released.set()
        told = load.wait()
    assert told.outcomes == {"reset": 2, "unsent": 3}, told
    assert (told.total, sum(told.started), told.lost) == (5, 2, 5)
    assert "2 requests are on their way" in str(told)


def test_a_load_that_is_stopped_offers_no_more(engine: Callable[[str], EngineServer]) -> None:
    server = engine("whole")
    with offer(server, [0.0, 0.1, 1000.0]) as load:
        eventually("the first two", lambda: len(server.asked) == 2, seconds=120)
        told = load.stop()
    assert (told.total, told.lost) == (2, 0)


def test_every_way_to_lose_a_request_has_its_name(engine: Callable[[str], EngineServer]) -> None:
    with offer(engine("error"), [0.0, 0.0], stream="all") as load:
        pass
    assert load.timeline.outcomes == {"http_500": 2}
    [first, _] = load.timeline.failures
    assert (first["streaming"], first["outcome"]) == (True, "http_500")
    assert "http_500: 127.0.0.1:" in str(load.timeline)


def test_half_of_the_requests_stream(engine: Callable[[str], EngineServer]) -> None:
    with offer(engine("error"), [0.0] * 6) as load:
        pass
    assert sorted(entry["streaming"] for entry in load.timeline.failures) == [False] * 3 + [True] * 3


def test_a_load_of_nothing_ends(engine: Callable[[str], EngineServer]) -> None:
    with offer(engine("whole"), []) as load:
        pass
    assert (load.timeline.seconds, load.timeline.total) == (0, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "h:1", "stream": "some"}, "stream=some: must be one of half, all, none"),
        ({"target": "h"}, "target=h: must be HOST:PORT"),
        ({"target": "h:1", "tempo": 1}, "tempo"),
    ],
    ids=["stream", "target", "unknown"],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(LoadError, match=said):
        OpenLoad(begin(**options), "test", [0.0], start_seconds=60, end_seconds=60)


def test_a_process_that_dies_is_an_error_and_no_empty_report(engine: Callable[[str], EngineServer]) -> None:
    process = begin(target=f"127.0.0.1:{engine('whole').server_port}")
    load = OpenLoad(process, "test", [1000.0], start_seconds=60, end_seconds=60)
    with pytest.raises(LoadError, match="still running"):
        _ = load.timeline
    process.kill()
    with pytest.raises(LoadError, match="load on test: no report: exit code -9"):
        load.wait()


def test_the_process_ends_when_the_local_side_does(engine: Callable[[str], EngineServer]) -> None:
    process = begin(target=f"127.0.0.1:{engine('whole').server_port}")
    out, err = process.communicate("[1000]\n", timeout=120)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out.splitlines()[-1]) == {"requests": [], "failures": []}


def test_a_timeline_counts_each_second_apart() -> None:
    told = timeline(
        "m",
        [
            (0.1, 0.1, 0.6, "ok"),
            (0.2, 0.3, 2.2, "ok"),
            (0.9, 1.0, 1.5, "http_503"),
            (2.0, None, 2.0, "unsent"),
        ],
        [],
    )
    assert told.offered == [3, 0, 1]
    assert told.started == [2, 1, 0]
    assert told.completed == [1, 0, 1]
    assert told.failed == [0, 1, 1]
    assert told.in_flight == [1, 1, 0]
    assert told.latency == [0.5, None, 2.0]  # from when it was due: a late start is no excuse
    assert told.late_seconds == 0.1
    assert told.outcomes == {"http_503": 1, "ok": 2, "unsent": 1}


SECONDS = st.floats(0, 100, allow_nan=False)
ENTRIES = st.builds(
    lambda due, late, took, outcome: (due, due + late, due + late + took, outcome),
    SECONDS,
    SECONDS,
    SECONDS,
    st.sampled_from(["ok", "reset"]),
)


@given(st.lists(ENTRIES))
def test_a_timeline_loses_no_request(entries: list[tuple[float, float | None, float, str]]) -> None:
    told = timeline("m", entries, [])
    assert told.total == sum(told.started) == sum(told.completed) + told.lost == len(entries)
    assert min(told.in_flight, default=0) >= 0
    assert told.in_flight[-1:] in ([0], [])
    assert {len(each) for each in (told.started, told.failed, told.latency, told.in_flight)} == {told.seconds}
    for latency, completed in zip(told.latency, told.completed, strict=True):
        assert (latency is None) == (completed == 0)
