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
        yield Found(
            ("accelerator", "count"),
            f"{count} is not tensor x pipeline x data of parallelism, {subject.gpus}",
            f"remove it: the chart asks for {subject.gpus}; or split the model over {count}",
        )
    nodes = subject.workload.section("parallelism").get("nodes") or 1
    if nodes > 1:
        yield Found(
            ("parallelism", "nodes"), f"{nodes} nodes: this chart renders one node per replica", "set 1"
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
