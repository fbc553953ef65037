"""A scaling run as an SVG picture: the load and its queue above, the replicas below, on one time axis."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from charttest.errors import UsageError
from charttest.load.sources import DESIRED, QUEUE, READY
from charttest.svg import HUES, document, text
from charttest.ticks import ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from charttest.load.timeline import Timeline

WIDTH, SIDE = 900, 64
ROOM = WIDTH - 2 * SIDE
TOP, PANEL, GAP = 96, 210, 84  # the first panel's top, a panel's height, what is between the two
# The counts of a second are averaged: few requests per second would only flicker.
MOST_BINS, LEAST_BIN = 60, 5
BESIDE = 3  # how far apart lines of the same number of replicas lie
HOLD_SECONDS = 10  # a sample is drawn until the next; after a longer silence nothing is known
HEADROOM = 1.02  # the highest line is not the frame
COLOURS = {
    "offered": "#0072b2",
    "answered": "#009e73",
    "lost": "#d55e00",
    QUEUE: "#cc79a7",
    READY: "#9ecae1",
    DESIRED: "#222222",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Curve:
    """Values that hold for `every` seconds each."""

    name: str
    values: Sequence[float | None]
    colour: str
    every: int = 1
    filled: bool = False
    shift: float = 0.0
    """How far above its place it is drawn, so that another of the same values is seen, too."""


def write_plot(
    folder: Path, name: str, timeline: Timeline, series: Mapping[str, Sequence[float | None]]
) -> Path:
    """Draw a run into FOLDER/NAME.svg, making the folder; its path. UsageError for a name that is no file's."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"plot {name!r}: is no name of a file", "use a to z, 0 to 9, dots and dashes")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    path.write_text(picture(timeline, series), encoding="utf-8")
    return path


def picture(timeline: Timeline, series: Mapping[str, Sequence[float | None]]) -> str:
    """Requests per second and the series `queue`; below them every other series, in replicas."""
    seconds = max(timeline.seconds, 1, *(len(values) for values in series.values()))
    load = [_rate("offered", timeline.offered, seconds), _rate("answered", timeline.completed, seconds)]
    if timeline.lost:
        load.append(_rate("lost", timeline.failed, seconds))
    queue = [Curve(QUEUE, series[QUEUE], COLOURS[QUEUE])] if QUEUE in series else []
    # What is filled is drawn first and a thin line last, so that neither hides another.
    names = sorted(
        (name for name in series if name != QUEUE), key=lambda name: (name != READY, name == DESIRED)
    )
    others = [name for name in names if name not in COLOURS]
    colours = COLOURS | {name: HUES[n % len(HUES)] for n, name in enumerate(others)}
    middle = (len(names) - 1) / 2 if len(others) > 1 else 0
    replicas = [
        Curve(
            name,
            series[name],
            colours[name],
            filled=name == READY,
            shift=BESIDE * (middle - n) if middle else 0,
        )
        for n, name in enumerate(names)
    ]
    second = TOP + PANEL + GAP
    end = second + PANEL
    return document(
        [
            text(SIDE, 36, timeline.what, size=17, weight="bold"),
            *_panel([*load, *queue], TOP, seconds),
            *_curves(load, TOP, seconds, "requests per second"),
            *_curves(queue, TOP, seconds, "requests in the queue", right=True),
            *_panel(replicas, second, seconds),
            *_curves(replicas, second, seconds, "replicas"),
            text(SIDE + ROOM / 2, end + 42, "seconds since the load began", anchor="middle"),
        ],
        WIDTH,
        end + 60,
    )


def _rate(name: str, counts: Sequence[int], seconds: int) -> Curve:
    """Counts of each second as requests per second, averaged over as many seconds as leave few enough bins."""
    every = max(LEAST_BIN, math.ceil(seconds / MOST_BINS))
    bins = [counts[start : start + every] for start in range(0, len(counts), every)]
    return Curve(name, [sum(each) / len(each) for each in bins], COLOURS[name], every)


