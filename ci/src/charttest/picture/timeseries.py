"""A panel of lines over time."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from charttest import svg
from charttest.picture import axes, legends
from charttest.picture.units import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charttest.picture.answers import Line
    from charttest.picture.axes import Scale
    from charttest.picture.box import Box
    from charttest.picture.dashboard import Panel
    from charttest.picture.window import Window

HEAD, FOOT, SIDE = 56, 24, 34  # the room of the title and its sentence, of the times, and at the right
MARKS, MARK_WIDTH = 6, 70  # marks at the left, and the room that one below takes
GAP = 8  # between a mark's name and the plot
LEAST_LEFT = 36  # half of the first time stands there
# Lines in steps often have the same value: so far apart they lie, unless they are more than so many.
BESIDE, MOST_BESIDE = 1.5, 7
GRID = "#e5e5e5"


def draw(panel: Panel, lines: Sequence[Line], box: Box, window: Window) -> list[str]:
    """The inside of the panel's box, below its title."""
    values = axes.of_values(panel, (value for line in lines for _, value in line.points), MARKS)
    named = legends.rows([line.legend for line in lines], box)
    left = max(LEAST_LEFT, 3 * GAP + legends.LETTER * max(len(name) for _, name in values.marks))
    inner = box.inside(left=left, top=HEAD, right=SIDE, bottom=FOOT + legends.ROW * len(named) + 4)
    times = axes.of_time(window, int(inner.width / MARK_WIDTH))
    parts = _grid(inner, values, times)
    shift = BESIDE if panel.steps and len(lines) <= MOST_BESIDE else 0
    for number, line in enumerate(lines):
        told = f"{line.legend}: last {written(line.last, panel.unit)}, highest {written(line.highest, panel.unit)}"
        up = shift * ((len(lines) - 1) / 2 - number)
        shifted = inner.inside(top=-up, bottom=up)
        path = "".join(curve(run, shifted, values, times, steps=panel.steps) for run in line.runs())
        parts.append(
            f'<path d="{path}" {legends.style(number)} stroke-width="1.5" stroke-linecap="round" fill="none">'
            f"<title>{escape(told)}</title></path>"
        )
    parts += legends.draw(named, box, inner.bottom + FOOT)
    if left_out := len(lines) - sum(len(row) for row in named):
        more = f"{left_out} more lines are not named below"
        parts.append(
            svg.text(box.right - SIDE, box.y + 22, more, size=legends.SIZE, anchor="end", fill="#666")
        )
    return parts


def curve(run: Sequence[tuple[float, float]], box: Box, values: Scale, times: Scale, *, steps: bool) -> str:
    """The path of points that follow each other; one alone becomes a dot. Between equal heights none is written."""
    places = [
        (
            f"{box.x + box.width * times.share(when):.1f}",
            f"{box.bottom - box.height * values.share(value):.1f}",
        )
        for when, value in run
    ]
    kept = [
        place
        for before, place, after in zip([None, *places], places, [*places[1:], None], strict=False)
        if not (before and after and before[1] == place[1] == after[1])
    ]
    rest = "".join(f"H{x}V{y}" if steps else f"L{x} {y}" for x, y in kept[1:])
    return f"M{kept[0][0]} {kept[0][1]}{rest or 'h.1'}"


def _grid(box: Box, values: Scale, times: Scale) -> list[str]:
    parts = []
    for mark, name in values.marks:
        y = box.bottom - box.height * values.share(mark)
        parts.append(f'<path d="M{box.x:.1f} {y:.1f}H{box.right:.1f}" stroke="{GRID}"/>')
        parts.append(svg.text(box.x - GAP, y + 4, name, size=legends.SIZE, anchor="end"))
    for mark, name in times.marks:
        x = box.x + box.width * times.share(mark)
        parts.append(f'<path d="M{x:.1f} {box.y:.1f}V{box.bottom:.1f}" stroke="{GRID}"/>')
        parts.append(svg.text(x, box.bottom + 17, name, size=legends.SIZE, anchor="middle"))
    return parts
