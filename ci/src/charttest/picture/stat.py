"""A panel of one number: the last of its series, large, in the colour of its threshold, before its course."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest import svg
from charttest.picture import axes
from charttest.picture.dashboard import COLOURS
from charttest.picture.legends import shortened
from charttest.picture.timeseries import curve
from charttest.picture.units import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charttest.picture.answers import Line
    from charttest.picture.box import Box
    from charttest.picture.dashboard import Panel
    from charttest.picture.window import Window

HEAD, SIDE = 30, 12
LARGEST = 44  # the number's height
WIDE = 0.58  # a letter's share of its height
NAME = 12


def draw(panel: Panel, lines: Sequence[Line], box: Box, window: Window) -> list[str]:
    """The inside of the panel's box, below its title; several series lie below each other, with their names."""
    inner = box.inside(left=SIDE, top=HEAD, right=SIDE, bottom=SIDE)
    each = inner.height / len(lines)
    return [
        part
        for number, line in enumerate(lines)
        for part in _one(
            panel,
            line,
            inner.inside(top=number * each, bottom=inner.height - (number + 1) * each),
            window,
            named=len(lines) > 1,
        )
    ]


def colour(panel: Panel, value: float) -> str:
    """Of the last threshold that the value reaches."""
    reached = [name for limit, name in panel.thresholds if limit is None or value >= limit]
    return COLOURS[reached[-1]]


def _one(panel: Panel, line: Line, box: Box, window: Window, *, named: bool) -> list[str]:
    told, hue = written(line.last, panel.unit), colour(panel, line.last)
    size = int(min(LARGEST, 0.6 * box.height, box.width / (WIDE * len(told))))
    values = axes.of_values(panel, (value for _, value in line.points), 1)
    times = axes.of_time(window, 1)
    low = box.inside(top=0.55 * box.height)
    parts = []
    for run in line.runs():
        path = curve(run, low, values, times, steps=False)
        parts.append(
            f'<path d="{path}" stroke="{hue}" stroke-opacity="0.45" stroke-width="1.5" fill="none"/>'
        )
    middle = box.x + box.width / 2
    if named:
        name = shortened(line.legend, box.width)
        parts.append(svg.text(box.x, box.y + NAME, name, size=NAME, told=line.legend))
    y = box.y + (0.5 * box.height + 0.25 * size if named else 0.3 * box.height + 0.35 * size)
    parts.append(svg.text(middle, y, told, size=size, weight="bold", anchor="middle", fill=hue))
    return parts
