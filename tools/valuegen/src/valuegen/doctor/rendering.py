"""What would be installed: the values rendered by helm, as `helm install` would, for the cluster's Kubernetes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from valuegen.doctor.objects import Object, one_line
from valuegen.errors import ClusterError, UsageError
from valuegen.frozen import dataclass

CHART = "charts/vllm-stack"  # where a clone of the repository has it


@dataclass(frozen=True)
class Given:
    """The values on a command line: helm reads, types and merges them as when it installs."""

    files: tuple[Path, ...]
    settings: tuple[
        tuple[str, str], ...
    ] = ()  # helm's option and what follows it, for example --set and a.b=1

    @property
    def options(self) -> list[str]:
        """The same as helm's options."""
        files = [("--values", str(path)) for path in self.files]
        return [word for pair in (*files, *self.settings) for word in pair]


@dataclass(frozen=True)
class Rendering:
    """What `helm install` would be given."""

    helm: str
    chart: str
    given: Given
    release: str
    namespace: str

    @classmethod
    def of(cls, chart: str | None, given: Given, release: str, namespace: str) -> Rendering:
        """With helm on PATH and, where none is named, the chart of a clone; an error names what is missing."""
        helm = shutil.which("helm")
        if helm is None:
            raise ClusterError(
                "helm: is not on PATH", "install it: --preflight reads what the chart makes of the values"
            )
        if chart is None and not Path(CHART, "Chart.yaml").is_file():
            raise UsageError(
                f"--chart: is not given, and {CHART} is not here", "name it as in `helm install NAME CHART`"
            )
        return cls(helm, chart or CHART, given, release, namespace)

    def objects(self, kubernetes: str | None) -> list[Object]:
        """Every object, hooks and CRDs included, for this version of Kubernetes or helm's own newest.

        UsageError with helm's words if the chart refuses the values.
        """
        options = [*self.given.options, *(["--kube-version", kubernetes] if kubernetes else [])]
        what = ("template", self.release, self.chart, "--namespace", self.namespace, "--include-crds")
        done = subprocess.run(
            [self.helm, *what, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().removeprefix("Error: ")
            said = said.partition("): ")[2] if said.startswith("execution error at (") else said
            raise UsageError(f"{self.subject}: helm says: {one_line(said, 2000)}", "correct the values")
        return _objects(done.stdout)

    @property
    def subject(self) -> str:
        """The files, for people; what is set beside them may be a secret."""
        return ", ".join(map(str, self.given.files)) or "the values"


def _objects(text: str) -> list[Object]:
    from ruamel.yaml import YAML  # noqa: PLC0415  (slow to import)

    return [item for item in YAML(typ="safe").load_all(text) if item]
