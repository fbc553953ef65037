"""What `check` prints: text for people, JSON, SARIF and annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.valuegen.checking import KEY, SEVERAL, good
from tests.valuegen.test_check import BROKEN

from valuegen.check import check
from valuegen.checks import RULES
from valuegen.valuesfile import read

if TYPE_CHECKING:
    from collections.abc import Callable


def test_json_is_what_the_library_returns(valuegen: Callable[..., Any], in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(SEVERAL)
    for option in (["--json"], ["--format", "json"]):
        outcome = valuegen("check", "values.yaml", *option)
        document = json.loads(outcome.stdout)
        assert outcome.code == 3
        assert document == json.loads(json.dumps(check(read([Path("values.yaml")])).to_dict()))
        assert list(document) == ["schema", "findings", "models"]
        assert [list(finding) for finding in document["findings"]] == [
            ["id", "level", "path", "message", "fix"]
        ] * 2
        assert document["models"]["a"]["verdict"] == "fits"


def test_a_file_without_findings_exits_with_0(valuegen: Callable[..., Any], in_folder: Path) -> None:
    assert valuegen("values", "Qwen3-8B", "--gpu", "L40S", "-o", "values.yaml").code == 0
    outcome = valuegen("check", "values.yaml")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("qwen3-8b: fits on 1 x L40S, ")
    assert valuegen("check", "values.yaml", "--format", "annotations").stdout == ""
    (in_folder / "empty.yaml").write_text("")
    assert valuegen("check", "empty.yaml").stdout == "no models\n"


def test_text_names_place_rule_and_next_step_in_80_columns(
    valuegen: Callable[..., Any], in_folder: Path
) -> None:
    changes = {
        f"m{number}": good(**change)["models"][KEY] for number, (change, _) in enumerate(BROKEN.values())
    }
    (in_folder / "values.yaml").write_text(yaml.safe_dump({"models": changes}))
    outcome = valuegen("check", "values.yaml")
    assert outcome.code == 3
    assert outcome.stderr.startswith("valuegen: values.yaml: ")
    assert outcome.stderr.count("\n") == 1
    for line in outcome.stdout.splitlines():
        assert len(line) <= 80, line
        assert line == line.rstrip()
    findings = check(read([Path("values.yaml")])).findings
    assert len(findings) >= len(BROKEN)
    plain = " ".join(outcome.stdout.split())
    for finding in findings:
        assert f"values.yaml:{finding.line} {finding.path} " in plain
        assert " ".join(f"{finding.message} [{finding.id}] Next: {finding.fix}".split()) in plain


def test_sarif_has_a_rule_per_id_and_a_line_per_result(valuegen: Callable[..., Any], in_folder: Path) -> None:
    (in_folder / "my values.yaml").write_text(SEVERAL)
    (run,) = json.loads(valuegen("check", "my values.yaml", "--format", "sarif").stdout)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [rule.id for rule in RULES]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places] == [
        ("my%20values.yaml", 2),
        ("my%20values.yaml", 6),
    ]
    assert {result["ruleId"] for result in run["results"]} <= set(rules)
    assert {result["level"] for result in run["results"]} == {"warning", "error"}


def test_annotations_are_one_escaped_workflow_command_per_finding(
    valuegen: Callable[..., Any], in_folder: Path
) -> None:
    (in_folder / "a,b:c.yaml").write_text(SEVERAL.replace("hf://Qwen/Qwen3-8B", "pvc://claim/100%"))
    lines = valuegen("check", "a,b:c.yaml", "--format", "annotations").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::warning file=a%2Cb%3Ac.yaml,line=2,title=grace-period::models.a.shutdown.")
    assert lines[1].startswith("::notice file=a%2Cb%3Ac.yaml,line=9,title=unknown-model::")
    assert "pvc://claim/100%25" in lines[1]


@pytest.mark.parametrize("form", ["text", "sarif", "annotations"])
def test_two_forms_at_once_are_refused(valuegen: Callable[..., Any], form: str) -> None:
    outcome = valuegen("check", "values.yaml", "--json", "--format", form)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "exclude each other" in outcome.stderr
