"""What doctor prints for people: the cause in the first line, then a paragraph per finding, in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from valuegen.checkreport import COLOURS
from valuegen.report import WIDTH
from valuegen.table import hanging

if TYPE_CHECKING:
    from valuegen.doctor.findings import Finding, Report

LABEL = 8  # "  Seen: "


def show(report: Report) -> None:
    """The report; a healthy release takes one line, and one more for what could not be read."""
    click.echo(report.first_line)
    for finding in report.findings:
        click.echo()
        _show(finding)
    for entry in report.load:
        click.echo(hanging("", f"load: {entry['said']}", indent=0, width=WIDTH))
    if report.not_asked:
        text = f"not judged, since you may not read them: {', '.join(report.not_asked)}"
        click.echo(hanging("", text, indent=0, width=WIDTH))


def _show(finding: Finding) -> None:
    level = click.style(finding.level, fg=COLOURS[finding.level])
    click.echo(f"{level}: {click.style(finding.object, bold=True)} [{finding.id}]")
    for label, text in (("Seen", finding.seen), ("Why", finding.why), ("Next", finding.fix)):
        click.echo(hanging(f"  {label}:", text, indent=LABEL, width=WIDTH))


def summary(report: Report) -> str:
    """How many findings of each level."""
    counts = {
        level: sum(finding.level == level for finding in report.findings) for level in ("error", "warning")
    }
    return ", ".join(
        f"{number} {level}{'' if number == 1 else 's'}" for level, number in counts.items() if number
    )
