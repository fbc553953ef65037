"""Time to start against the bytes that are read before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.host import ENGINE_INIT_SECONDS
from valuegen.units import ceil_div
from valuegen.weights import checkpoint_bytes
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = "VLLM_ENGINE_READY_TIMEOUT_S"  # the chart sets it to the budget unless env does


def _look(subject: Subject) -> Iterator[Found]:
    if subject.model is None:
        return
    checkpoint = checkpoint_bytes(subject.model.config)
    reading = ceil_div(checkpoint, subject.bytes_per_second)
    needed = reading + ENGINE_INIT_SECONDS
    budget = subject.workload.section("startup").get("budgetSeconds")
    timeout = subject.workload.section("env").get(TIMEOUT)
    speed = f"{gib(checkpoint)} at {subject.bytes_per_second / 1e6:g} MB/s take {reading} s"
    if budget is not None and budget < needed:  # unset: there is no startup probe
        yield Found(
            ("startup", "budgetSeconds"),
            f"{budget} s are too short: {speed}, the engine's start up to {ENGINE_INIT_SECONDS} s",
            f"set {needed}, or state a faster storage with --storage-speed",
            "error" if budget < reading else "warning",
        )
    if str(timeout).isdecimal() and int(str(timeout)) < needed:
        yield Found(
            ("env", TIMEOUT),
            f"{timeout} s are too short: {speed}, the engine's start up to {ENGINE_INIT_SECONDS} s",
            "remove it: the chart sets it to startup.budgetSeconds",
            "warning",
        )


RULE = Rule(
    id="startup-budget",
    sentence="The startup budget is longer than reading the weights and starting the engine take.",
    fix="raise startup.budgetSeconds",
    look=_look,
)
