"""Writes what the package carries of the chart: a checked copy of its schema, and chart.json.

usage: python carry_chart.py

chart.json holds the defaults of a model's body and of alerts, and the flags that the chart sets itself. A test keeps
both equal to the chart. Needs PyYAML, which the development environment has and the package does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "vllm-stack"
TEMPLATES = Path(__file__).parent / "src" / "valuegen" / "templates"


def document() -> dict[str, Any]:
    """The chart's defaults and thresholds, and the engine's image and owned flags."""
    engine = yaml.safe_load((CHART / "files" / "engines" / "vllm.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    thresholds = values["monitoring"]["rules"]["thresholds"]
    return {
        "tag": engine["tag"],
        "owned": engine["owned"],
        "defaults": values["defaults"],
        "thresholds": thresholds,
    }


if __name__ == "__main__":
    (TEMPLATES / "chart.json").write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
    schema = (CHART / "values.schema.json").read_bytes()
    (TEMPLATES / "values.schema.json").write_bytes(schema)
