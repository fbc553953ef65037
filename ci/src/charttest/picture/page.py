"""The page: what was chosen and when, and the panels in their places."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from charttest import svg
from charttest.picture import stat, timeseries
from charttest.picture.box import GAP, WIDTH, box, height
from charttest.picture.legends import shortened
from charttest.picture.window import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from charttest.picture.answers import Line
    from charttest.picture.box import Box
    from charttest.picture.dashboard import Dashboard, Panel
    from charttest.picture.variables import Choice
    from charttest.picture.window import Window

SIDE = 12
GREY = "#666"
TITLE_LETTER, TEXT_LETTER = 7.8, 6.6  # what a letter of a title, and of a sentence, takes on average
PIXELS_A_POINT = 2  # more points than every other pixel no one sees, and they make a large file
NO_DATA = "No data"


def points(panel: Panel) -> int:
    """How many points a line of the panel has, about."""
    return int(box(panel.place).width / PIXELS_A_POINT)


def page(
    dashboard: Dashboard,
    chosen: Mapping[str, Choice],
    window: Window,
    answers: Sequence[tuple[Panel, Sequence[Line]]],
) -> str:
    """The whole picture as SVG."""
    parts = [
        svg.text(GAP, 26, dashboard.title, size=20, weight="bold"),
        svg.text(GAP, 47, dashboard.text, fill=GREY),
        *_choices(chosen, window),
    ]
    for panel, lines in answers:
        parts += _panel(panel, lines, window)
    return svg.document(parts, WIDTH, height(panel.place for panel, _ in answers))


def _choices(chosen: Mapping[str, Choice], window: Window) -> list[str]:
    when = f"{moment(window.start)} to {moment(window.end)} UTC"
    told = "; ".join(f"{name}: {choice.told}" for name, choice in chosen.items())
    return [svg.text(GAP, 70, told), svg.text(WIDTH - GAP, 70, when, anchor="end")]


def _panel(panel: Panel, lines: Sequence[Line], window: Window) -> list[str]:
    place = box(panel.place)
    room = place.width - 2 * SIDE
    title = shortened(panel.title, room, TITLE_LETTER)
    parts = [
        f'<g role="img" aria-label="{escape(panel.title)}">',
        f'<rect x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" rx="3" '
        'fill="none" stroke="#d0d0d0"/>',
        svg.text(place.x + SIDE, place.y + 22, title, size=14, weight="bold", told=panel.text),
    ]
    if panel.kind == "timeseries":
        sentence = shortened(panel.text, room, TEXT_LETTER)
        parts.append(svg.text(place.x + SIDE, place.y + 40, sentence, size=12, fill=GREY))
    draw = stat.draw if panel.kind == "stat" else timeseries.draw
    inside = draw(panel, lines, place, window) if lines else [_no_data(place)]
    return [*parts, *inside, "</g>"]


def _no_data(place: Box) -> str:
    middle, y = place.x + place.width / 2, place.y + place.height / 2 + 10
    return svg.text(middle, y, NO_DATA, size=16, anchor="middle", fill=GREY)
