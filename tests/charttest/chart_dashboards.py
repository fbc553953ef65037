"""The dashboards of the chart, whole and cut down to one panel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/files/dashboards").glob("*.json"))


def document(name: str) -> dict[str, Any]:
    [path] = [path for path in FILES if path.stem == name]
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def one_panel(query: str, **panel: Any) -> dict[str, Any]:
    """The fleet's dashboard with its first panel of lines alone, which asks this."""
    found = document("fleet")
    chosen = next(panel for panel in found["panels"] if panel["type"] == "timeseries")
    chosen["targets"][0]["expr"] = query
    return {**found, "panels": [{**chosen, **panel}]}
