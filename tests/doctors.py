"""Runs `valuegen doctor` as a person would: a process of its own, with kubectl and helm on PATH."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from charttest import parts

if TYPE_CHECKING:
    from charttest.release import Release


@dataclass(frozen=True)
class Said:
    """What doctor printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def first_line(self) -> str:
        return self.stdout.partition("\n")[0]


@cache
def _programs() -> str:
    """A folder for PATH that has kubectl and helm by their plain names, until this process ends."""
    folder = Path(mkdtemp(prefix="doctor-"))
    atexit.register(shutil.rmtree, folder)
    for name, part in (("kubectl", "kubectl"), ("helm", "helm-4")):
        (folder / name).symlink_to(parts.find(part))
    return str(folder)


def doctor(release: Release, *arguments: str, kubeconfig: Path | None = None) -> Said:
    """`valuegen doctor ARGUMENTS` on the release's cluster and namespace, as its administrator or another user."""
    config = kubeconfig or release.kubectl.kubeconfig
    where = ("--kubeconfig", str(config), "--namespace", release.namespace)
    done = subprocess.run(
        [sys.executable, "-c", "from valuegen.cli import main; main()", "doctor", *arguments, *where],
        env={**os.environ, "PATH": f"{_programs()}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    return Said(done.returncode, done.stdout, done.stderr)
