"""Models that do not fit the GPUs they are given, at the safe end of the estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.inkeys import in_keys, key_of
from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    for result in subject.results:
        if result.verdict == "too-big":
            for reason in result.reasons:
                yield Found(key_of(reason.message), in_keys(reason.message), in_keys(reason.fix))


RULE = Rule(
    id="does-not-fit",
    sentence="Weights, buffers and one request of full length fit on the GPUs.",
    fix="use more or larger GPUs, or a shorter max-model-len",
    look=_look,
)
