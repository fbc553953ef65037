"""Where things lie on the page, in pixels: Grafana's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from charttest.picture.dashboard import Place

COLUMNS, CELL, GAP = 24, 30, 8  # of Grafana's grid: columns, a row's height, the room between two panels
WIDTH, HEADER = 1200, 84  # of the page, and what stands above the panels


@dataclass(frozen=True)
class Box:
    """A rectangle: its left upper corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inside(self, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """What is left of it within these margins."""
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


def box(place: Place) -> Box:
    """The rectangle of a panel."""
    column, row = (WIDTH - GAP) / COLUMNS, CELL + GAP
    return Box(
        GAP + column * place.x,
        HEADER + row * place.y,
        column * place.width - GAP,
        row * place.height - GAP,
    )


def height(places: Iterable[Place]) -> int:
    """Of the page with these panels."""
    return HEADER + (CELL + GAP) * max((place.y + place.height for place in places), default=0)
