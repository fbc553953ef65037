"""Flags whose value vLLM does not read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.serve.settings import (
    SETTINGS,
    SPECULATION,
    SPECULATION_KEYS,
    ValueOfFlagError,
    read_value,
    speculation,
)
from valuegen.serve.table import flag_table
from valuegen.speculation import NOT_COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.checks.model import Level
    from valuegen.serve.words import Flag


def _look(subject: Subject) -> Iterator[Found]:
    for flag in subject.flags:
        problem = _problem(flag)
        if problem:
            yield Found(flag.at, f"{flag.written}: {problem[0]}", problem[1])
    yield from _drafts(subject)


def _drafts(subject: Subject) -> Iterator[Found]:
    """What the flags for speculative decoding say together."""
    try:
        speculation(subject.flags)
    except ValueOfFlagError as error:
        own = (SPECULATION, *SPECULATION_KEYS)
        flag = next(each for each in subject.flags if each.name in own)
        level: Level | None = "unknown" if NOT_COUNTED in str(error) else None
        yield Found(flag.at, f"{flag.written}: {error}", "correct it, or leave it out", level)


def _problem(flag: Flag) -> tuple[str, str] | None:
    """(what is wrong, what to write)."""
    if flag.problem == "no-value":
        return "has no value", "write --flag=value"
    if flag.problem == "has-value":
        return "is a switch and takes no value", f"write --{flag.name}, or --no-{flag.name}"
    if flag.problem not in (None, "abbreviated") or flag.value is None:
        return None
    return _shape(flag) or _choice(flag) or _setting(flag)


def _shape(flag: Flag) -> tuple[str, str] | None:
    if flag.kind in ("switch", "true-only") and not isinstance(flag.value, bool):
        return f"is a switch, not {flag.value!r}", "set true or false"
    if flag.kind == "value" and isinstance(flag.value, bool | dict | list):
        return "takes one value", "set a text or a number"
    return _json(flag.value) if flag.kind == "json" and not flag.key else None


def _choice(flag: Flag) -> tuple[str, str] | None:
    choices = flag_table().choices.get(flag.name, ())
    if not choices or str(flag.value) in choices:
        return None
    return f"{flag.value} is none of its values", f"use {', '.join(choices)}"


def _setting(flag: Flag) -> tuple[str, str] | None:
    try:
        if flag.name in SETTINGS:
            read_value(flag)
    except ValueOfFlagError as error:
        return str(error), "correct it"
    return None


def _json(given: object) -> tuple[str, str] | None:
    if isinstance(given, dict | list):
        return None
    try:
        read = json.loads(given) if isinstance(given, str) else given
    except (json.JSONDecodeError, RecursionError):
        return f"{str(given)[:60]!r} is no JSON", 'write JSON such as {"key": 1}; in args a map does'
    if isinstance(read, bool | int | float):
        return f"{given} is no JSON object or list", 'write JSON such as {"key": 1}; in args a map does'
    return None


RULE = Rule(
    id="flag-value",
    sentence="Every flag has a value that vLLM reads.",
    fix="correct the value; `vllm serve --help=FLAG` explains it",
    look=_look,
)
