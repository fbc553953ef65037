"""Findings for machines: SARIF 2.1.0 and GitHub annotations. Pure: returns text, prints nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from valuegen.checks import RULES

if TYPE_CHECKING:
    from valuegen.check import CheckReport
    from valuegen.checks import Finding

SARIF_LEVELS = {"error": "error", "warning": "warning", "unknown": "note"}
COMMANDS = {"error": "error", "warning": "warning", "unknown": "notice"}


def sentence(finding: Finding) -> str:
    """Path, rule and next step in one line."""
    return f"{finding.path}: {finding.message}; {finding.fix}"


def as_sarif(report: CheckReport) -> str:
    """For code scanning: one rule per id, one result per finding, at its line."""
    rules: list[dict[str, Any]] = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.sentence},
            "help": {"text": rule.fix},
            "defaultConfiguration": {"level": SARIF_LEVELS[rule.level]},
        }
        for rule in RULES
    ]
    results = [
        {
            "ruleId": finding.id,
            "level": SARIF_LEVELS[finding.level],
            "message": {"text": sentence(finding)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(finding.file)},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        for finding in report.findings
    ]
    run = {"tool": {"driver": {"name": "valuegen", "rules": rules}}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def as_annotations(report: CheckReport) -> str:
    """For GitHub Actions: one workflow command per finding, which marks the line."""
    return "\n".join(
        f"::{COMMANDS[finding.level]} file={_property(finding.file)},line={finding.line},"
        f"title={_property(finding.id)}::{_data(sentence(finding))}"
        for finding in report.findings
    )


def _data(text: str) -> str:
    for char, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, escape)
    return text


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
