"""Signals that ask the program to end: they do, wherever it is just then."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from tests.interruptible import INTERRUPTIBLE

PROGRAM = f"""{INTERRUPTIBLE}
import os, weakref
from charttest.signals import terminate_like_interrupt

class Finalised:
    def __init__(self, act):
        self.act = act
    def __del__(self):
        self.act()

def in_finaliser(act):
    Finalised(act)

def in_callback(act):
    alive = Finalised(lambda: None)
    held = weakref.ref(alive, lambda _: act())
    del alive

def at_fork(act):
    os.register_at_fork(after_in_parent=act)
    if os.fork() == 0:
        os._exit(0)

def in_place(act):
    act()

with terminate_like_interrupt():
    {{place}}(lambda: {{act}})
    input()
"""
PLACES = ("in_place", "in_finaliser", "in_callback", "at_fork")


def run(place: str, act: str) -> tuple[str, int]:
    """What it says to stderr, and its exit code."""
    code = PROGRAM.format(place=place, act=act)
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        # Not communicate() alone: it closes stdin, and the program would end of that.
        process.wait(timeout=60)
        return process.communicate()[1], process.returncode


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_signal_ends_the_program_also_where_python_ignores_exceptions(
    place: str, number: signal.Signals, code: int
) -> None:
    said, ended = run(place, f"signal.raise_signal({int(number)})")
    assert ended == code, said
    assert "ignored" not in said


@pytest.mark.parametrize("place", PLACES[1:])
def test_any_other_ignored_exception_is_told_as_ever(place: str) -> None:
    code = PROGRAM.replace("input()", "").format(place=place, act="1 / 0")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.count("ZeroDivisionError") == 1
