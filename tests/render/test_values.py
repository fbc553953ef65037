"""values.yaml, its schema and the templates name the same keys, and every key is explained."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart

# Maps whose keys are the user's: an empty default says nothing about them.
FREE = {
    "global",
    "models",
    "monitoring.collector.resources",
    "monitoring.dashboards.labels",
    "routing.defaults.annotations",
    "routing.inferencePool.endpointPickers",
    "routing.inferencePool.tiers",
    "routing.istio.connectionPool",
    "routing.istio.outlierDetection",
    "routing.routes",
    "serviceAccount.annotations",
    "storage.claims",
    "wva",
    *(
        f"defaults.{name}"
        for name in (
            "args",
            "disaggregation.extraConfig",
            "env",
            "podAnnotations",
            "podLabels",
            "podSecurityContext",
            "resources",
            "scheduling.affinity",
            "scheduling.nodeSelector",
            "securityContext",
            "service.annotations",
            "source.job.nodeSelector",
            "source.job.resources",
        )
    ),
}


@pytest.fixture(scope="module")
def schema(chart: Chart) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((chart.path / "values.schema.json").read_text())
    return found


def default_keys(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        place = f"{path}.{key}" if path else key
        yield place
        if isinstance(value, dict) and place not in FREE:
            yield from default_keys(value, place)


def schema_keys(part: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[str]:
    part = root["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    for key, value in part.get("properties", {}).items():
        place = f"{path}.{key}" if path else key
        if key == "variants":  # of a model only: a body inside a body
            continue
        yield place
        if place not in FREE:
            yield from schema_keys(value, root, place)


def test_defaults_and_schema_name_the_same_keys(chart: Chart, schema: dict[str, Any]) -> None:
    values = yaml.safe_load((chart.path / "values.yaml").read_text())
    assert set(default_keys(values)) == set(schema_keys(schema, schema))


def test_every_key_is_read_by_a_template(chart: Chart, schema: dict[str, Any]) -> None:
    text = "\n".join(
        path.read_text()
        for folder in ("templates", "files/rules")  # these files are templates, too
        for path in (chart.path / folder).rglob("*")
        if path.suffix in (".tpl", ".yaml", ".txt")
    )
    words = set(re.findall(r"[A-Za-z]+", text))
    # `global` is for parent charts; behavior is merged as a whole.
    unread = {key for key in schema_keys(schema, schema) if key.rpartition(".")[2] not in words}
    assert unread <= {"global", "defaults.autoscaling.behavior.scaleUp"}


def test_every_key_of_the_values_has_a_comment_above_it(chart: Chart) -> None:
    lines = (chart.path / "values.yaml").read_text().splitlines()
    bare = [
        line.strip()
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"\s*[A-Za-z]+:", line) and not above.strip().startswith("#")
    ]
    assert bare == []


def test_the_schema_is_strict_wherever_keys_are_fixed(schema: dict[str, Any]) -> None:
    def loose(part: Any, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if "properties" in part and part.get("additionalProperties") is not False:
                yield path
            for key, value in part.items():
                yield from loose(value, f"{path}/{key}")

    assert list(loose(schema, "")) == []


def templates(chart: Chart) -> dict[str, str]:
    """The text of every template of the chart and its subchart."""
    paths = [path for path in chart.path.rglob("templates/**/*") if path.is_file()]
    assert len(paths) > 80
    return {str(path): path.read_text() for path in paths}


def test_no_template_is_longer_than_a_hundred_lines(chart: Chart) -> None:
    lines = {name: len(text.splitlines()) for name, text in templates(chart).items()}
    assert {name: count for name, count in lines.items() if count > 100} == {}


def alone(text: str) -> list[str]:
    """The calls of `include`, by a name that `template` would take, whose text goes nowhere but where they stand."""
    found = []
    for call in re.findall(r'\{\{-? ?include (?=")((?:"(?:\\.|[^"\\])*"|[^"{}])*?) ?-?\}\}', text):
        rest, count = re.sub(r'"(?:\\.|[^"\\])*"', "", call), 1
        while count:
            rest, count = re.subn(r"\([^()]*\)", "", rest)
        if "|" not in rest:
            found.append(call)
    return found


def test_include_is_for_texts_that_are_used_and_template_for_the_rest(chart: Chart) -> None:
    assert alone('{{- include "a" (list . "b|c" (print "{" | trim)) -}}{{ include "d" . | quote }}') == [
        '"a" (list . "b|c" (print "{" | trim))'
    ]
    assert {name: found for name, text in templates(chart).items() if (found := alone(text))} == {}
