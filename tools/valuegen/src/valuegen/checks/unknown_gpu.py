"""GPUs that are not in the catalogue, or not said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    yield from subject.missing.get(RULE.id, ())


RULE = Rule(
    id="unknown-gpu",
    sentence="The GPU is said and known.",
    fix="set accelerator.product to a label that `valuegen gpus` lists",
    look=_look,
    level="unknown",
)
