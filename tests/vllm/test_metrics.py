"""The page of metrics of the real vLLM is the one that the table says, and has what rules and dashboards ask for.

The engine is the newest that is built for CPU, which may be older than the pin. So its page is held to the source that
runs, every metric of it; and to the table in all that the two sources have alike, which must be all that is asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.vllm.behaviours import SERVER
from tests.vllm.engines import KEY, chat, eventually

from charttest.checks import Manifests
from charttest.checks.queries import queries
from charttest.exporters import bound, exporters
from charttest.exporters.page import families
from charttest.images import vllm
from charttest.promql import World, read
from charttest.sources.drift import differences
from charttest.sources.package import Source, of_folder, of_release
from charttest.sources.registered import registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vllm.engines import Running

    from charttest.exporters.page import Family
    from charttest.plugin import Chart
    from charttest.sources.registered import Registered

[TABLE] = [each for each in exporters() if each.program == "vLLM"]
LOGGERS = "v1/metrics/loggers.py"  # registers what an engine always has
Page = dict[str, "Family"]


@pytest.fixture(scope="module")
def page(server: Running) -> Page:
    """After whole answers, a stream, and calls that were refused."""
    for _ in range(3):
        assert server.status("/v1/chat/completions", chat(5), key=KEY) == 200
    with server.streaming(5, KEY) as stream:
        while stream.recv(1 << 16):
            pass
    assert server.status("/v1/chat/completions", {**chat(1), "model": "third"}, key=KEY) == 404
    assert server.status("/v1/chat/completions", chat(100_000), key=KEY) == 400
    counted = re.compile(r'^vllm:request_success_total\{.*finished_reason="length".*\} 4\.0$', re.M)
    eventually("the requests to be counted", lambda: counted.search(server.request("/metrics")[1]))
    status, text = server.request("/metrics")
    assert status == 200
    # A `…_created` of a family is beside it, with a type of its own.
    return {name: family for name, family in families(text).items() if not name.endswith("_created")}


@pytest.fixture(scope="module")
def running(say: Callable[[str], None]) -> Source:
    """The source of the engine that runs."""
    [folder] = vllm.environment(say).glob("lib/python*/site-packages/vllm")
    return of_folder(folder)


@pytest.fixture(scope="module")
def source(running: Source) -> dict[str, Registered]:
    """What the source registers that runs."""
    return registered(running, TABLE.prefix).metrics


@pytest.fixture(scope="module")
def apart(running: Source, say: Callable[[str], None]) -> set[str]:
    """The metrics that the engine that runs has otherwise than the pin's table; told with both versions."""
    changes = list(differences(TABLE, None, running))
    same = of_release(TABLE.version).files[LOGGERS] == running.files[LOGGERS]
    say(
        f"vLLM {running.version} runs, {TABLE.version} is pinned; {LOGGERS} is {'the same' if same else 'another'} file;"
        f" apart from the table of {TABLE.version} are {len(changes)}:\n  " + "\n  ".join(changes)
    )
    return {change.partition(": ")[0] for change in changes}


def of_vllm(page: Page) -> Page:
    return {name: family for name, family in page.items() if name.startswith(TABLE.prefix)}


def bounds(buckets: tuple[float, ...] | None) -> list[str] | None:
    return None if buckets is None else [*map(bound, buckets), "+Inf"]


def test_metrics_of_the_page_are_those_that_its_source_registers(
    page: Page, source: dict[str, Registered]
) -> None:
    assert len(of_vllm(page)) > 35
    for name, family in of_vllm(page).items():
        known = source[name]
        assert family.kind == known.kind, name
        assert family.labels.keys() == known.labels, name
        if known.buckets is not None:
            assert family.bounds == bounds(known.buckets), name


def test_metrics_of_the_page_are_in_the_table_with_type_labels_and_buckets(
    page: Page, apart: set[str]
) -> None:
    for name, family in page.items():
        if name not in apart:
            known = TABLE.metrics.get(name) or TABLE.shared[name]
            assert family.kind == known.kind, name
            assert known.labels is None or family.labels.keys() == known.labels, name
            assert known.kind != "histogram" or family.bounds == (bounds(known.buckets) or family.bounds), (
                name
            )


def test_metrics_that_the_table_says_are_always_there_are_on_the_page(page: Page, apart: set[str]) -> None:
    always = {name for name, metric in TABLE.metrics.items() if not metric.when} - apart
    assert len(always) > 30
    assert always | TABLE.shared.keys() <= page.keys()


def test_metrics_that_rules_and_dashboards_ask_for_are_on_the_page(
    chart: Chart, page: Page, apart: set[str], say: Callable[[str], None]
) -> None:
    rendered = [chart.render(*each.values, external=each.external) for each in chart.scenarios]
    asked = {query.text for each in rendered for query in queries(Manifests(each.objects))}
    names = {name for text in asked for name in read(text, World(exporters())).names}
    series = {**TABLE.series, **TABLE.shared_series}
    known = {name: series[name] for name in names & series.keys()}
    shown = {name for family in page.values() for name in family.names}
    assert len(known) > 15
    absent = {name for name in known if name not in shown}
    listed = "".join(f"\n  {name}: {known[name].when}" for name in sorted(absent)) or " nothing"
    say(f"asked for {len(known)} series of vLLM; not on the page of this engine, for want of:{listed}")
    assert {name for name in absent if not known[name].when} == set()
    assert {name for name in known if _metric(name) in apart} == set()


def _metric(name: str) -> str:
    base = re.sub(r"_(bucket|sum|count|created)$", "", name)
    return base if base in TABLE.metrics else name


def test_metrics_have_the_label_values_that_tell_ends_of_requests_apart(chart: Chart, page: Page) -> None:
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())["metrics"]
    for part in ("aborted", "failed"):
        label, value = re.findall(r'(\w+)="(\w+)"', engine[f"{part}Where"])[0]
        assert value in page[engine[part]].labels[label]
    handlers = page[engine["httpRequests"]].labels
    assert handlers["status"] == {"2xx", "4xx"}
    [(label, pattern)] = re.findall(r'(\w+)=~"(.+)"', engine["httpWhere"])
    assert {each for each in handlers[label] if re.fullmatch(pattern, each)} == {"/v1/chat/completions"}


def test_metrics_name_the_model_by_its_first_served_name(page: Page) -> None:
    names = {value for family in of_vllm(page).values() for value in family.labels.get("model_name", set())}
    assert names == {SERVER[1]}
