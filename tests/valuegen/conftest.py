"""The command line in this process; property tests without a clock, since machines differ."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from valuegen.cli import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


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


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
