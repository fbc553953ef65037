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
    if subject.all_gpus % subject.nodes:
        yield Found(
            ("parallelism", "nodes"),
            f"{subject.nodes} nodes do not divide the {subject.all_gpus} GPUs of a replica",
            "set a number of nodes that divides tensor x pipeline x data",
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
