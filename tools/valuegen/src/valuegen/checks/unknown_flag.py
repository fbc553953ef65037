"""Flags that the pinned vLLM does not have, with today's spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.catalog.names import nearest
from valuegen.checks.model import Found, Rule, Subject
from valuegen.serve.table import flag_table, removed_flags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.serve.words import Flag


def _look(subject: Subject) -> Iterator[Found]:
    for flag in subject.flags:
        if flag.problem in ("unknown", "ambiguous", "stray", "spaced", "abbreviated"):
            yield _said(flag)


def _said(flag: Flag) -> Found:
    table, removed = flag_table(), removed_flags().get(flag.name)
    vllm = f"vLLM {table.version}"
    if removed is not None and flag.problem in ("unknown", "ambiguous"):
        until = f"{removed.last} was the last" if removed.last else "it is older than 0.8.5"
        return Found(flag.at, f"{vllm} has no flag {flag.written}; {until}", removed.today)
    if flag.problem == "spaced":
        word, _, rest = flag.written.partition(" ")
        return Found(flag.at, f"{flag.written!r} is one word, vLLM reads two", f"write {word}={rest.strip()}")
    if flag.problem == "stray":
        return Found(flag.at, f"{flag.written!r} belongs to no flag", "write --flag=value, or remove it")
    candidates = table.beginning_with(flag.written)
    if flag.problem == "abbreviated":
        # vLLM takes it today; the next flag that begins alike ends that.
        return Found(flag.at, f"{flag.written} is an abbreviation", f"write {candidates[0]}", "warning")
    if flag.problem == "ambiguous":
        return Found(flag.at, f"{flag.written} may mean {' or '.join(candidates[:4])}", "write one of them")
    return Found(flag.at, f"{vllm} has no flag {flag.written}", _spelling(flag))


def _spelling(flag: Flag) -> str:
    """What was probably meant."""
    table = flag_table()
    if flag.at[0] == "extraArgs":
        close = nearest(flag.name, table.kinds)
        return f"did you mean --{close}?" if close else RULE.fix
    found = table.find(f"--{flag.written.lstrip('-')}") or table.find(flag.written)
    if found is not None:  # dashes, underscores, a short form or an opposite, none of which `args` takes
        name, on = found
        return f"write {name}" if on else f"write {name}: false"
    close = nearest(flag.name, table.kinds)
    return f"did you mean {close}?" if close else RULE.fix


RULE = Rule(
    id="unknown-flag",
    sentence="The pinned vLLM has every flag in args and extraArgs.",
    fix="remove it; `vllm serve --help=all` lists the flags",
    look=_look,
)
