"""--plot draws a well-formed picture of a judgement or a plan, or writes nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from valuegen import EngineSettings, Gpu, Model, fit, plan
from valuegen.plot import COLOURS, WIDTH, fit_picture, plan_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def bars(picture: str, colours: set[str]) -> list[tuple[float, float, float]]:
    """(x, y, width) of the bars of some colours."""
    root = ET.fromstring(picture)  # noqa: S314  (our own text)
    return [
        (float(bar.attrib["x"]), float(bar.attrib["y"]), float(bar.attrib["width"]))
        for bar in root.iter(f"{SVG}rect")
        if bar.attrib.get("fill") in colours and bar.attrib["height"] == "20"
    ]


def test_the_memory_bar_of_each_stage_is_the_whole_gpu_without_a_gap() -> None:
    settings = EngineSettings(tensor_parallel_size=2, pipeline_parallel_size=2, max_model_len=8192)
    result = fit(Model.load("Llama-3.1-70B-Instruct"), Gpu.find("H100"), settings)
    drawn = bars(fit_picture(result), set(COLOURS.values()))
    rows = {y: [bar for bar in drawn if bar[1] == y] for _, y, _ in drawn}
    assert len(rows) == 2
    for row in rows.values():
        assert len(row) == len(COLOURS)
        for (x, _, width), (after, _, _) in pairwise(row):
            assert x + width == pytest.approx(after, abs=0.2)
        end = row[-1][0] + row[-1][2]
        assert end == pytest.approx(WIDTH - 24, abs=0.2)
        weights = row[0][2] / (end - row[0][0])
        assert weights == pytest.approx(result.ranks[0].weights_bytes / result.gpu.memory_bytes, abs=0.002)


def test_a_plan_is_drawn_by_cost() -> None:
    made = plan(Model.load("Qwen3-8B"))
    widths = [width for _, _, width in bars(plan_picture(made), {"#009e73", "#9ecae1"})]
    costs = {candidate.fit.gpu.name: candidate.cost_per_hour for candidate in reversed(made.ranked)}
    assert widths[: len(costs)] == sorted(widths[: len(costs)])
    assert widths[0] / widths[len(costs) - 1] == pytest.approx(
        min(costs.values()) / max(costs.values()), abs=0.01
    )


def test_names_are_escaped(tmp_path: Path) -> None:
    import json  # noqa: PLC0415

    from tests.valuegen.models import document  # noqa: PLC0415

    folder = tmp_path / "a<b>&"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document("Qwen/Qwen3-8B")))
    picture = fit_picture(fit(Model.load(str(folder)), Gpu.find("H100"), EngineSettings(max_model_len=4096)))
    assert "a<b>&" in "".join(ET.fromstring(picture).itertext())  # noqa: S314


@pytest.mark.parametrize("command", [("plan", "Qwen3-8B"), ("fit", "Qwen3-8B", "--gpu", "L40S")])
def test_it_is_written_beside_what_is_printed(
    valuegen: Callable[..., Any], tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "picture.svg"
    plain, drawn = valuegen(*command), valuegen(*command, "--plot", path)
    assert (drawn.code, drawn.stdout) == (0, plain.stdout)
    assert ET.parse(path).getroot().tag == f"{SVG}svg"  # noqa: S314
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "extra", "refusal"),
    [
        ("gone/picture.svg", (), (2, "its directory does not exist; mkdir -p ")),
        ("picture.png", (), (2, "is no name of an SVG picture; let it end in .svg")),
        ("picture.svg", ("--gpu", "T4:1"), (3, "use --gpu")),
    ],
)
def test_a_refusal_leaves_no_picture(
    valuegen: Callable[..., Any], tmp_path: Path, name: str, extra: tuple[str, ...], refusal: tuple[int, str]
) -> None:
    code, says = refusal
    outcome = valuegen("plan", "Qwen3-32B", "--plot", tmp_path / name, *extra)
    assert outcome.code == code
    assert says in outcome.stderr
    assert not list(tmp_path.iterdir())
