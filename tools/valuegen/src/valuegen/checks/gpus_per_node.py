"""Pods that ask for more GPUs than a node has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    for result in subject.results:
        if subject.gpus > result.gpu.max_per_node and result.gpu.whole is None:
            yield Found(
                ("parallelism",),
                f"a pod asks for {subject.gpus} x {result.gpu.name}, and nodes have {result.gpu.max_per_node} at most",
                f"split it over {result.gpu.max_per_node} or fewer, or use a larger GPU",
            )


RULE = Rule(
    id="gpus-per-node",
    sentence="A node of the large clouds has as many GPUs as a pod asks for.",
    fix="use fewer, larger GPUs",
    look=_look,
    level="warning",
)
