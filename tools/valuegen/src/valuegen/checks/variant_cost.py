"""Variants that the Workload Variant Autoscaler cannot tell apart by cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    workload = subject.workload
    # Without variants there is nothing to choose between.
    weighed = any(own.get("variants") for _, own in workload.layers)
    nearest = workload.layers[0][1]
    if workload.section("autoscaling").get("mode") != "wva" or not weighed or nearest.get("cost") is not None:
        return
    cost = workload.body.get("cost")
    yield Found(
        ("cost",),
        f"is not set for this variant: it counts as {cost}, whatever its GPUs cost",
        "set what a replica costs per hour, as `valuegen plan` prints it",
    )


RULE = Rule(
    id="variant-cost",
    sentence="Each variant that the Workload Variant Autoscaler weighs states its cost.",
    fix="set cost",
    look=_look,
    level="warning",
)
