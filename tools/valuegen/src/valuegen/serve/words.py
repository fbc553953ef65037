"""Words of a command line -> flags, as vLLM's argument parser reads them.

Source: vLLM 0.33.0 utils/argparse_utils.py (FlexibleArgumentParser), which is argparse with
underscores taken for dashes, `--json-flag.key value`, and -O3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from valuegen.frozen import dataclass
from valuegen.serve.table import OPTIMIZATION_LEVEL, flag_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valuegen.yamledit import KeyPath

Problem = Literal["unknown", "abbreviated", "ambiguous", "spaced", "stray", "no-value", "has-value"]

NUMBER = re.compile(r"-\d+(\.\d*)?|-\.\d+")  # what argparse takes for a value, not for a flag
JSON_KINDS = ("json", "text-or-json")


@dataclass(frozen=True)
class Flag:
    """One use of a flag."""

    name: str  # its own name without dashes; as written when vLLM does not know it
    key: str  # of a JSON flag: the key that is set, "" for the whole value
    value: Any  # of args: as YAML reads it; of extraArgs: text, a list of texts, or true and false
    written: str  # as it stands in the file
    at: KeyPath  # below the model's body
    problem: Problem | None = None

    @property
    def kind(self) -> str:
        """How vLLM reads its value; "" for a flag that it does not know."""
        return flag_table().kinds.get(self.name, "")


def from_map(args: Mapping[str, Any]) -> Iterator[Flag]:
    """The flags of the chart's `args`: names without dashes, values as YAML reads them."""
    table = flag_table()
    for written, value in args.items():
        name, dot, key = str(written).partition(".")
        if dot and table.kinds.get(name) not in JSON_KINDS:
            name, key = str(written), ""
        known = name in table.kinds
        yield Flag(name, key, value, str(written), ("args", str(written)), None if known else "unknown")


def from_words(words: Sequence[str]) -> Iterator[Flag]:
    """The flags of the chart's `extraArgs`, which stand on the command line word for word."""
    position = 0
    while position < len(words):
        word = words[position]
        at = ("extraArgs", str(position))
        position += 1
        if not _is_flag(word):
            yield Flag(word, "", None, word, at, "spaced" if word.startswith("-") else "stray")
            continue
        flag, takes = _read(word, at)
        if takes == 0:
            yield flag
            continue
        values: list[str] = []
        while position < len(words) and not words[position].startswith("--") and len(values) < takes:
            if _is_flag(words[position]):
                break
            values.append(words[position])
            position += 1
        if not values:
            # What an unknown flag would have taken cannot be known.
            yield flag if flag.problem == "unknown" else _with(flag, None, "no-value")
        else:
            yield _with(flag, values if flag.kind == "list" else values[0], flag.problem)


MANY = 10**6


def _read(word: str, at: KeyPath) -> tuple[Flag, int]:
    """The flag that a word begins, and how many more words may belong to it."""
    table = flag_table()
    start, equals, value = word.partition("=")
    if start.startswith("-O") and word != "-O":
        return Flag(OPTIMIZATION_LEVEL, "", word[2:].removeprefix("="), word, at), 0
    base, _, key = start.partition(".")
    problem: Problem | None = None
    found = table.find(start) or (table.find(base) if key else None)
    if found is None:
        candidates = table.beginning_with(start)
        if len(candidates) != 1:
            problem = "ambiguous" if candidates else "unknown"
            name = start.lstrip("-").replace("_", "-")
            return Flag(name, "", value or None, start, at, problem), 0 if equals else 1
        found, problem = table.find(candidates[0]), "abbreviated"
    if found is None:
        raise ValueError(f"{candidates[0]} is a spelling of no flag")
    name, on = found
    kind = table.kinds[name]
    if key and kind not in JSON_KINDS:
        return Flag(start.lstrip("-"), "", None, start, at, "unknown"), 0 if equals else 1
    if kind in ("switch", "true-only"):
        return Flag(name, "", on, start, at, "has-value" if equals else problem), 0
    if equals:
        return Flag(name, key, [value] if kind == "list" else value, start, at, problem), 0
    return Flag(name, key, None, start, at, problem), MANY if kind == "list" else 1


def _with(flag: Flag, value: Any, problem: Problem | None) -> Flag:
    return Flag(flag.name, flag.key, value, flag.written, flag.at, problem)


def _is_flag(word: str) -> bool:
    return (
        word.startswith("-")
        and len(word) > 1
        and " " not in word.partition("=")[0]
        and not NUMBER.fullmatch(word)
    )
