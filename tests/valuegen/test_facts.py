"""What the commands read is what people read: JSON beside each TOML file of facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.valuegen.test_serve import script

PACKAGE = Path(__file__).resolve().parents[2] / "tools" / "valuegen" / "src" / "valuegen"


@pytest.mark.parametrize("name", script("carry_facts").FACTS)
def test_the_json_of_a_file_of_facts_is_up_to_date(name: str) -> None:
    written = (PACKAGE / f"{name}.json").read_text(encoding="utf-8")
    assert written == script("carry_facts").carried(name), "run tools/valuegen/carry_facts.py"


def test_no_file_of_facts_is_left_out() -> None:
    carried = set(script("carry_facts").FACTS)
    read = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.toml")}
    # Read by `check` and `doctor`, whose time is not a plan's.
    assert read - carried == {"serve/removed", "doctor/engine_errors"}
