"""What concerns every tier: pytest's fixture for testing plugins, and the closing lines of what was measured.

The fixtures for charts come from charttest's plugin. The closing lines are here and not beside their tests
because with pytest-xdist the process that prints it loads no other conftest.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

GOLDEN = "golden"  # the property in which a golden test records its counts
TRAFFIC = "traffic"  # the one in which a disruption test records what its clients lost


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts of all golden tests of this run, and what each group of clients lost."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in getattr(report, "user_properties", ()):
                if name == TRAFFIC:
                    terminalreporter.write_line(str(line))
    _golden(terminalreporter)


def _golden(terminalreporter: pytest.TerminalReporter) -> None:
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
