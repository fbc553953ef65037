"""Every argument the chart renders is one that the pinned engine knows, spelled as its parser wants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from charttest.checks import Manifests
from charttest.checks.model import SERVING
from charttest.lint import Scenario

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart

KINDS = ("switches", "trueOnly", "lists", "repeated", "json", "values")


@pytest.fixture(scope="module")
def table(chart: Chart) -> dict[str, set[str]]:
    """The flags of the engine by spelling."""
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())
    return {kind: set(engine["flags"][kind].split()) for kind in KINDS}


@pytest.fixture(scope="module")
def owned(chart: Chart) -> set[str]:
    """The flags that the chart sets itself."""
    return set(yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())["owned"])


def flags(arguments: list[str]) -> set[str]:
    """The names of the flags in a command line, without --, --no- and what follows = or a dot."""
    return {match[1] for text in arguments if (match := re.match(r"--([a-z0-9-]+)", text))}


def test_every_flag_of_every_scenario_is_in_the_table(chart: Chart, table: dict[str, set[str]]) -> None:
    known = set().union(*table.values()) | {f"no-{name}" for name in table["switches"]}
    seen: set[str] = set()
    for scenario in chart.scenarios:
        rendered = chart.render(*scenario.values, external=scenario.external)
        engines = [pod for pod in Manifests(rendered.objects).pods if pod.owner.kind in SERVING]
        assert engines
        for pod in engines:
            container = pod.spec["containers"][0]
            if container.get("command") == ["vllm", "serve"]:
                seen |= flags(container["args"])
    assert len(seen) > 15
    assert seen - known == set()


def test_a_flag_has_one_spelling(table: dict[str, set[str]]) -> None:
    names = [name for kind in KINDS for name in table[kind]]
    assert len(names) == len(set(names))


def test_the_chart_owns_only_flags_that_exist(table: dict[str, set[str]], owned: set[str]) -> None:
    assert owned - set().union(*table.values()) - {"model"} == set()


def test_every_flag_that_is_not_owned_can_be_set(
    render_model: RenderModel, table: dict[str, set[str]], owned: set[str]
) -> None:
    values: dict[str, Any] = {
        "switches": False,
        "trueOnly": True,
        "lists": ["a", "b"],
        "repeated": ["a", "b"],
    }
    values |= {"json": {"a": 1}, "values": "a"}
    wanted = {name: values[kind] for kind in KINDS for name in table[kind] if name not in owned}
    wanted |= {"scheduling-policy": "fcfs", "tool-parser-plugin": "a", "reasoning-parser-plugin": "a"}
    container = render_model({"args": wanted}, ignore=["secrets"]).one("Deployment").spec["template"]["spec"]
    arguments = container["containers"][0]["args"]
    for kind, spelled in {
        "switches": ["--no-{}"],
        "trueOnly": ["--{}"],
        "lists": ["--{}", "a", "b"],
        "repeated": ["--{}", "a", "--{}", "b"],
        "json": ['--{}={{"a":1}}'],
        "values": ["--{}=a"],
    }.items():
        for name in table[kind] - owned - {"scheduling-policy"}:
            words = [word.format(name) for word in spelled]
            at = arguments.index(words[0])
            assert arguments[at : at + len(words)] == words


@pytest.mark.parametrize(
    ("names", "spelled"),
    [
        ([], ["--served-model-name=m"]),
        (["one"], ["--served-model-name=one"]),
        (["one", "org/two"], ["--served-model-name", "one", "org/two"]),
    ],
)
def test_every_name_follows_its_flag(render_model: RenderModel, names: list[str], spelled: list[str]) -> None:
    pod = render_model({"servedNames": names}).one("Deployment").spec["template"]["spec"]
    assert pod["containers"][0]["args"] == ["org/model", "--port=8000", *spelled, "--shutdown-timeout=120"]


def test_arguments_that_are_passed_word_for_word_come_last(render_model: RenderModel) -> None:
    body = {"args": {"max-model-len": 1}, "extraArgs": ["--seed", "7"]}
    container = render_model(body).one("Deployment").spec["template"]["spec"]["containers"][0]
    assert container["args"][-2:] == ["--seed", "7"]


def test_the_scenario_of_arguments_has_every_spelling(chart: Chart, table: dict[str, set[str]]) -> None:
    path = chart.path / "ci/engine-args-values.yaml"
    values = yaml.safe_load(Scenario.of(path).values[0].read_text())
    used = {name.partition(".")[0] for model in values["models"].values() for name in model["args"]}
    assert [kind for kind in KINDS if not used & table[kind]] == []