def _panel(curves: Sequence[Curve], top: int, seconds: int) -> list[str]:
    """What the colours mean, a frame, and the time below it."""
    parts = [f'<rect x="{SIDE}" y="{top}" width="{ROOM}" height="{PANEL}" fill="none" stroke="#222"/>']
    rows: list[list[Curve]] = [[]]
    for curve in curves:
        if _wide([*rows[-1], curve]) > ROOM:
            rows.append([])
        rows[-1].append(curve)
    for above, row in enumerate(reversed(rows)):
        for before, curve in enumerate(row):
            x, y = SIDE + _wide(row[:before]), top - 22 - 20 * above
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="14" height="14" fill="{curve.colour}"/>')
            parts.append(text(x + 20, y + 12, curve.name))
    for second in ticks(seconds, least_step=1):
        if second <= seconds:
            x = SIDE + ROOM * second / seconds
            parts += [
                f'<line x1="{x:.1f}" y1="{top + PANEL}" x2="{x:.1f}" y2="{top + PANEL + 5}" stroke="#222"/>',
                text(x, top + PANEL + 20, f"{second:g}", size=12, anchor="middle"),
            ]
    return parts


def _wide(curves: Sequence[Curve]) -> float:
    """The room that their names take in one row."""
    return sum(44 + 7.5 * len(curve.name) for curve in curves)


def _curves(curves: Sequence[Curve], top: int, seconds: int, unit: str, *, right: bool = False) -> list[str]:
    """Curves with the axis they share, at the left or at the right."""
    if not curves:
        return []
    values = [value for curve in curves for value in curve.values if value is not None]
    marks = ticks(HEADROOM * max([1.0, *values]), least_step=1 if unit == "replicas" else 0)
    bottom, scale = top + PANEL, PANEL / marks[-1]
    edge, anchor, away = (SIDE + ROOM, "start", 8) if right else (SIDE, "end", -8)
    parts = []
    for mark in marks:
        y = bottom - mark * scale
        if not right and 0 < mark < marks[-1]:
            parts.append(f'<line x1="{SIDE}" y1="{y:.1f}" x2="{SIDE + ROOM}" y2="{y:.1f}" stroke="#e5e5e5"/>')
        parts.append(text(edge + away, y + 4, f"{mark:g}", size=12, anchor=anchor))
    x, y = (WIDTH - 10 if right else 18), top + PANEL / 2
    parts.append(f'<g transform="rotate(-90 {x} {y:.1f})">{text(x, y, unit, anchor="middle")}</g>')
    for curve in curves:
        parts += [_path(run, curve, bottom, scale, seconds) for run in _runs(curve)]
    return parts


def _runs(curve: Curve) -> list[list[tuple[float, float]]]:
    """The stretches in which it is known: where each value begins, and at last where the stretch ends."""
    runs: list[list[tuple[float, float]]] = []
    known = [(n * curve.every, value) for n, value in enumerate(curve.values) if value is not None]
    for at, value in known:
        if runs and at - runs[-1][-1][0] <= max(HOLD_SECONDS, curve.every):
            runs[-1].append((at, value))
        else:
            runs.append([(at, value)])
    return [[*run, (run[-1][0] + curve.every, run[-1][1])] for run in runs]


def _path(run: Sequence[tuple[float, float]], curve: Curve, bottom: float, scale: float, seconds: int) -> str:
    """A line in steps: a value holds until the next."""
    points = [
        (SIDE + ROOM * min(at, seconds) / seconds, bottom - value * scale - curve.shift) for at, value in run
    ]
    (first, height), rest = points[0], points[1:]
    line = f"M{first:.1f} {height:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    if curve.filled:
        shape, style = f"{line}V{bottom}H{first:.1f}Z", f'fill="{curve.colour}" stroke="none"'
    else:
        shape, style = line, f'fill="none" stroke="{curve.colour}" stroke-width="2"'
    return f'<path d="{shape}" {style}><title>{escape(curve.name)}</title></path>'
