"""Pictures of the chart's dashboards, drawn from a real Prometheus that has an hour of every series they ask for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.charttest.chart_dashboards import FILES, document, one_panel
from tests.charttest.dashboard_series import END, ENGINES, SCALERS, START, page
from tests.charttest.real_prometheus import answer, prometheus

from charttest.cli import main
from charttest.errors import AnswerError, UsageError
from charttest.picture import Server, Window, draw
from charttest.picture.units import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("pictures")

WINDOW = Window(START, END)
SPACE = "{http://www.w3.org/2000/svg}"
# What Grafana makes of the variables at first, and of its interval for 15 s between scrapes.
FIRST = {
    "namespace": ".+",
    "release": ".+",
    "model": "llama-70b",
    "gpu_namespace": "namespace",
    "gpu_pod": "pod",
    "__rate_interval": "60s",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), page()) as address:
        yield address


@pytest.fixture(scope="module")
def drawn(url: str) -> dict[str, str]:
    """The picture of each dashboard, of the whole hour."""
    return {path.stem: draw(json.loads(path.read_text()), Server(url), WINDOW) for path in FILES}


def panels(picture: str) -> dict[str, ET.Element]:
    """The parts of a picture by their titles."""
    whole = ET.fromstring(picture)  # noqa: S314 - made here
    return {group.attrib["aria-label"]: group for group in whole.iter(f"{SPACE}g")}


def texts(part: ET.Element) -> list[str]:
    return [element.text or "" for element in part.iter(f"{SPACE}text")]


def lines(part: ET.Element) -> dict[str, str]:
    """What is told of each line, and its path."""
    paths = ((path.find(f"{SPACE}title"), path.attrib["d"]) for path in part.iter(f"{SPACE}path"))
    return {title.text or "": path for title, path in paths if title is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_tells_what_prometheus_answers(url: str, drawn: dict[str, str], path: Path) -> None:
    dashboard = json.loads(path.read_text())
    parts = panels(drawn[path.stem])
    assert set(parts) == {panel["title"] for panel in dashboard["panels"]}
    for panel in dashboard["panels"]:
        unit, expected = panel["fieldConfig"]["defaults"]["unit"], set()
        for target in panel["targets"]:
            query = re.sub(r"\$(\w+)", lambda name: FIRST[name[1]], target["expr"])
            highest = {
                tuple(labels.items()): value
                for labels, value in answer(url, f"max_over_time(({query})[3601s:15s])", END)
            }
            for labels, last in answer(url, query, END):
                legend = target["legendFormat"]
                for name, value in labels.items():
                    legend = legend.replace(f"{{{{{name}}}}}", value)
                top = written(highest[tuple(labels.items())], unit)
                told = written(last, unit)
                expected.add(told if panel["type"] == "stat" else f"{legend}: last {told}, highest {top}")
        assert expected, panel["title"]
        part = parts[panel["title"]]
        assert expected == (set(texts(part)[1:]) if panel["type"] == "stat" else set(lines(part))), panel[
            "title"
        ]


def test_a_picture_is_the_same_each_time(url: str, drawn: dict[str, str]) -> None:
    assert draw(document("fleet"), Server(url), WINDOW) == drawn["fleet"]


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_a_picture_is_small_and_tells_no_place_finer_than_it_can_be_seen(
    drawn: dict[str, str], name: str
) -> None:
    assert 20_000 < len(drawn[name]) < 300_000
    assert not re.search(r"nan|inf\b|None", drawn[name])
    assert not re.search(r'(?<![a-z])[dxy]="[^"]*\.\d\d', drawn[name])


def test_a_line_lies_where_the_marks_say(url: str, drawn: dict[str, str]) -> None:
    part = panels(drawn["fleet"])["KV cache in use, fullest engine"]
    marks = {
        element.text: float(element.attrib["y"]) - 4
        for element in part.iter(f"{SPACE}text")
        if (element.text or "").endswith("%")
    }
    query = 'max by (model) (vllm:kv_cache_usage_perc{model="qwen3-8b"})'
    [(_, expected)] = answer(url, query, END)
    [path] = [path for told, path in lines(part).items() if told.startswith("qwen3-8b")]
    bottom, top = marks["0%"], marks["100%"]
    assert (bottom - float(path.split()[-1])) / (bottom - top) == pytest.approx(expected, abs=0.002)


def test_chosen_values_narrow_the_queries_and_stand_in_the_head(url: str) -> None:
    picture = draw(document("model"), Server(url), WINDOW, {"namespace": ["llm"], "model": ["qwen3-8b"]})
    pods = {labels["pod"] for labels in ENGINES if labels["model"] == "qwen3-8b"}
    part = panels(picture)["Requests in work, by pod"]
    assert {told.partition(":")[0] for told in lines(part)} == pods
    assert "namespace: llm; release: All; model: qwen3-8b" in texts(ET.fromstring(picture))  # noqa: S314 - made here
    assert "2026-11-20 12:00:00 to 2026-11-20 13:00:00 UTC" in picture


def test_what_is_replicas_is_drawn_in_steps(drawn: dict[str, str]) -> None:
    parts = panels(drawn["autoscaling"])
    steps, slopes = parts["Wanted and present replicas"], parts["Requests in work"]
    assert len(lines(steps)) == 2 * len(SCALERS)
    assert all("L" not in path and "V" in path for path in lines(steps).values())
    assert all("L" in path for path in lines(slopes).values())


def test_a_panel_without_series_says_so_and_the_others_are_drawn(url: str) -> None:
    found = one_panel("sum(absent_here)")
    found["panels"].append(document("fleet")["panels"][0])
    parts = panels(draw(found, Server(url), WINDOW))
    assert [texts(part)[-1] for part in parts.values()] == ["No data", "4"]


def test_a_value_that_is_no_number_is_a_gap(url: str) -> None:
    # No division by zero before the middle of the hour, one after it.
    query = f"sum(up) * 0 / (0 * sum(up) + (time() < bool {START + 1800}))"
    config = {"defaults": {"unit": "reqps", "min": 0, "max": 4}}
    found, whole = (
        lines(panels(draw(one_panel(asked, fieldConfig=config), Server(url), WINDOW))["Requests by model"])
        for asked in (query, "sum(up)")
    )
    assert list(found) == [": last 0 req/s, highest 0 req/s"]
    (begin, until), (left, right) = (
        [float(x) for x in re.findall(r"[ML]([\d.]+)", path)] for path in (*found.values(), *whole.values())
    )
    assert begin == left
    assert (until - left) / (right - left) == pytest.approx(1785 / 3600, abs=0.01)


def test_an_instant_query_is_asked_at_the_end(url: str) -> None:
    found = one_panel("sum(up) + time()", type="stat")
    found["panels"][0]["targets"][0]["instant"] = True
    found["panels"][0]["fieldConfig"]["defaults"] = {"unit": "short"}
    [part] = panels(draw(found, Server(url), WINDOW)).values()
    assert texts(part)[1] == written(END + 4, "short")
    assert [
        element.attrib["fill"] for element in part.iter(f"{SPACE}text") if element.text == texts(part)[1]
    ] == ["#cf222e"]  # Grafana's own threshold is 80


def test_a_query_that_prometheus_refuses_is_named_with_its_panel(url: str) -> None:
    with pytest.raises(AnswerError) as refused:
        draw(one_panel("sum(rate(up[$__rate_interval])"), Server(url), WINDOW)
    assert str(refused.value).startswith(
        "vLLM: fleet, panel 'Requests by model', query A (sum(rate(up[60s])): Prometheus refuses it: "
    )
    assert "unclosed left parenthesis" in str(refused.value)
    assert str(refused.value).endswith("; mend the query, or ask for a shorter time")


def test_what_is_no_prometheus_is_named(url: str) -> None:
    with pytest.raises(
        AnswerError, match=r"/elsewhere: does not answer as a Prometheus \(HTTP 404\); is it up"
    ):
        draw(document("fleet"), Server(f"{url}/elsewhere"), WINDOW)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"release": ["other"]},
            "vLLM: one model, variable release: other: there is no such value; there are prod",
        ),
        (
            {"model": ["llama-70b", "qwen3-8b"]},
            "vLLM: one model, variable model: llama-70b, qwen3-8b: it takes one value; give it once",
        ),
        (
            {"modle": ["m"]},
            "vLLM: one model, variable modle: is not there; there are namespace, release, model",
        ),
    ],
)
def test_a_choice_that_is_not_there_is_refused(url: str, variables: dict[str, list[str]], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        draw(document("model"), Server(url), WINDOW, variables)
    assert str(refused.value) == told


def test_a_time_without_engines_has_no_model_to_choose(url: str) -> None:
    with pytest.raises(
        UsageError, match=r"variable model: vllm:num_requests_running.* has no model to choose from"
    ):
        draw(document("model"), Server(url), Window(START - 90000, START - 86400))


def test_the_command_draws_every_dashboard_and_prints_the_paths(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["picture", *map(str, FILES), "--prometheus", url, "--output", str(tmp_path / "new")]
    command += ["--to", "2026-11-20T13:00:00Z", "--set", "model=qwen3-8b", "--set", "release=prod"]
    assert main(command) == 0
    targets = [tmp_path / "new" / f"{path.stem}.svg" for path in FILES]
    assert capsys.readouterr().out.split() == [str(target) for target in targets]
    chosen = {"release": ["prod"], "model": ["qwen3-8b"]}
    assert targets[-1].read_text() == draw(document("model"), Server(url), WINDOW, chosen)
    for target in targets:
        assert "release: prod" in target.read_text()
        assert "2026-11-20 12:00:00 to 2026-11-20 13:00:00 UTC" in target.read_text()
