"""The pages about the chart name keys, scenarios and methods that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from charttest.plugin import Chart

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["model-features.md", "security.md", "availability.md", "install.md", "upgrade.md", "backup.md"]
KEY = re.compile(r"`([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*)(?::[^`]*)?`")


@pytest.fixture(scope="module")
def schema(chart: Chart) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((chart.path / "values.schema.json").read_text())
    return found


def exists(path: list[str], part: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether the schema has a key, or a map whose keys are free, at this path."""
    part = root["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    if not path or "properties" not in part:
        return True
    return path[0] in part["properties"] and exists(path[1:], part["properties"][path[0]], root)


@pytest.mark.parametrize("page", PAGES)
def test_every_key_that_a_page_names_exists(schema: dict[str, Any], page: str) -> None:
    keys = {tuple(name.split(".")) for name in KEY.findall((DOCS / page).read_text())}
    body = schema["definitions"]["model"]
    begun = {key for key in keys if key[0] in {*body["properties"], *schema["properties"]}}
    assert len(begun) > 5
    missing = [
        key for key in begun if not exists(list(key), body, schema) and not exists(list(key), schema, schema)
    ]
    assert missing == []


def test_every_scenario_and_method_that_the_page_of_features_names_exists(chart: Chart) -> None:
    text = (DOCS / "model-features.md").read_text()
    named = re.findall(r"`([a-z-]+)`", text[text.index("each: ") : text.index("## Adapters")])
    assert len(named) == 7
    assert [name for name in named if not (chart.path / f"ci/{name}-values.yaml").is_file()] == []
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())
    table = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert {name for cell in table for name in re.findall(r"`(\w+)`", cell)} - {"method"} == set(
        engine["speculativeMethods"]
    )
