"""The chart charts/wva, and what its tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from charttest.plugin import Chart

CHARTS = Path(__file__).parents[2] / "charts"
FOLDER = CHARTS / "wva"
FILES = sorted((FOLDER / "ci").glob("*-values.yaml"))
HTTP = {"prometheus": {"url": "http://prometheus:9090"}}
HTTPS = {"prometheus": {"url": "https://prometheus:9090"}}
OLD = {**HTTPS, "api": "variantautoscaling"}
NAME_LABEL = {"app.kubernetes.io/name": "workload-variant-autoscaler"}


def chart() -> Chart:
    """The chart of the controller."""
    return Chart(FOLDER)


def flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Every value by its dotted key; a map without keys is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        place = f"{path}.{key}" if path else key
        found |= flat(value, place) if isinstance(value, dict) and value else {place: value}
    return found
