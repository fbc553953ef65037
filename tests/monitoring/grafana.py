"""What a dashboard asks Prometheus for, as Grafana does: its variables first, then every panel's queries with them."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.scaling.course import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from charttest.controllers.prometheus import Prometheus
    from charttest.release import Release

# A data source whose scrape interval is set to this one's has at least four of them for $__rate_interval, and here the
# panels' own step is shorter: https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/
SCRAPE_SECONDS = 2
RATE_INTERVAL = f"{4 * SCRAPE_SECONDS}s"
STEP = f"{SCRAPE_SECONDS}s"
Name = TypeVar("Name")
_VALUES = re.compile(r"label_values\((?:(?P<series>.+), *)?(?P<label>\w+)\)")


@dataclass(frozen=True)
class Query:
    """One query of a panel; `asked` has its variables filled in."""

    dashboard: str
    panel: str
    reference: str
    asked: str

    @property
    def name(self) -> tuple[str, str, str]:
        """Where it stands."""
        return self.dashboard, self.panel, self.reference


def dashboards(release: Release) -> dict[str, dict[str, Any]]:
    """By name, as the sidecar reads them: from the ConfigMaps with its label."""
    maps = release.get("configmaps", "--selector=grafana_dashboard=1")
    files = {name: text for found in maps for name, text in found["data"].items()}
    return {
        name.removeprefix("vllm-stack-").removesuffix(".json"): json.loads(text)
        for name, text in files.items()
    }


def choices(
    prometheus: Prometheus, dashboard: Mapping[str, Any], begin: float, end: float, wanted: Mapping[str, str]
) -> dict[str, list[str]]:
    """What each variable offers; those that later ones depend on are set to `wanted`, as a user does."""
    offered: dict[str, list[str]] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "custom":
            offered[variable["name"]] = [each["value"] for each in variable["options"]]
        elif variable["type"] == "query":
            match = _VALUES.fullmatch(filled(variable["query"]["query"], wanted))
            assert match, variable
            selector = {"match[]": match["series"]} if match["series"] else {}
            period = {"start": str(begin), "end": str(end)}
            offered[variable["name"]] = prometheus.data(
                f"label/{match['label']}/values", **selector, **period
            )
    return offered


def queries(name: str, dashboard: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Query]:
    """Every query of every panel."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            asked = filled(target["expr"], {**values, "__rate_interval": RATE_INTERVAL})
            assert "$" not in asked, asked
            yield Query(name, panel["title"], target["refId"], asked)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables filled in, written as $name or ${name}."""
    for name, value in values.items():
        text = re.sub(rf"\$({name}\b|\{{{name}\}})", value.replace("\\", r"\\"), text)
    return text


def without_data(
    prometheus: Prometheus, asked: Mapping[Name, str], begin: float, but: Collection[Name] = ()
) -> set[Name]:
    """Those of the queries that return no data, though it was waited for; those in `but` are expected to be among them."""
    missing = dict(asked)

    def found() -> bool:
        for name, promql in list(missing.items()):
            if has_data(prometheus, promql, begin, time.time()):
                del missing[name]
        return missing.keys() <= set(but)

    with contextlib.suppress(
        AssertionError
    ):  # it says what is missing less well than whoever compares the answer
        wait_for("data", found)
    return set(missing)


def has_data(prometheus: Prometheus, promql: str, begin: float, end: float) -> bool:
    """Whether a graph of it between these seconds since 1970 has a point: a value that is a number."""
    period = {"start": str(begin), "end": str(end), "step": STEP}
    found = prometheus.data("query_range", query=promql, **period)["result"]
    return any(math.isfinite(float(value)) for series in found for _, value in series["values"])
