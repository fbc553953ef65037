"""Every flag of the vLLM that the chart pins, made by carry_flags.py from its argument parser.

removed.toml adds what older releases had, with the last release that took each flag and today's
spelling; both were tried on the parsers of 28 releases from 0.8.5 to 0.33.0.
"""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from valuegen.frozen import dataclass

OPTIMIZATION_LEVEL = "optimization-level"  # -O3 in short


@dataclass(frozen=True)
class FlagTable:
    """Flags by their own names, without dashes."""

    version: str
    kinds: dict[str, str]  # flag -> switch, true-only, value, list, repeated, json, text-or-json
    aliases: dict[str, str]  # other spelling, with its dashes -> flag
    opposites: dict[str, str]  # spelling that switches off, with its dashes -> flag
    choices: dict[str, tuple[str, ...]]  # of the flags whose values are limited

    def find(self, word: str) -> tuple[str, bool] | None:
        """(flag, whether it is switched on) of a spelling with its dashes; None if there is none."""
        if word in self.aliases:
            return self.aliases[word], True
        plain = word.replace("_", "-")  # as vLLM's parser does
        if plain in self.opposites:
            return self.opposites[plain], False
        if plain in self.aliases:
            return self.aliases[plain], True
        name = plain.removeprefix("--")
        return (name, True) if plain.startswith("--") and name in self.kinds else None

    def beginning_with(self, word: str) -> list[str]:
        """Every long spelling that begins with a word; vLLM takes an abbreviation if there is but one."""
        plain = word.replace("_", "-")
        known = [f"--{name}" for name in self.kinds] + [*self.aliases, *self.opposites]
        return sorted(name for name in known if name.startswith(plain)) if plain.startswith("--") else []


@dataclass(frozen=True)
class RemovedFlag:
    """A flag that this vLLM does not take any more."""

    last: str  # the last release that took it; "" if it is older than 0.8.5
    today: str  # what to do instead, as a sentence's second half


@cache
def flag_table() -> FlagTable:
    """The flags of the pinned vLLM."""
    facts = json.loads(_text("flags.json"))
    return FlagTable(
        version=facts["vllm_version"],
        kinds={name: kind for kind, names in facts["kinds"].items() for name in names},
        aliases={**facts["aliases"], "-O": OPTIMIZATION_LEVEL},
        opposites=facts["opposites"],
        choices={name: tuple(values) for name, values in facts["choices"].items()},
    )


@cache
def removed_flags() -> dict[str, RemovedFlag]:
    """What older releases took, by name without dashes."""
    facts: dict[str, dict[str, Any]] = tomllib.loads(_text("removed.toml"))
    return {name: RemovedFlag(entry["last"], entry["today"]) for name, entry in facts.items()}


def _text(name: str) -> str:
    return resources.files("valuegen.serve").joinpath(name).read_text(encoding="utf-8")
