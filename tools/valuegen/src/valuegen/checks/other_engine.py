"""Engines beside vLLM: their flags and their memory are not known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.workload import VLLM

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    engine = subject.workload.engine
    if engine != VLLM:
        yield Found(("engine",), f"{engine}: only vLLM's flags and memory are known", RULE.fix)


RULE = Rule(
    id="other-engine",
    sentence="The engine is vLLM.",
    fix="measure it on the GPU; --ignore other-engine leaves this out",
    look=_look,
    level="unknown",
)
