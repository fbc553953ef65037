"""Flags that the chart sets itself: in args it refuses them, in extraArgs they break what it renders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.contradiction import FIELDS
from valuegen.checks.model import Found, Rule, Subject
from valuegen.workload import chart

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    owned: dict[str, str] = chart()["owned"]
    for flag in subject.flags:
        if flag.problem in ("unknown", "ambiguous") or flag.name not in owned:
            continue
        # In extraArgs those with a field of their own are compared with it.
        if flag.at[0] == "args" or flag.name not in FIELDS:
            yield Found(flag.at, f"{flag.written}: the chart sets this flag", owned[flag.name])


RULE = Rule(
    id="owned-flag",
    sentence="Flags that the chart sets are set by its own keys.",
    fix="remove it and set the chart's key",
    look=_look,
)
