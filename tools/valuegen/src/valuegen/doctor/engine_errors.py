"""The last words of an engine, translated: the table of what engines print is engine_errors.toml."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

from valuegen.errors import Reason
from valuegen.frozen import dataclass

# "(EngineCore pid=71) ERROR 11-21 17:02:03 [core.py:983] ValueError: ..." -> "ValueError: ..."
PREFIX = re.compile(r"^(?:\([^)]*pid=\d+\)\s*)*(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\]\s*)?)?")


@dataclass(frozen=True)
class EngineError:
    """One thing that engines print: how it is recognised, what it means, what to do."""

    id: str
    pattern: re.Pattern[str]
    why: str  # may use the pattern's groups
    fix: str
    source: str  # the file that prints it
    only_failed: bool = False  # too ordinary a word to explain a process that ended well


@dataclass(frozen=True)
class Translation:
    """A reason, and the line of the log that it was read from."""

    reason: Reason
    line: str


@cache
def engine_errors() -> tuple[EngineError, ...]:
    """The table, in the order in which a log is searched."""
    text = resources.files("valuegen.doctor").joinpath("engine_errors.toml").read_text(encoding="utf-8")
    return tuple(
        EngineError(
            each["id"],
            re.compile(each["pattern"]),
            each["why"],
            each["fix"],
            each["source"],
            each.get("only-failed", False),
        )
        for each in tomllib.loads(text)["error"]
    )


def translate(log: str, *, failed: bool) -> Translation | None:
    """What a log says about the end of its engine; `failed`: it did not end with exit code 0."""
    lines = [PREFIX.sub("", line) for line in log.splitlines()]
    for error in engine_errors():
        if error.only_failed and not failed:
            continue
        for line in lines:
            match = error.pattern.search(line)
            if match:
                found = {key: value or "" for key, value in match.groupdict().items()}
                reason = Reason(error.id, error.why.format(**found), error.fix.format(**found))
                return Translation(reason, line.strip())
    return None


def last_words(log: str) -> str:
    """The last line that says something; empty for an empty log."""
    lines = [PREFIX.sub("", line).strip() for line in log.splitlines()]
    return next((line for line in reversed(lines) if line), "")
