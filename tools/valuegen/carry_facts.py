"""Writes the facts of the package's TOML files as JSON beside them.

usage: python carry_facts.py        (a test keeps each pair equal)

TOML is for people, who read and change it with its comments; JSON is what the commands read, in a
fiftieth of the time.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "valuegen"
FACTS = ("catalog/gpus", "calibration", "lora")


def carried(name: str) -> str:
    """The JSON text of one file of facts."""
    source = (PACKAGE / f"{name}.toml").read_text(encoding="utf-8")
    return json.dumps(tomllib.loads(source), separators=(",", ":")) + "\n"


if __name__ == "__main__":
    for fact in FACTS:
        (PACKAGE / f"{fact}.json").write_text(carried(fact), encoding="utf-8")
