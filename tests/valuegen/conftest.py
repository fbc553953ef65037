"""The command line in this process, and the golden comparison's closing line."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from valuegen.cli import run

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def valuegen() -> Callable[..., Outcome]:
    """valuegen("fit", "Qwen3-8B", …) runs the command line as a shell would see it."""

    def command(*arguments: object) -> Outcome:
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = run([str(argument) for argument in arguments])
        return Outcome(code, stdout.getvalue(), stderr.getvalue())

    return command


GOLDEN = "golden"  # the property in which a golden test records its counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts of all golden tests of this run."""
    total: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == GOLDEN and isinstance(value, dict):
                total.update(value["counts"])
                excluded.update(value["excluded"])
    if not total:
        return
    failed = [report for report in terminalreporter.getreports("failed") if "test_golden" in report.nodeid]
    verdict = f"{len(failed)} MODELS DIFFER" if failed else "all equal"
    reasons = "; ".join(f"{count} x {reason}" for reason, count in excluded.items())
    terminalreporter.write_line(
        f"golden (vLLM 0.33.0's own code): {total['models']:,} models, {total['cases']:,} cases "
        f"({total['refused']:,} refused by both), {total['figures']:,} figures compared, {verdict}; "
        f"not compared: {reasons or 'nothing'}"
    )
