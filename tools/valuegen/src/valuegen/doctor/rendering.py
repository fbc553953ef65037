"""What would be installed: the values rendered by helm, as `helm install` would, for the cluster's Kubernetes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from valuegen.doctor.objects import Object, one_line
from valuegen.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

CHART = "charts/vllm-stack"  # where a clone of the repository has it


def find_helm() -> str:
    """helm on PATH; ClusterError without one."""
    program = shutil.which("helm")
    if program is None:
        raise ClusterError(
            "helm: is not on PATH", "install it: --preflight reads what the chart makes of the values"
        )
    return program


def chart_or_default(chart: str | None) -> str:
    """The chart to render; UsageError if none is named and none lies here."""
    if chart is not None:
        return chart
    if not Path(CHART, "Chart.yaml").is_file():
        raise UsageError(
            f"--chart: is not given, and {CHART} is not here", "name it as in `helm install NAME CHART`"
        )
    return CHART


def render(
    helm: str, chart: str, values: Sequence[Path], release: str, namespace: str, kubernetes: str | None
) -> list[Object]:
    """Every object of the release, hooks and CRDs included; UsageError with helm's words if the chart refuses."""
    files = [option for path in values for option in ("--values", str(path))]
    version = ["--kube-version", kubernetes] if kubernetes else []
    done = subprocess.run(
        [helm, "template", release, chart, "--namespace", namespace, "--include-crds", *version, *files],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().removeprefix("Error: ")
        said = said.partition("): ")[2] if said.startswith("execution error at (") else said
        raise UsageError(
            f"{', '.join(map(str, values))}: helm says: {one_line(said, 2000)}", "correct the values"
        )
    return _objects(done.stdout)


def _objects(text: str) -> list[Object]:
    from ruamel.yaml import YAML  # noqa: PLC0415  (slow to import)

    return [item for item in YAML(typ="safe").load_all(text) if item]
