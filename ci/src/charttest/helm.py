"""Helm as a subprocess: the commands that the other modules need, and its errors as ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from charttest import parts
from charttest.errors import RenderError
from charttest.programs import run

Values = Mapping[str, Any] | Path
"""Values of a chart: a dictionary, or the path of a YAML file."""


class HelmError(RenderError):
    """Helm refused; `output` is what it printed, without its own prefixes."""

    def __init__(self, command: str, stderr: str) -> None:
        """Keep the output apart from the command that failed."""
        self.output = _plain(stderr)
        super().__init__(f"{command}: {self.output}", "correct the values or the template that it names")


# "Error: execution error at (chart/templates/a.yaml:1:4): ..." -> "..."
_LOCATION = re.compile(r"^.*?execution error at \([^)]*\): ", re.DOTALL)
_NOISE = re.compile(
    r"^(?:level=\w+ .*|time=\S+ level=.*|walk\.go:.*|Use --debug flag to render out invalid YAML)$\n?", re.M
)


def _plain(stderr: str) -> str:
    text = _NOISE.sub("", stderr).strip()
    return _LOCATION.sub("", text).removeprefix("Error: ").strip()


@dataclass(frozen=True)
class Helm:
    """One Helm binary."""

    binary: Path

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 600) -> str:
        """What `helm ARGUMENTS` prints; HelmError when it fails. `timeout` in seconds."""
        done = run(
            [str(self.binary), *arguments],
            stdin=stdin,
            timeout=timeout,
            # Not the user's namespace, kubeconfig or Helm settings: the same result on every machine.
            env={key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))},
        )
        if done.returncode:
            raise HelmError(f"helm {arguments[0]}", done.stderr or done.stdout)
        return done.stdout

    def template(
        self, chart: Path, values: Iterable[Values], *, release: str, namespace: str, kube_version: str
    ) -> str:
        """The manifests of a chart, as one stream of YAML documents."""
        files, stdin = value_options(values)
        where = ("--namespace", namespace, "--kube-version", kube_version)
        return self.run("template", release, str(chart), *where, *files, stdin=stdin)

    def lint(self, chart: Path, values: Iterable[Values], *, kube_version: str) -> None:
        """`helm lint --strict`; HelmError with its messages when it finds something."""
        files, stdin = value_options(values)
        self.run(
            "lint", "--strict", "--quiet", str(chart), "--kube-version", kube_version, *files, stdin=stdin
        )


def value_options(values: Iterable[Values]) -> tuple[list[str], str | None]:
    """The `--values` options for files and at most one dictionary, and what to write to stdin for it.

    The dictionary comes last: it overrides the files.
    """
    given = list(values)
    dictionaries = [value for value in given if not isinstance(value, Path)]
    if len(dictionaries) > 1:
        raise ValueError("only one dictionary of values can be given; merge them first")
    options = [option for value in given if isinstance(value, Path) for option in ("--values", str(value))]
    if not dictionaries:
        return options, None
    return [*options, "--values", "-"], _yaml(dictionaries[0])


# Characters that a quoted text of YAML cannot hold as they are: JSON does not escape them.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def _yaml(values: Mapping[str, Any]) -> str:
    """The values as quoted YAML: a bare y or on, which PyYAML writes for the texts, is a boolean to Helm."""
    text = json.dumps(values, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@cache
def helm(version: int | str = 4) -> Helm:
    """The newest Helm of this major version, 3 or 4, or the oldest that charts may ask for, 3.18; found or built."""
    return Helm(parts.find(f"helm-{version}"))
