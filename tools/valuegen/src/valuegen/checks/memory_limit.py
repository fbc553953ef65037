"""Host memory: a limit that the processes, shared memory and one shard per GPU pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.model import Found, Rule, Subject
from valuegen.quantity import number
from valuegen.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterator


def _look(subject: Subject) -> Iterator[Found]:
    resources = subject.workload.section("resources")
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name in sorted(limits.keys() & requests.keys()):
        limit, request = number(limits[name]), number(requests[name])
        if limit is not None and request is not None and request > limit:
            yield Found(
                ("resources", "limits", name),
                f"{limits[name]} is less than the request of {requests[name]}: the API server refuses the pod",
                f"raise it to {requests[name]}, or lower the request",
            )
    host, memory = subject.host, number(limits.get("memory"))
    if host is None or memory is None:
        return
    if memory < host.memory_limit_bytes:
        yield Found(
            ("resources", "limits", "memory"),
            f"{limits['memory']} is less than the {host.memory_limit_bytes // GIB}Gi that processes, shared "
            "memory and loading one shard per GPU are estimated at",
            f"set {host.memory_limit_bytes // GIB}Gi",
            "error" if memory < host.shared_memory_bytes else "warning",
        )


RULE = Rule(
    id="memory-limit",
    sentence="The memory limit holds processes, shared memory and one shard per GPU while they load.",
    fix="raise resources.limits.memory",
    look=_look,
)
