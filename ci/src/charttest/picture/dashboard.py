"""What a picture shows of a Grafana dashboard; a key that would change the picture and is not drawn is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from charttest.errors import UsageError
from charttest.picture import units

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("stat", "timeseries")
COLOURS = {"green": "#1a7f37", "orange": "#bc4c00", "red": "#cf222e", "text": "#222222"}
# What Grafana takes where a panel names none.
THRESHOLDS = ((None, "green"), (80.0, "red"))
_PANEL = {"id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "targets"}
_DEFAULTS = {"unit", "min", "max", "thresholds", "custom"}
_CUSTOM = {"lineInterpolation"}
_STEPS = {"linear": False, "stepAfter": True}
_TARGET = {"refId", "expr", "legendFormat", "instant"}
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+),\s*(?P<label>\w+)\)")
_SINCE = re.compile(r"now-(\d+[smhd])")


@dataclass(frozen=True)
class Place:
    """Columns (of 24) and rows of a panel: its left upper corner and its size."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    letter: str
    query: str
    legend: str
    instant: bool


@dataclass(frozen=True)
class Panel:
    """One picture of the page; `where` names it in a refusal."""

    where: str
    title: str
    text: str
    kind: str
    place: Place
    unit: str
    low: float | None
    high: float | None
    thresholds: tuple[tuple[float | None, str], ...]
    steps: bool
    """Whether a value holds until the next, and no slope leads to it."""
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top: values of a label of some series, or one of `options`."""

    name: str
    series: str = ""
    label: str = ""
    options: tuple[str, ...] = ()
    several: bool = False
    every: str | None = None
    """What stands for all of its values in a query, where all can be chosen."""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels."""

    title: str
    text: str
    last: str
    """How far it looks back: 1h."""
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]


def read(document: Mapping[str, Any]) -> Dashboard:
    """The dashboard of its JSON. UsageError names what cannot be drawn, and in which panel."""
    try:
        since = str(document["time"]["from"])
        title = document["title"]
        if not (found := _SINCE.fullmatch(since)) or document["time"]["to"] != "now":
            raise UsageError(f"{title}: looks from {since}", "let it look from now-1h or the like to now")
        listed = [item for item in document["templating"]["list"] if item["type"] != "datasource"]
        return Dashboard(
            title,
            document.get("description", ""),
            found[1],
            tuple(_variable(item, f"{title}, variable {item['name']}") for item in listed),
            tuple(_panel(item, f"{title}, panel {item.get('title', '')!r}") for item in document["panels"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"{document.get('title', 'a dashboard')}: cannot be read: {what}",
            "give the JSON of a dashboard as the chart has it in files/dashboards",
        ) from error


def _variable(item: Mapping[str, Any], where: str) -> Variable:
    if item["type"] == "custom":
        return Variable(item["name"], options=tuple(option["value"] for option in item["options"]))
    if item["type"] != "query":
        raise UsageError(f"{where}: is of type {item['type']}", "the types query and custom are understood")
    asked = item["query"]["query"]
    if not (found := _LABEL_VALUES.fullmatch(asked)):
        raise UsageError(f"{where}: asks {asked}", "label_values(series, label) is understood")
    every = item.get("allValue") or ".*" if item.get("includeAll") else None
    return Variable(item["name"], found["series"], found["label"], (), bool(item.get("multi")), every)


def _panel(item: Mapping[str, Any], where: str) -> Panel:
    if item["type"] not in KINDS:
        raise UsageError(f"{where}: is a {item['type']}", f"panels of type {' and '.join(KINDS)} are drawn")
    _only(item, _PANEL, where)
    config = item["fieldConfig"]
    if config.get("overrides"):
        raise UsageError(f"{where}: has overrides", "they are not drawn: leave them out")
    defaults = config["defaults"]
    _only(defaults, _DEFAULTS, f"{where}, fieldConfig.defaults")
    try:
        units.known(defaults["unit"])
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.fix) from error
    place = item["gridPos"]
    return Panel(
        where,
        item["title"],
        item.get("description", ""),
        item["type"],
        Place(place["x"], place["y"], place["w"], place["h"]),
        defaults["unit"],
        defaults.get("min"),
        defaults.get("max"),
        _thresholds(defaults.get("thresholds"), where),
        _steps(defaults.get("custom", {}), where),
        tuple(_target(target, f"{where}, query {target['refId']}") for target in item["targets"]),
    )


def _thresholds(found: Mapping[str, Any] | None, where: str) -> tuple[tuple[float | None, str], ...]:
    if found is None:
        return THRESHOLDS
    if found["mode"] != "absolute":
        raise UsageError(f"{where}: has thresholds in {found['mode']}", "write them as values (absolute)")
    for step in found["steps"]:
        if step["color"] not in COLOURS:
            raise UsageError(f"{where}: has the colour {step['color']}", f"take one of {', '.join(COLOURS)}")
    return tuple((step["value"], step["color"]) for step in found["steps"])


def _steps(custom: Mapping[str, Any], where: str) -> bool:
    _only(custom, _CUSTOM, f"{where}, custom")
    form = custom.get("lineInterpolation", "linear")
    if form not in _STEPS:
        raise UsageError(f"{where}: draws lines {form}", f"take one of {', '.join(_STEPS)}")
    return _STEPS[form]


def _target(item: Mapping[str, Any], where: str) -> Target:
    _only(item, _TARGET, where)
    return Target(item["refId"], item["expr"], item["legendFormat"], bool(item.get("instant")))


def _only(item: Mapping[str, Any], known: set[str], where: str) -> None:
    if more := sorted(set(item) - known):
        raise UsageError(
            f"{where}: has {', '.join(more)}", "it would change the picture and is not drawn: leave it out"
        )
