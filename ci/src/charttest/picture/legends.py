"""The legend below the lines, in rows, and how a line of each number looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest import svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charttest.picture.box import Box

ROW = 18
SHARE = 0.35  # of the panel's height, at most: Grafana scrolls there, a picture says how many it leaves out
SIZE, LETTER = 12, 6.9  # of the small texts: their height, and what a letter takes on average
_MARK, _AFTER, _SIDE = 20, 14, 16
_DASHES = ("", "6 3", "2 3")

Rows = list[list[tuple[int, str]]]
"""In each row the lines that it names, by their number."""


def style(number: int) -> str:
    """The stroke of a line: a hue, and with more lines than hues dashes."""
    dashes = _DASHES[number // len(svg.HUES) % len(_DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{svg.HUES[number % len(svg.HUES)]}"{dashed}'


def rows(names: Sequence[str], box: Box) -> Rows:
    """The names as far as there is room for them."""
    found: Rows = []
    used = room = box.width - 2 * _SIDE
    for number, name in enumerate(names):
        width = _width(shortened(name, room - _MARK))
        if used + width > room:
            found.append([])
            used = 0
        found[-1].append((number, name))
        used += width
    return found[: int(SHARE * box.height / ROW)]


def draw(placed: Rows, box: Box, top: float) -> list[str]:
    """The rows, the first of them below `top`."""
    parts = []
    for row, names in enumerate(placed):
        x, y = box.x + _SIDE, top + ROW * (row + 1) - 5
        for number, name in names:
            told = shortened(name, box.width - 2 * _SIDE - _MARK)
            parts.append(f'<path d="M{x:.1f} {y - 4:.1f}h14" {style(number)} stroke-width="3" fill="none"/>')
            parts.append(svg.text(x + _MARK, y, told, size=SIZE, told=name if told != name else ""))
            x += _width(told)
    return parts


def shortened(text: str, room: float, letter: float = LETTER) -> str:
    """As much of a text as there is room for (pixels)."""
    letters = int(room / letter)
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _width(name: str) -> float:
    return _MARK + LETTER * len(name) + _AFTER
