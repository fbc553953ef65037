"""Finds the real components that charts are tested with, and builds what is missing.

A program on PATH is used when its version fits, else one built from the pinned Go module in
this folder and kept in the cache.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from charttest.parts.build import build
from charttest.parts.locate import Status, locate
from charttest.parts.modules import module_dir
from charttest.parts.registry import PARTS, part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Status", "ensure", "find", "find_all", "listing", "module_dir"]


def find(name: str) -> Path:
    """Return the path of the component `name`, building it if need be; PartError if that fails."""
    return find_all([name])[name]


def find_all(names: Iterable[str], echo: Callable[[str], None] | None = None) -> dict[str, Path]:
    """Return the paths of the components `names`, building what is missing; PartError if that fails.

    `echo` gets the progress, in pieces with their own line ends; without it they go to stderr.
    """
    return {status.name: status.path for status in ensure(names, echo) if status.path}


def ensure(names: Iterable[str], echo: Callable[[str], None] | None = None) -> list[Status]:
    """Do what `find_all` does and say where each component came from."""
    say = echo or _to_stderr
    found = [locate(part(name)) for name in dict.fromkeys(names)]
    missing = [status.name for status in found if status.source == "missing"]
    for number, status in enumerate(found):
        if status.source == "missing":
            say(f"[{missing.index(status.name) + 1}/{len(missing)}] ")
            found[number] = replace(status, source="built", path=build(part(status.name), say))
    return found


def listing() -> list[Status]:
    """Return where each component is, without building any."""
    return [locate(each) for each in PARTS.values()]


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
