"""kubectl as a subprocess, against one kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from charttest import parts
from charttest.errors import ClusterError
from charttest.programs import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KubectlError(ClusterError):
    """kubectl refused; `output` is what it printed."""

    def __init__(self, arguments: tuple[str, ...], output: str) -> None:
        """Keep the output apart from the command that failed."""
        self.output = output.strip()
        message = f"kubectl {' '.join(arguments)}: {self.output}"
        super().__init__(message, "do what the API server asks for")


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster."""

    kubeconfig: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Set for every kubectl that runs, beside this process's own."""

    @cached_property
    def _binary(self) -> Path:
        return parts.find("kubectl")

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl ARGUMENTS` prints; KubectlError when it fails."""
        done = run(self._command(arguments), stdin=stdin, env={**os.environ, **self.environment})
        if done.returncode:
            raise KubectlError(arguments, done.stderr or done.stdout)
        return done.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """`kubectl ARGUMENTS` while it runs, with pipes; the caller ends it."""
        pipe, environment = subprocess.PIPE, {**os.environ, **self.environment}
        return subprocess.Popen(
            self._command(arguments), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
        )

    def get(self, *arguments: str) -> Any:
        """`kubectl get ARGUMENTS` as data: an object, or the list of them."""
        document = json.loads(self("get", *arguments, "--output", "json"))
        return document["items"] if document.get("kind") == "List" else document

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        """Create or change these objects."""
        # One document each: for a List kubectl asks for the schema of everything the cluster has, which takes seconds.
        stdin = "\n---\n".join(map(json.dumps, objects))
        self("apply", "--namespace", namespace, "--filename", "-", stdin=stdin)

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(self._binary), "--kubeconfig", str(self.kubeconfig), *arguments]
