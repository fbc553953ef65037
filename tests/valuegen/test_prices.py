"""A file of prices decides a plan, and a bad one is refused by line and rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from valuegen.catalog.gpus import planned_gpus
from valuegen.prices import read_prices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOAD = ("plan", "Qwen3-8B", "--gpu", "L40S", "--gpu", "H100")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prices.toml", '# ours\nH100-80GB = 0.5\n"NVIDIA-L40S" = 2\n'),
        ("prices.json", '{\n "h100": 0.5,\n "L40S": 2\n}\n'),
    ],
)
def test_prices_of_a_file_rank_the_plan_and_one_that_is_typed_wins(
    valuegen: Callable[..., Any], tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_prices(path) == {"H100-80GB": 0.5, "L40S": 2.0}
    printed = valuegen(*LOAD, "--prices", path).stdout
    assert printed.splitlines()[3].split()[2] == "H100-80GB"
    assert "Prices are yours" in printed
    assert f"--prices {path}" in printed.replace(" \\\n     ", "")
    typed = json.loads(valuegen(*LOAD, "--prices", path, "--price", "L40S=0.1", "--json").stdout)
    assert [gpu["usd_per_hour"] for gpu in typed["request"]["gpus"]] == [0.1, 0.5]


def test_a_gpu_without_a_price_of_ones_own_keeps_the_list_price(
    valuegen: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text("L40S = 0.9\n")
    request = json.loads(valuegen("plan", "Qwen3-8B", "--prices", tmp_path / "p.toml", "--json").stdout)
    priced = {gpu["name"]: gpu["usd_per_hour"] for gpu in request["request"]["gpus"]}
    assert priced == {gpu.name: gpu.usd_per_hour for gpu in planned_gpus()} | {"L40S": 0.9}


BROKEN = {
    "no number": ("L40S = 1\nT4 = 'cheap'\n", "line 2: T4: 'cheap' is no number"),
    "a truth": ("L40S = true\n", "line 1: L40S: True is no number"),
    "a table": ("\n[L40S]\nprice = 1\n", "line 2: L40S: {'price': 1} is no number"),
    "below zero": ("# a\n\nL40S = -1\n", "line 3: L40S: -1 is no price"),
    "endless": ("L40S = inf\n", "line 1: L40S: inf is no price"),
    "no such GPU": ("T4 = 1\nL40SX = 1\n", "line 2: L40SX: no such GPU; did you mean L40S?"),
    "one GPU twice": ("H100-80GB = 1\nh100 = 2\n", "line 2: h100: H100-80GB has a price already"),
    "a key twice": ("T4 = 1\nT4 = 2\n", "line 2: is no TOML"),
    "half a line": ("T4 = 1\nL40S =\n", "line 2: is no TOML"),
    "broken JSON": ('{"T4": 1,\n "L40S" 2}', "line 2: is no JSON"),
    "JSON with a key twice": ('{"T4": 1,\n "T4": 2}', "line 2: T4: T4 has a price already"),
    "JSON in JSON": ('{"T4": {"usd": 1}}', "line 1: T4: an object is no number"),
    "nothing": ("# none yet\n", "holds no price"),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_bad_file_is_refused_by_line_and_rule(
    valuegen: Callable[..., Any], tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "prices"
    path.write_text(text)
    outcome = valuegen("plan", "Qwen3-8B", "--prices", path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"valuegen: --prices {path}")
    assert says in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_what_is_no_file_of_prices_is_refused(valuegen: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(2 * 1024**3)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, says in {
        "missing": "cannot be read",
        ".": "is no file",
        "binary": "no UTF-8",
        "huge": "larger than 1 MiB",
        "loop": "cannot be read",
    }.items():
        outcome = valuegen("plan", "Qwen3-8B", "--prices", tmp_path / name)
        assert outcome.code == 2, name
        assert says in outcome.stderr
