"""A value that is said twice, and differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.serve.words import Flag
    from valuegen.yamledit import KeyPath

# Flags of extraArgs that have a key in the values, and what vLLM takes when neither is set.
FIELDS: dict[str, tuple[KeyPath, Any]] = {
    "tensor-parallel-size": (("parallelism", "tensor"), 1),
    "pipeline-parallel-size": (("parallelism", "pipeline"), 1),
    "data-parallel-size": (("parallelism", "data"), 1),
    "enable-expert-parallel": (("parallelism", "expert"), False),
    "nnodes": (("parallelism", "nodes"), 1),
    "revision": (("source", "revision"), ""),
    "shutdown-timeout": (("shutdown", "drainSeconds"), 0),
}


def _look(subject: Subject) -> Iterator[Found]:
    yield from _against_fields(subject)
    yield from _twice(subject)


def _against_fields(subject: Subject) -> Iterator[Found]:
    for flag in subject.flags:
        if flag.name not in FIELDS or flag.at[0] != "extraArgs" or flag.value is None:
            continue
        key, unset = FIELDS[flag.name]
        said = subject.workload.section(key[0]).get(key[1], unset)
        longer = flag.name == "shutdown-timeout" and _exceeds(flag.value, said)  # grace-period says it
        if str(flag.value) != str(said) and not longer:
            field = ".".join(key)
            yield Found(
                flag.at,
                f"{_shown(flag)} contradicts {field}: {_yaml(said)}, by which the chart plans the pod",
                f"remove the flag and set {field}",
            )


def _twice(subject: Subject) -> Iterator[Found]:
    """One flag with two values; the last one wins."""
    last: dict[tuple[str, str], Flag] = {}
    for flag in subject.flags:
        if flag.value is None or flag.kind == "repeated" or flag.problem not in (None, "abbreviated"):
            continue
        before = last.get((flag.name, flag.key))
        last[flag.name, flag.key] = flag
        if before is not None and _plain(before.value) != _plain(flag.value):
            yield Found(
                flag.at,
                f"{_shown(flag)} overrules {'.'.join(before.at)}, which says {_yaml(before.value)}",
                "keep one of them",
                "warning",
            )


def _exceeds(value: Any, other: Any) -> bool:
    return str(value).isdecimal() and int(value) > int(other)


def _plain(value: Any) -> str:
    number = isinstance(value, float) and value.is_integer()
    return str(int(value) if number else value)


def _shown(flag: Flag) -> str:
    return flag.written if isinstance(flag.value, bool) else f"{flag.written} {_plain(flag.value)}"


def _yaml(value: Any) -> str:
    if value == "":
        return '""'
    return str(value).lower() if isinstance(value, bool) else f"{_plain(value)}"


RULE = Rule(
    id="contradiction",
    sentence="No value is said twice with different values.",
    fix="keep one of them",
    look=_look,
)
