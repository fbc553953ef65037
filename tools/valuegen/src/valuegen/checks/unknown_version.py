"""Images that do not say which vLLM is in them, or one that is not known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    yield from subject.missing.get(RULE.id, ())


RULE = Rule(
    id="unknown-version",
    sentence="The image says its vLLM version, and it is a known one.",
    fix="set image.tag to a release such as v0.33.0",
    look=_look,
    level="unknown",
)
