"""Dashboards: Grafana reads them, every panel explains itself, and every query asks the chosen releases alone."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from charttest.plugin import Chart

MAKE = Path(__file__).parents[2] / "ci/dashboards/make.py"
FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/files/dashboards").glob("*.json"))


def values(**dashboards: Any) -> dict[str, Any]:
    """Of a release whose PodMonitor sets the labels that the dashboards read."""
    return {
        "models": {"m": {"source": {"uri": "hf://org/m"}}},
        "monitoring": {"podMonitor": {"enabled": True}, "dashboards": {"enabled": True, **dashboards}},
    }


# Units that Grafana knows (packages/grafana-data/src/valueFormats/categories.ts).
UNITS = {"short", "s", "percent", "percentunit", "reqps", "ops", "celsius", "watt", "rotmhz"}


def dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_files_are_what_their_descriptions_say() -> None:
    spec = importlib.util.spec_from_file_location("make", MAKE)
    assert spec
    assert spec.loader
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert {path: path.read_text() for path in FILES} == make.dashboards()


def test_each_dashboard_is_a_config_map_that_the_sidecar_selects(chart: Chart) -> None:
    rendered = chart.render(values(), namespace="llm")
    maps = rendered.find("ConfigMap")
    assert {key: value for item in maps for key, value in item["data"].items()} == {
        f"vllm-stack-{path.name}": path.read_text() for path in FILES
    }
    assert {item["metadata"]["labels"]["grafana_dashboard"] for item in maps} == {"1"}


def test_without_the_key_no_dashboard_is_in_a_release(chart: Chart) -> None:
    assert not chart.render({}).find("ConfigMap")


def test_every_dashboard_has_an_address_of_its_own() -> None:
    uids = [dashboard(path)["uid"] for path in FILES]
    assert len(uids) == len(set(uids)) == 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_has_a_sentence_a_unit_a_place_and_the_chosen_data_source(path: Path) -> None:
    found = dashboard(path)
    choices = {item["name"] for item in found["templating"]["list"]}
    assert {"datasource", "namespace", "release"} <= choices
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_query_aggregates_what_was_chosen_and_legends_use_labels_that_it_keeps(path: Path) -> None:
    choices = {item["name"] for item in dashboard(path)["templating"]["list"]} | {"__rate_interval"}
    for panel in dashboard(path)["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            assert re.search(r"\b(sum|max|avg|count|histogram_quantile)\b", query), query
            assert set(re.findall(r"\$(\w+)", query)) <= choices
            assert {"namespace", "release"} & set(re.findall(r"\$(\w+)", query)), query
            kept = {
                label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, query


def test_what_a_user_adds_to_the_dashboards_is_in_them(chart: Chart) -> None:
    own = values(namespace="grafana", annotations={"grafana_folder": "vLLM"})
    for item in chart.render(own).find("ConfigMap"):
        assert item["metadata"]["namespace"] == "grafana"
        assert item["metadata"]["annotations"] == {"grafana_folder": "vLLM"}
