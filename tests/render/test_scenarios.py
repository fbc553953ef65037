"""Every scenario of the chart renders cleanly on the oldest and the newest Kubernetes, with Helm 3 and 4, and with Helm 3.18."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from charttest.checks.model import SERVING
from charttest.checks.schema import versions
from charttest.helm import HelmError, helm
from charttest.lint import Scenario

if TYPE_CHECKING:
    from charttest.plugin import Chart

OLDEST = "1.30"  # kubeVersion of Chart.yaml
NEWEST = versions()[-1]
FILES = sorted((Path(__file__).parents[2] / "charts/vllm-stack/ci").glob("*-values.yaml"))


@pytest.mark.parametrize(
    ("version", "kube_version"),
    [(3, OLDEST), (3, NEWEST), (4, OLDEST), (4, NEWEST), ("3.18", NEWEST)],
    ids=lambda value: f"helm{value}" if value in (3, 4, "3.18") else value,
)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_a_scenario_renders_objects_without_a_finding(
    chart: Chart, path: Path, kube_version: str, version: int | str
) -> None:
    scenario = Scenario.of(path)
    if not scenario.runs_on(kube_version):
        with pytest.raises(HelmError, match=f"needs .* which Kubernetes has from {scenario.oldest}"):
            chart.render(path, kube_version=kube_version, helm=helm(version), external=scenario.external)
        return
    rendered = chart.render(path, kube_version=kube_version, helm=helm(version), external=scenario.external)
    assert any(item.kind in SERVING for item in rendered.objects)


def test_the_oldest_kubernetes_is_the_one_that_the_chart_asks_for(chart: Chart) -> None:
    assert f'kubeVersion: ">={OLDEST}.0-0"' in (chart.path / "Chart.yaml").read_text()


def test_there_is_a_scenario_for_every_file_in_ci(chart: Chart) -> None:
    assert {path.name for path in (chart.path / "ci").iterdir()} == {path.name for path in FILES}
    assert len(chart.scenarios) == len(FILES)
