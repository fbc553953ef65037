"""What a dashboard may not have to be drawn: each refusal names the panel and what to write instead."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest.errors import UsageError
from charttest.picture import read

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parents[2] / "charts/vllm-stack/files/dashboards"
FLEET = json.loads((FOLDER / "fleet.json").read_text())


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(FLEET)
    change(found)
    return found


FIRST = "vLLM: fleet, panel 'Engines that answer'"
REFUSED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (
        lambda found: found["panels"][0].update(type="heatmap"),
        f"{FIRST}: is a heatmap; panels of type stat and timeseries are drawn",
    ),
    (
        lambda found: found["panels"][0]["fieldConfig"]["defaults"].update(unit="furlong"),
        f"{FIRST}: is written in furlong; take one of short, s, percent, percentunit, reqps, ops, celsius, watt,"
        " rotmhz, or teach units.py this one",
    ),
    (
        lambda found: found["panels"][0].update(repeat="model", transformations=[]),
        f"{FIRST}: has repeat, transformations; it would change the picture and is not drawn: leave it out",
    ),
    (
        lambda found: found["panels"][0]["fieldConfig"].update(overrides=[{}]),
        f"{FIRST}: has overrides; they are not drawn: leave them out",
    ),
    (
        lambda found: found["panels"][0]["fieldConfig"]["defaults"].update(
            custom={"lineInterpolation": "smooth"}
        ),
        f"{FIRST}: draws lines smooth; take one of linear, stepAfter",
    ),
    (
        lambda found: found["panels"][0]["fieldConfig"]["defaults"]["thresholds"].update(mode="percentage"),
        f"{FIRST}: has thresholds in percentage; write them as values (absolute)",
    ),
    (
        lambda found: found["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(
            color="pink"
        ),
        f"{FIRST}: has the colour pink; take one of green, orange, red, text",
    ),
    (
        lambda found: found["panels"][0]["targets"][0].update(format="heatmap"),
        f"{FIRST}, query A: has format; it would change the picture and is not drawn: leave it out",
    ),
    (
        lambda found: found["templating"]["list"][1]["query"].update(query="query_result(up)"),
        "vLLM: fleet, variable namespace: asks query_result(up); label_values(series, label) is understood",
    ),
    (
        lambda found: found["templating"]["list"][1].update(type="interval"),
        "vLLM: fleet, variable namespace: is of type interval; the types query and custom are understood",
    ),
    (
        lambda found: found["time"].update({"from": "now/d"}),
        "vLLM: fleet: looks from now/d; let it look from now-1h or the like to now",
    ),
    (
        lambda found: found.pop("panels"),
        "vLLM: fleet: cannot be read: it lacks 'panels'; give the JSON of a dashboard as the chart has it in"
        " files/dashboards",
    ),
]


@pytest.mark.parametrize(
    ("change", "told"), REFUSED, ids=[told.rpartition(";")[0][-30:] for _, told in REFUSED]
)
def test_what_is_not_drawn_is_refused_by_its_name(
    change: Callable[[dict[str, Any]], object], told: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read(changed(change))
    assert str(refused.value) == told
