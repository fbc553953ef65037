"""The pinned vLLM is charts/vllm-stack's appVersion: tables, images and defaults are of it, and cannot lag behind."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from charttest.exporters import exporters
from charttest.load.pod import IMAGE
from charttest.sources.drift import flags_of, outdated
from valuegen.calibration import DEFAULT_VLLM_VERSION, NEWEST, minor_of
from valuegen.document import EXACT_VERSION
from valuegen.serve.table import flag_table

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/vllm-stack"
FLAGS = ROOT / "tools/valuegen/src/valuegen/serve/flags.json"
PIN = str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"])
[VLLM] = [each for each in exporters() if each.program == "vLLM"]
VERSIONS = {
    "the chart's image": yaml.safe_load((CHART / "files/engines/vllm.yaml").read_text())["tag"].removeprefix(
        "v"
    ),
    "the table of metrics": VLLM.version,
    "the table of flags": flag_table().version,
    "valuegen's copy of the image": json.loads(
        (ROOT / "tools/valuegen/src/valuegen/templates/chart.json").read_text()
    )["tag"].removeprefix("v"),
    "valuegen's --vllm-version": DEFAULT_VLLM_VERSION,
    "valuegen's arithmetic": EXACT_VERSION,
    "the load pod's image": IMAGE.rpartition(":v")[2],
}
FOLDERS = ("charts", "ci", "docs", "tests", "tools")
# Images of vLLM in files: name and version in one word, or as a repository and a tag beside each other.
NAMED = re.compile(r"vllm/vllm-(?:openai|tpu)[\w-]*(?::v|[\"']?, [\"']?tag[\"']?: [\"']?v)(\d+\.\d+\.\d+)")


def test_the_tables_are_true_to_the_pinned_release() -> None:
    if changed := outdated(PIN, VLLM, flags_of(FLAGS)):
        pytest.fail(changed, pytrace=False)


@pytest.mark.parametrize("place", VERSIONS)
def test_every_place_is_of_the_pinned_release(place: str) -> None:
    assert VERSIONS[place] == PIN


def test_valuegen_has_coefficients_of_the_pinned_release() -> None:
    assert minor_of(PIN) == NEWEST


@cache
def images() -> dict[str, list[str]]:
    """The versions of vLLM's images in the files of the repository that name one."""
    files = [
        path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix != ".pyc"
    ]
    files += [path for path in ROOT.glob("*") if path.suffix in (".md", ".toml")]
    found = {
        str(path.relative_to(ROOT)): NAMED.findall(path.read_bytes().decode(errors="ignore"))
        for path in files
        if path.is_file()
    }
    return {name: versions for name, versions in found.items() if versions}


def test_every_image_of_vllm_that_a_file_names_is_the_pinned_one() -> None:
    assert len(images()) > 12
    assert {name: versions for name, versions in images().items() if set(versions) != {PIN}} == {}
