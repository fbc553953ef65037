"""What `check` shows to people: a line per model, then a paragraph per finding, in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from valuegen.report import VERDICTS, WIDTH
from valuegen.table import hanging
from valuegen.words import gpus

if TYPE_CHECKING:
    from valuegen.check import CheckReport
    from valuegen.checks import Finding
    from valuegen.fit import FitResult

COLOURS = {"error": "red", "warning": "yellow", "unknown": "cyan"}
WORDS = {"error": "error", "warning": "warning", "unknown": "not judged"}
PLURALS = {"error": "errors", "warning": "warnings", "unknown": "not judged"}


def show_check(report: CheckReport) -> None:
    """Every model with its verdict, every finding with what to do, and where it stands."""
    if not report.models:
        click.echo("no models")
    for name, result in report.models.items():
        click.echo(_model_line(name, result))
    for finding in report.findings:
        click.echo()
        _show_finding(finding)


def summary(report: CheckReport) -> str:
    """How many findings of each level."""
    counts = [
        f"{count} {WORDS[level] if count == 1 else PLURALS[level]}"
        for level in WORDS
        if (count := report.count(level))
    ]
    return ", ".join(counts) or "no findings"


def _model_line(name: str, result: FitResult | None) -> str:
    if result is None:
        return hanging(
            f"{name}:", click.style("not judged", fg=COLOURS["unknown"]), indent=len(name) + 2, width=WIDTH
        )
    words, colour = VERDICTS[result.verdict]
    held = ""
    if result.fits and result.capacity is not None:
        at_once = min(result.capacity.max_concurrency, result.settings.max_num_seqs)
        held = f", {at_once:.1f} requests of {result.settings.max_model_len:,} tokens at once"
    text = f"{words} on {gpus(result)}{held}"
    lines = hanging(f"{name}:", text, indent=min(len(name) + 2, WIDTH // 2), width=WIDTH)
    return lines.replace(words, click.style(words, fg=colour), 1)


def _show_finding(finding: Finding) -> None:
    where = click.style(f"{finding.file}:{finding.line}", bold=True)
    click.echo(f"{where}  {finding.path}" if len(finding.file) + len(finding.path) < WIDTH - 8 else where)
    if len(finding.file) + len(finding.path) >= WIDTH - 8:
        click.echo(f"  {finding.path}")
    level = WORDS[finding.level]
    text = hanging("", f"{level}: {finding.message} [{finding.id}]", indent=2, width=WIDTH)
    click.echo(text.replace(level, click.style(level, fg=COLOURS[finding.level]), 1))
    click.echo(hanging("", f"Next: {finding.fix}", indent=2, width=WIDTH))
