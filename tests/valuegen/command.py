"""Runs the command line in this process, as a shell would see it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from valuegen.cli import run


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str


def valuegen(*arguments: str) -> Outcome:
    """Run `valuegen ARGUMENTS`."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = run([str(argument) for argument in arguments])
    return Outcome(code, stdout.getvalue(), stderr.getvalue())
