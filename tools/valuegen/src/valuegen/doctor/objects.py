"""Reading Kubernetes objects as the API returns them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]


def name(item: Object) -> str:
    """The object's name."""
    return str(item["metadata"]["name"])


def title(item: Object) -> str:
    """Kind and name, as people and kubectl write them: Pod/llm-m-1."""
    return f"{item['kind']}/{name(item)}"


def labels(item: Object) -> dict[str, str]:
    """The object's labels."""
    return item["metadata"].get("labels") or {}


def conditions(item: Object) -> dict[str, Object]:
    """The conditions of its status, by type."""
    return {each["type"]: each for each in item.get("status", {}).get("conditions") or ()}


def is_true(item: Object, condition: str) -> bool:
    """Whether a condition is there and True."""
    return conditions(item).get(condition, {}).get("status") == "True"


def owner(item: Object) -> tuple[str, str]:
    """Kind and name of the controller that made it; two empty texts without one."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return reference["kind"], reference["name"]
    return "", ""


def declared(pod: Object, container: str) -> Object:
    """A container as its pod declares it, an init container or another; empty where there is none of that name."""
    every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    found: Object = next((each for each in every if each["name"] == container), {})
    return found


def moment(text: str | None) -> datetime:
    """A time of the API; the beginning of time for none."""
    if not text:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(text)


def happened(event: Object) -> datetime:
    """When an event was last seen: its newer form keeps that in `series` or `eventTime`."""
    last = event.get("lastTimestamp") or (event.get("series") or {}).get("lastObservedTime")
    return moment(last or event.get("eventTime") or event["metadata"].get("creationTimestamp"))


def newest(events: Iterable[Object], *reasons: str) -> Object | None:
    """The latest event of these reasons."""
    found = [event for event in events if event.get("reason") in reasons]
    return max(found, key=happened, default=None)


def one_line(text: str, longest: int = 300) -> str:
    """A message on one line, cut where it is longer than people read."""
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def count(number: int, word: str) -> str:
    """1 pod, 2 pods."""
    return f"{number} {word}{'' if number == 1 else 's'}"
