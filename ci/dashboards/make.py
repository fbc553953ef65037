"""Writes the dashboards of the chart from the descriptions beside this file.

usage: python ci/dashboards/make.py

A description has a title, a sentence, a unit and the queries of each panel; everything else is the same for all of
them but for `range` (lowest and highest value), `steps` (what is counted stays until it changes: no slopes) and
`colours` (from which value on a stat is orange or red). A test keeps charts/vllm-stack/files/dashboards equal to this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "charts/vllm-stack/files/dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RELEASE = 'namespace=~"$namespace",release=~"$release"'
# What [[name]] stands for in a query: which series are asked.
SCOPES = {
    "release": RELEASE,
    "model": f'{RELEASE},model=~"$model"',
    "hpa": 'namespace=~"$namespace",horizontalpodautoscaler=~"(keda-hpa-)?($release)-.+"',
    # The exporter's own labels are exported_* where it is scraped without honorLabels.
    "gpus": '$gpu_namespace=~"$namespace",$gpu_pod=~"($release)-.+"',
}
# Columns and rows of a panel, of 24 columns.
SIZES = {"stat": (4, 4), "timeseries": (12, 8)}


def query(text: str) -> str:
    """The query with its scopes filled in."""
    for name, selector in SCOPES.items():
        text = text.replace(f"[[{name}]]", selector)
    return text


def variable(given: dict[str, Any]) -> dict[str, Any]:
    """A choice at the top: a label of a series, or one of some values."""
    if values := given.get("values"):
        options = [{"text": value, "value": value, "selected": value == values[0]} for value in values]
        choice = {"query": ",".join(values), "options": options, "current": options[0]}
        return {"name": given["name"], "type": "custom", **choice}
    asked = f"label_values({query(given['series'])}, {given['label']})"
    made = {
        "name": given["name"],
        "type": "query",
        "datasource": SOURCE,
        "definition": asked,
        "query": {"query": asked, "refId": given["name"]},
        "refresh": 2,
        "sort": 1,
    }
    if not given.get("one"):
        every = {"text": "All", "value": "$__all"}
        made |= {"multi": True, "includeAll": True, "allValue": ".+", "current": every}
    return made


def look(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    """How the values of a panel are shown."""
    shown = {"unit": panel["unit"], **dict(zip(("min", "max"), panel.get("range", ()), strict=False))}
    if panel.get("steps"):
        shown["custom"] = {"lineInterpolation": "stepAfter"}
    if kind == "stat":
        # Without thresholds of its own Grafana shows everything from 80 on in red.
        colours = panel.get("colours", {})
        steps = [{"color": "green" if colours else "text", "value": None}]
        steps += [{"color": colour, "value": value} for value, colour in colours.items()]
        shown["thresholds"] = {"mode": "absolute", "steps": steps}
    return shown


def panels(described: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The panels, placed row by row in the order of reading."""
    made: list[dict[str, Any]] = []
    x, y, height = 0, 0, 0
    for number, panel in enumerate(described, 1):
        kind = panel.get("kind", "timeseries")
        width, own = SIZES[kind]
        if x + width > 24:
            x, y = 0, y + height
        height = own
        targets = [
            {"refId": chr(ord("A") + index), "expr": query(text), "legendFormat": legend}
            for index, (legend, text) in enumerate(panel["queries"].items())
        ]
        made.append(
            {
                "id": number,
                "type": kind,
                "title": panel["title"],
                "description": panel["text"],
                "datasource": SOURCE,
                "gridPos": {"x": x, "y": y, "w": width, "h": own},
                "fieldConfig": {"defaults": look(panel, kind), "overrides": []},
                "targets": targets,
            }
        )
        x += width
    return made


def render(path: Path) -> str:
    """The JSON of the dashboard that this file describes, a line for each panel."""
    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    link = {"type": "dashboards", "title": "vLLM", "tags": ["vllm-stack"], "asDropdown": True}
    whole = {
        "uid": f"vllm-stack-{path.stem}",
        "title": described["title"],
        "description": described["text"],
        "tags": ["vllm-stack"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{**link, "includeVars": True, "keepTime": True}],
        "templating": {"list": [source, *map(variable, described["variables"])]},
    }
    head = json.dumps(whole, separators=(",", ":"))[:-1]
    lines = ",\n".join(json.dumps(panel, separators=(",", ":")) for panel in panels(described["panels"]))
    return f'{head},"panels":[\n{lines}\n]}}\n'


def dashboards() -> dict[Path, str]:
    """What each file of the chart is to hold."""
    return {FOLDER / f"{path.stem}.json": render(path) for path in sorted(HERE.glob("*.yaml"))}


if __name__ == "__main__":
    for target, text in dashboards().items():
        target.write_text(text, encoding="utf-8")
