"""Shared memory of pods whose GPUs talk to each other through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.host import NCCL_SHARED, shared_memory
from valuegen.quantity import number
from valuegen.units import MIB, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME_DEFAULT = 64 * MIB  # what a container gets without a volume


def _look(subject: Subject) -> Iterator[Found]:
    size = subject.workload.section("sharedMemory").get("size")
    result = subject.result
    if size is None or result is None:  # unset: the chart derives it
        return
    settings = result.settings
    if settings.tensor_parallel_size * settings.pipeline_parallel_size == 1:
        return
    given = int(number(size) or 0) or RUNTIME_DEFAULT
    needed = shared_memory(settings, subject.nodes)
    rings = needed - NCCL_SHARED
    if given >= needed:
        return
    why = (
        f"the message rings of the workers take {ceil_div(rings, MIB)} MiB"
        if given < rings
        else f"message rings and NCCL take {ceil_div(needed, MIB)} MiB"
    )
    yield Found(
        ("sharedMemory", "size"),
        f"{size} is {given // MIB} MiB of /dev/shm; {why}",
        f"set {ceil_div(needed, MIB)}Mi, or null to have it derived",
        "error" if given < rings else "warning",
    )


RULE = Rule(
    id="shared-memory",
    sentence="Shared memory holds the message rings of a model on several GPUs, and NCCL's buffers.",
    fix="set sharedMemory.size to null to have it derived",
    look=_look,
)
