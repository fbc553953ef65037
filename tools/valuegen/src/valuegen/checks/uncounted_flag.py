"""Flags that change what a GPU holds, and that `fit` does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.serve.settings import uncounted

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    if not subject.results:
        return
    told: set[str] = set()
    for flag in uncounted(subject.flags):
        if flag.name not in told:
            told.add(flag.name)
            yield Found(flag.at, f"what {flag.written} changes in memory is not counted", RULE.fix)


RULE = Rule(
    id="uncounted-flag",
    sentence="Every flag that changes what a GPU holds is counted.",
    fix="leave room for it, for example with a smaller gpu-memory-utilization, and try it on the GPU",
    look=_look,
    level="unknown",
)
