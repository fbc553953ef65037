"""Lints a chart: `helm lint`, then every check on every render that was asked for."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from charttest.checks import Finding
from charttest.checks.schema import versions
from charttest.errors import CharttestError
from charttest.helm import Helm, HelmError
from charttest.render import FindingsError, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# A values file says in comments which objects it expects to exist: `# external: Secret/hf-token, ...`
_EXTERNAL = re.compile(r"^#\s*external:\s*(.+)$", re.M)
# ... and the oldest Kubernetes that has what it uses: `# needs Kubernetes: 1.31`
_NEEDS = re.compile(r"^#\s*needs Kubernetes:\s*(\d+\.\d+)\s*$", re.M)


class ChartNotFoundError(CharttestError):
    """The path is no chart."""


@dataclass(frozen=True)
class Scenario:
    """One set of values that the chart is rendered with, and what it expects to exist."""

    name: str
    values: tuple[Path, ...] = ()
    external: frozenset[str] = frozenset()
    oldest: str = ""

    @classmethod
    def of(cls, *values: Path, external: Iterable[str] = ()) -> Scenario:
        """The scenario of these values files, with what their `# external:` lines and the caller declare."""
        declared = [
            name for path in values for line in _EXTERNAL.findall(path.read_text()) for name in _names(line)
        ]
        needs = [version for path in values for version in _NEEDS.findall(path.read_text())]
        name = " ".join(path.name for path in values) or "defaults"
        return cls(name, values, frozenset([*declared, *external]), max(needs, key=_minor, default=""))

    def runs_on(self, kube_version: str) -> bool:
        """Whether this Kubernetes has everything that the scenario uses."""
        return not self.oldest or _minor(kube_version) >= _minor(self.oldest)


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split(".")[:2])


def _names(line: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", line) if name]


def scenarios(chart: Path, external: Iterable[str] = ()) -> list[Scenario]:
    """The chart's ci/*-values.yaml, one scenario each; its defaults when it has none."""
    files = sorted((chart / "ci").glob("*-values.yaml"))
    return [Scenario.of(path, external=external) for path in files] or [Scenario.of(external=external)]


@dataclass(frozen=True)
class LintFinding:
    """A finding and the renders that have it, each as `values, Kubernetes 1.30, Helm 3`."""

    finding: Finding
    renders: tuple[str, ...]


@dataclass
class Report:
    """What a lint found, and in how many renders it looked."""

    renders: int = 0
    found: dict[Finding, list[str]] = field(default_factory=dict)

    @property
    def findings(self) -> list[LintFinding]:
        """The findings in the order in which they were met, each once."""
        return [LintFinding(finding, tuple(where)) for finding, where in self.found.items()]


def require_chart(chart: Path) -> Path:
    """The chart's path; ChartNotFoundError when there is no Chart.yaml."""
    if not (chart / "Chart.yaml").is_file():
        raise ChartNotFoundError(f"{chart}: there is no Chart.yaml in it", "give the folder of a chart")
    return chart


def lint(
    chart: Path,
    cases: Sequence[Scenario],
    helms: dict[int, Helm],
    *,
    kube_versions: Sequence[str] = (),
    crds: Sequence[Path] = (),
    ignore: Sequence[str] = (),
) -> Report:
    """Renders the chart for every scenario, Kubernetes and Helm version and collects what is wrong.

    `helms` maps a major version to its binary; no `kube_versions` means the newest one that is known.
    """
    require_chart(chart)
    matrix = [
        (scenario, version, major)
        for scenario in cases
        for version in kube_versions or versions()[-1:]
        if scenario.runs_on(version)
        for major in helms
    ]

    def look(case: tuple[Scenario, str, int]) -> list[Finding]:
        scenario, version, major = case
        found = list(_helm_lint(chart, scenario, version, helms[major]))
        try:
            render(
                chart,
                *scenario.values,
                kube_version=version,
                helm=helms[major],
                external=scenario.external,
                crds=crds,
                ignore=ignore,
            )
        except HelmError as error:
            found = [_finding("render", chart, error.output, "correct the values or the template")]
        except FindingsError as error:
            found += error.findings
        return found

    report = Report(renders=len(matrix))
    with ThreadPoolExecutor(max_workers=4) as pool:
        for (scenario, version, major), found in zip(matrix, pool.map(look, matrix), strict=True):
            for finding in found:
                report.found.setdefault(finding, []).append(
                    f"{scenario.name}, Kubernetes {version}, Helm {major}"
                )
    return report


# "[ERROR] templates/: ..." and "[WARNING] Chart.yaml: ..."; --strict fails on both. Helm 4 logs the rest.
_LINT_LINE = re.compile(r"^\[(?:ERROR|WARNING)\] (.+)$", re.M)


def _helm_lint(chart: Path, scenario: Scenario, version: str, helm: Helm) -> Iterator[Finding]:
    try:
        helm.lint(chart, scenario.values, kube_version=version)
    except HelmError as error:
        for message in _LINT_LINE.findall(error.output) or [error.output]:
            yield _finding("helm-lint", chart, message, "do what `helm lint --strict` asks for")


def _finding(check: str, chart: Path, message: str, fix: str) -> Finding:
    return Finding(check, f"Chart/{chart.resolve().name}", message, fix)
