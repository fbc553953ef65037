"""The package's facts: TOML files for people, read from the JSON that carry_facts.py writes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_facts(name: str) -> dict[str, Any]:
    """The document of a file of facts, such as `catalog/gpus`."""
    path = Path(__file__).parent / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
