"""Models whose config.json cannot be read here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    yield from subject.missing.get(RULE.id, ())


RULE = Rule(
    id="unknown-model",
    sentence="The model is one whose memory can be computed.",
    fix="say which model it is with --model KEY=MODEL, where MODEL is a directory, a config.json or a catalogue name",
    look=_look,
    level="unknown",
)
