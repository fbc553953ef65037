"""The values that the pages of docs/ show as examples render, and what a page says about mistakes is what is said."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from charttest.helm import HelmError, helm
from charttest.lint import Scenario
from valuegen.cli import run

if TYPE_CHECKING:
    from charttest.plugin import Chart

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    page: (DOCS / f"{page}.md").read_text()
    for page in ("models", "storage", "install", "upgrade", "backup", "monitoring")
}
BLOCKS = [
    (page, block)
    for page, text in PAGES.items()
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
]
(EXAMPLE,) = [block for page, block in BLOCKS if page == "install"]
# | `a.key: value` | `words` |, of the chart and then of `valuegen check`
MISTAKES, NUMBERS = (
    re.findall(r"^\| `([\w.-]+): ([^`]+)` \| `([^`]+)` \|$", part, re.M)
    for part in PAGES["install"].split("\nNumbers, by ")
)


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(BLOCKS)])
def test_the_examples_of_the_documentation_render(
    chart: Chart, tmp_path: Path, page: str, block: str
) -> None:
    path = tmp_path / f"{page}.yaml"
    path.write_text(block)
    assert chart.render(path, external=Scenario.of(path).external).find("Deployment")


def with_mistake(path: str, value: Any) -> dict[str, Any]:
    """The values of the example with one key set to something else."""
    values: dict[str, Any] = yaml.safe_load(EXAMPLE)
    part = values
    *parents, last = path.split(".")
    for key in parents:
        part = part[key]
    part[last] = value
    return values


def answer(chart: Chart, values: dict[str, Any]) -> str:
    """What an install says: its notes, or why it is refused."""
    where = ("llm", str(chart.path), "--namespace", "llm", "--dry-run=client", "--values", "-")
    try:
        return helm().run("install", *where, stdin=json.dumps(values)).partition("NOTES:\n")[2]
    except HelmError as error:
        return error.output


def test_the_page_about_installing_has_its_table_of_mistakes() -> None:
    assert len(MISTAKES) >= 20


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=[f"{path}-{v}" for path, v, _ in MISTAKES])
def test_a_mistake_in_the_example_is_answered_by_the_words_of_the_page(
    chart: Chart, path: str, value: str, words: str
) -> None:
    said = answer(chart, with_mistake(path, yaml.safe_load(value)))
    assert words in said
    assert words not in answer(chart, yaml.safe_load(EXAMPLE))


@pytest.mark.parametrize(("path", "value", "words"), NUMBERS, ids=[f"{path}-{v}" for path, v, _ in NUMBERS])
def test_a_number_that_does_not_fit_the_model_is_answered_by_the_words_of_the_page(
    chart: Chart, tmp_path: Path, path: str, value: str, words: str
) -> None:
    wrong = with_mistake(path, yaml.safe_load(value))
    assert answer(chart, wrong)  # the chart does not know the model
    assert words in found_by_valuegen(tmp_path / "values.yaml", wrong)
    assert found_by_valuegen(tmp_path / "values.yaml", yaml.safe_load(EXAMPLE)).count("\n") == 1


def found_by_valuegen(path: Path, values: dict[str, Any]) -> str:
    """What the command of the page says of these values, each entry on a line of its own."""
    (command,) = re.findall(r"valuegen (check) values\.yaml (--model \S+)", PAGES["install"])
    path.write_text(yaml.safe_dump(values))
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        run([command[0], str(path), *command[1].split()])
    return re.sub(r"\n {2}(?=[^ ])", " ", printed.getvalue().replace("\n\n", "\n"))


def test_the_example_is_installed_with_the_time_that_its_notes_ask_for(chart: Chart) -> None:
    (timeout,) = set(re.findall(r"--timeout \d+s", PAGES["install"]))
    assert timeout in answer(chart, yaml.safe_load(EXAMPLE))


def test_the_pages_lead_to_pages_and_headings_that_exist() -> None:
    for text in PAGES.values():
        for name, heading in re.findall(r"\]\(([\w-]+)\.md(?:#([\w-]+))?\)", text):
            found = re.findall(r"^#+ (.+)$", (DOCS / f"{name}.md").read_text(), re.M)
            anchors = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in found}
            assert not heading or heading in anchors


def images(part: Any) -> set[str]:
    """Every image of these objects, and every reference of an image volume."""
    if isinstance(part, list):
        return set().union(*map(images, part))
    if not isinstance(part, dict):
        return set()
    own = {part[key] for key in ("image", "reference") if isinstance(part.get(key), str)}
    return own.union(*map(images, part.values()))


@pytest.mark.parametrize(
    "scenario", ["oci-image", "prefill-decode", "juicefs-static", "download-beside", "extension"]
)
def test_the_command_for_air_gapped_clusters_finds_every_image(chart: Chart, scenario: str) -> None:
    found = re.search(r"grep -oE '([^']+)'", PAGES["install"])
    assert found
    values = str(chart.path / f"ci/{scenario}-values.yaml")
    rendered = helm().run("template", "r", str(chart.path), "--kube-version", "1.35", "--values", values)
    printed = {match[0] for line in rendered.splitlines() for match in re.finditer(found[1], line)}
    expected = images(list(yaml.safe_load_all(rendered)))
    assert expected
    assert {re.sub(r'^(image|reference)"?: *"?', "", text) for text in printed} >= expected
