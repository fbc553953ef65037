"""A lint report as text, JSON, SARIF 2.1.0 or GitHub annotations. Pure: returns text, prints nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from charttest.checks import ALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from charttest.lint import LintFinding, Report


def _where(item: LintFinding) -> str:
    more = len(item.renders) - 1
    return item.renders[0] + (f" and {more} more" if more else "")


def _sentence(item: LintFinding) -> str:
    found = item.finding
    return f"{found.object}: {found.message}; {found.fix} (in {_where(item)})"


def _file(chart: Path, item: LintFinding) -> str:
    """The path of the template of a finding; `# Source:` begins with the chart's name instead."""
    source = item.finding.source.partition("/")[2]
    return (chart / source).as_posix() if source else (chart / "Chart.yaml").as_posix()


def as_text(report: Report, chart: Path) -> str:
    """For people: a paragraph per finding, then one line that sums up."""
    lines = []
    for item in report.findings:
        found = item.finding
        lines += [f"{_file(chart, item)}: {found.object}: {found.message}"]
        lines += [f"    {found.fix} [{found.check}]", f"    in {_where(item)}"]
    count = len(report.findings)
    lines.append(f"{chart}: {report.renders} render(s), {len(ALL)} checks, {count or 'no'} finding(s)")
    return "\n".join(lines)


def as_json(report: Report, chart: Path) -> str:
    """For programs: {"schema", "chart", "renders", "findings"}."""
    findings = [
        {
            "check": item.finding.check,
            "object": item.finding.object,
            "message": item.finding.message,
            "fix": item.finding.fix,
            "file": _file(chart, item),
            "renders": list(item.renders),
        }
        for item in report.findings
    ]
    document = {"schema": 1, "chart": chart.as_posix(), "renders": report.renders, "findings": findings}
    return json.dumps(document, indent=2)


def as_sarif(report: Report, chart: Path) -> str:
    """For code scanning: SARIF 2.1.0 with one rule per check."""
    rules: list[dict[str, Any]] = [
        {"id": check.id, "shortDescription": {"text": check.sentence}, "help": {"text": check.fix}}
        for check in ALL
    ]
    known = {check.id for check in ALL}
    rules += [
        {"id": name} for name in dict.fromkeys(i.finding.check for i in report.findings) if name not in known
    ]
    results = [
        {
            "ruleId": item.finding.check,
            "level": "error",
            "message": {"text": _sentence(item)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _file(chart, item)}}}],
        }
        for item in report.findings
    ]
    driver = {"name": "charttest", "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def as_github(report: Report, chart: Path) -> str:
    """For GitHub Actions: one `::error` command per finding, which marks the file."""
    lines = []
    for item in report.findings:
        text = _sentence(item)
        for char, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
            text = text.replace(char, escape)
        lines.append(f"::error file={_file(chart, item)},title={item.finding.check}::{text}")
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Report, Path], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
