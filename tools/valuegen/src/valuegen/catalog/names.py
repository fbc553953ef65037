"""How names are compared: people write h100_80gb for H100-80GB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def plain(name: str) -> str:
    """The name without case, and with one kind of separator."""
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def matches(part: str, names: Iterable[str]) -> bool:
    """Whether one of the names has this part; every name has the empty one."""
    return any(plain(part) in plain(name) for name in names)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does."""
    from difflib import get_close_matches  # noqa: PLC0415  (only needed for an error)

    by_plain = {plain(candidate): candidate for candidate in known}
    matches = get_close_matches(plain(name), by_plain, n=1, cutoff=0.5)
    return by_plain[matches[0]] if matches else None
