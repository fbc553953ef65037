"""The recorder's samples, where they come from, and the picture of a run."""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from tests.charttest.load_servers import eventually, serving

from charttest.errors import UsageError
from charttest.load import Recorder, write_plot
from charttest.load.plot import picture
from charttest.load.sources import DESIRED, QUEUE, READY, engines, prometheus, replicas, total
from charttest.load.timeline import Timeline, timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.kubectl import Kubectl

PAGE = """# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tiny"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a } b"} 1e1
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="capacity"} 3.0
process_open_fds 34.0
"""


class Monitoring(BaseHTTPRequestHandler):
    """An engine's /metrics, and a Prometheus that answers a query with the numbers in it."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/metrics":
            body = PAGE
        elif url.path == "/api/v1/query":
            [query] = parse_qs(url.query)["query"]
            result = [
                {"metric": {}, "value": [0, value]} for value in query.split(" or ") if value != "absent"
            ]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})
        else:
            return self.send_error(404)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def monitoring() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Monitoring)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_metric_of_an_engine_is_summed_over_its_series_and_pods(monitoring: str) -> None:
    assert (total(PAGE, "vllm:num_requests_waiting"), total(PAGE, "process_open_fds")) == (13, 34)
    assert total(PAGE, "vllm:num_requests") == 0
    assert engines(lambda: [f"{monitoring}/metrics"] * 2)() == {QUEUE: 26}
    assert engines(list)() == {QUEUE: 0}
    with pytest.raises(OSError, match="404"):
        engines(lambda: [f"{monitoring}/none"])()


def test_a_query_tells_its_one_series_or_nothing(monitoring: str) -> None:
    assert prometheus(monitoring, "3.5", "waiting")() == {"waiting": 3.5}
    assert prometheus(monitoring, "absent")() == prometheus(monitoring, "NaN")() == {}
    with pytest.raises(ValueError, match="1 or 2: 2 series: aggregate them"):
        prometheus(monitoring, "1 or 2")()


def unplaceable(name: str, *, replicas: int) -> dict[str, Any]:
    """A Deployment whose pods no node takes, so that none of them is ever ready."""
    pod = {"nodeSelector": {"no": "where"}, "containers": [{"name": "c", "image": "i"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def test_replicas_are_those_of_the_real_api(kubectl: Kubectl) -> None:
    namespace = f"recorder-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", namespace)
    try:
        kubectl.apply(unplaceable("none", replicas=2), namespace=namespace)
        assert replicas(kubectl, namespace, "deployment/none")() == {DESIRED: 2, READY: 0}
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def test_each_source_is_asked_every_second_and_a_slow_one_holds_up_no_other() -> None:
    released = threading.Event()

    def slow() -> dict[str, float]:
        released.wait(120)
        return {"slow": 1}

    with Recorder([lambda: {"a": 1, "b": 2}, slow], begin=time.monotonic()) as recorder:
        eventually("three samples", lambda: len(recorder.series.get("a", [])) >= 3, seconds=120)
        assert "slow" not in recorder.series
        released.set()
    series = recorder.series
    assert set(series) == {"a", "b", "slow"}
    assert {len(values) for values in series.values()} == {len(series["a"])}
    assert {value for value in series["b"] if value is not None} == {2}
    assert 1 in series["slow"]


def test_a_second_without_an_answer_is_a_gap_with_its_reason() -> None:
    asked: list[int] = []

    def flaky() -> dict[str, float]:
        asked.append(1)
        if len(asked) == 2:
            raise ConnectionRefusedError("nobody")
        return {"a": len(asked)}

    with Recorder([flaky], begin=time.monotonic()) as recorder:
        eventually("three answers", lambda: len(asked) >= 4, seconds=120)
    [(second, text)] = recorder.errors
    assert text == "ConnectionRefusedError: nobody"
    assert recorder.series["a"][second] is None
    assert [value for value in recorder.series["a"] if value is not None][:2] == [1, 3]


def test_a_source_that_is_broken_fails_the_test() -> None:
    asked = threading.Event()

    def broken() -> dict[str, float]:
        asked.set()
        raise KeyError("spec")

    with pytest.raises(KeyError, match="spec"), Recorder([broken], begin=time.monotonic()):
        assert asked.wait(120)


def run(seconds: int = 120) -> Timeline:
    entries = [(n / 2, n / 2, n / 2 + 1, "ok" if n % 9 else "http_503") for n in range(2 * seconds)]
    return timeline("llm-m, a & <b>", entries, [])


def test_a_picture_holds_every_series_its_axes_and_a_legend() -> None:
    series: dict[str, list[float | None]] = {
        QUEUE: [0.0, 5.0, None],
        READY: [1.0, 2.0],
        DESIRED: [1.0, 4.0],
        "dear variant": [0.0, 1.0],
    }
    drawn = ET.fromstring(picture(run(), series))  # noqa: S314 - made here
    space = "{http://www.w3.org/2000/svg}"
    texts = {element.text for element in drawn.iter(f"{space}text")}
    titles = {element.text for element in drawn.iter(f"{space}title")}
    names = {"offered", "answered", "lost", *series}
    assert names <= texts
    assert names == titles
    units = {
        "requests per second",
        "requests in the queue",
        "replicas",
        "seconds since the load began",
        "llm-m, a & <b>",
    }
    assert units <= texts
    assert drawn.attrib["width"] == "900"


@pytest.mark.parametrize(
    ("told", "series"),
    [(timeline("m", [], []), {}), (run(1), {READY: [None, None]}), (run(3000), {DESIRED: [0.0] * 4000})],
    ids=["empty", "gaps", "long"],
)
def test_any_run_can_be_drawn(told: Timeline, series: dict[str, list[float | None]]) -> None:
    drawn = picture(told, series)
    ET.fromstring(drawn)  # noqa: S314 - made here
    assert "nan" not in drawn


def test_a_plot_is_written_into_its_folder_only(tmp_path: Path) -> None:
    path = write_plot(tmp_path / "a" / "b", "hpa-step", run(), {})
    assert path == tmp_path / "a" / "b" / "hpa-step.svg"
    assert [entry.name for entry in tmp_path.rglob("*.*")] == ["hpa-step.svg"]
    for name in ("../x", "a/b", ""):
        with pytest.raises(UsageError, match="is no name of a file; use a to z"):
            write_plot(tmp_path, name, run(), {})


def test_the_ini_file_names_the_folder_of_plots(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nscaling_plots = some/where")
    pytester.makepyfile("def test_it(scaling_plots): assert scaling_plots.parts[-2:] == ('some', 'where')")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert not Path("some").exists()
