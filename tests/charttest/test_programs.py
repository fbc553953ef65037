"""Programs are started through a moment in which the kernel cannot, and refused by name after it."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from charttest import programs
from charttest.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that greets and repeats its input."""
    path = tmp_path / "a program"
    path.write_bytes(b"#!/bin/sh\necho hello; cat\n")
    path.chmod(0o755)
    return path


def test_a_program_that_is_being_written_is_started_once_it_is_closed(program: Path) -> None:
    writing = program.open("ab")
    with pytest.raises(OSError, match="Text file busy"):
        subprocess.run([program], check=False)
    closing = threading.Timer(0.3, writing.close)
    closing.start()
    assert programs.run([str(program)], stdin="you").stdout == "hello\nyou"
    closing.join()


def test_a_program_that_stays_busy_is_refused_with_the_reason(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "PATIENCE_SECONDS", 0.2)
    with program.open("ab"), pytest.raises(StartError, match=r"a program: cannot be started \(ETXTBSY: Text"):
        programs.run([str(program)])


def test_a_program_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"none: cannot be started \(ENOENT"):
        programs.run([str(tmp_path / "none")])


def test_a_program_without_input_reads_none() -> None:
    assert programs.run(["cat"]).stdout == ""
