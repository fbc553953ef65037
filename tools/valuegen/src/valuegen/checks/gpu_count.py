"""The GPUs that a pod asks for against those that the model is split over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    accelerator = subject.workload.section("accelerator")
    count = accelerator.get("count")
    if count is not None and count != subject.gpus:
        shared = " / nodes" if subject.nodes > 1 else ""
        yield Found(
            ("accelerator", "count"),
            f"{count} is not tensor x pipeline x data{shared} of parallelism, {subject.gpus}",
            f"remove it: the chart asks for {subject.gpus}; or split the model over {count}",
        )
    if subject.ranks % subject.nodes:
        yield Found(
            ("parallelism", "nodes"),
            f"{subject.nodes} nodes cannot share {subject.ranks} GPUs equally",
            f"set a divisor of {subject.ranks}",
        )
    resource = accelerator.get("resource")
    for part in ("requests", "limits"):
        if resource and resource in (subject.workload.section("resources").get(part) or {}):
            yield Found(
                ("resources", part, resource),
                "the chart asks for the GPUs itself, so the key would be there twice",
                f"remove it: the chart asks for {subject.gpus}",
            )


RULE = Rule(
    id="gpu-count",
    sentence="A pod asks for as many GPUs as the model is split over.",
    fix="leave accelerator.count out: the chart derives it",
    look=_look,
)
