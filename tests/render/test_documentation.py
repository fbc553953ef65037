"""The values that the pages of docs/ show as examples render."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from charttest.lint import Scenario

if TYPE_CHECKING:
    from charttest.plugin import Chart

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    (page, block)
    for page in ("models", "storage", "install", "backup")
    for block in re.findall(r"^```yaml\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.M | re.S)
]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(BLOCKS)])
def test_the_examples_of_the_documentation_render(
    chart: Chart, tmp_path: Path, page: str, block: str
) -> None:
    path = tmp_path / f"{page}.yaml"
    path.write_text(block)
    assert chart.render(path, external=Scenario.of(path).external).find("Deployment")
