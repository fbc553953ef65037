"""A file of prices -> USD per GPU and hour, by catalogue name."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from valuegen.catalog.gpus import Gpu
from valuegen.errors import GpuError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 1024**2  # bytes
EXAMPLE = "one price to a line, such as H100-80GB = 2.10 (TOML), or an object of them (JSON)"


def read_prices(path: Path) -> dict[str, float]:
    """The prices in a TOML or JSON file; UsageError names the line and the rule that it breaks."""
    text = _read(path)
    entries = _json(path, text) if text.lstrip().startswith("{") else _toml(path, text)
    if not entries:
        raise UsageError(f"--prices {path}: holds no price", f"write {EXAMPLE}")
    prices: dict[str, float] = {}
    for name, value in entries:
        where = f"--prices {path}{_line_of(text, name, len(prices))}"
        try:
            gpu = Gpu.find(name)
        except GpuError as error:
            raise UsageError(f"{where}: {name}: no such GPU", error.fix) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{where}: {name}: {value!r} is no number", "give USD per GPU and hour")
        if not math.isfinite(value) or value < 0:
            raise UsageError(f"{where}: {name}: {value} is no price", "give 0 or more USD per GPU and hour")
        if gpu.name in prices:
            raise UsageError(f"{where}: {name}: {gpu.name} has a price already", "keep one of them")
        prices[gpu.name] = float(value)
    return prices


def _read(path: Path) -> str:
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise UsageError(f"--prices {path}: is no file", f"name a file with {EXAMPLE}")
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"--prices {path}: is larger than 1 MiB", f"write {EXAMPLE}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"--prices {path}: is no UTF-8 text", f"write {EXAMPLE}") from None
    except OSError as error:
        raise UsageError(
            f"--prices {path}: cannot be read ({error.strerror})", "correct the path or its permissions"
        ) from None


def _json(path: Path, text: str) -> list[tuple[str, Any]]:
    try:
        return list(json.loads(text, object_pairs_hook=Entries).items)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"--prices {path} line {error.lineno}: is no JSON ({error.msg})", f"write {EXAMPLE}"
        ) from None
    except RecursionError:
        raise UsageError(f"--prices {path}: is nested too deeply", f"write {EXAMPLE}") from None


class Entries:
    """The keys and values of a JSON object, also those that stand there twice."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        self.items = items

    def __repr__(self) -> str:
        """As a message shows it."""
        return "an object"


def _toml(path: Path, text: str) -> list[tuple[str, Any]]:
    import tomllib  # noqa: PLC0415  (only a file of prices needs it here)

    try:
        return list(tomllib.loads(text).items())
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+)", str(error))
        where = f" line {line[1]}" if line else ""
        rule = str(error).partition(" (at ")[0]
        raise UsageError(f"--prices {path}{where}: is no TOML ({rule})", f"write {EXAMPLE}") from None
    except RecursionError:
        raise UsageError(f"--prices {path}: is nested too deeply", f"write {EXAMPLE}") from None


def _line_of(text: str, name: str, before: int) -> str:
    """Where a name stands: the first line with it that is not among the entries before it."""
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if name in line]
    later = [number for number in lines if number > before] or lines
    return f" line {later[0]}" if later else ""
