"""What a panel's queries answer: lines, each with its legend."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.errors import AnswerError, UsageError
from charttest.picture.variables import filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from charttest.picture.dashboard import Panel, Target
    from charttest.picture.server import Server
    from charttest.picture.variables import Choice
    from charttest.picture.window import Window

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Line:
    """A series: times (Unix seconds) and values, without those that are no number or endless."""

    legend: str
    points: tuple[tuple[float, float], ...]
    step: int

    @property
    def last(self) -> float:
        """Its last value, which is what a stat shows."""
        return self.points[-1][1]

    @property
    def highest(self) -> float:
        """Its highest value."""
        return max(value for _, value in self.points)

    def runs(self) -> list[list[tuple[float, float]]]:
        """Its stretches without a gap."""
        found: list[list[tuple[float, float]]] = []
        for point in self.points:
            if found and point[0] - found[-1][-1][0] <= 1.5 * self.step:
                found[-1].append(point)
            else:
                found.append([point])
        return found


def ask(
    panel: Panel, server: Server, window: Window, chosen: Mapping[str, Choice], points: int
) -> list[Line]:
    """The lines of a panel, about as many points wide; AnswerError and UsageError name the panel and the query."""
    step = window.step(points)
    lines = []
    for target in panel.targets:
        where = f"{panel.where}, query {target.letter}"
        try:
            query = filled(window.filled(target.query, points), chosen)
        except UsageError as error:
            raise UsageError(f"{where}: {error.message}", error.fix) from error
        try:
            answered = _answered(target, query, server, window, step)
        except AnswerError as error:
            raise AnswerError(f"{where} ({query}): {error.message}", error.fix) from error
        found = []
        for labels, samples in answered:
            known = tuple(sample for sample in samples if math.isfinite(sample[1]))
            if known:
                found.append(Line(legend(target.legend, labels), known, step))
        lines += sorted(found, key=lambda line: natural(line.legend))
    return lines


def legend(form: str, labels: Mapping[str, str]) -> str:
    """The name of a series by Grafana's legend format; a label that it lacks is left out."""
    return _LABEL.sub(lambda found: labels.get(found[1], ""), form).strip()


def natural(text: str) -> list[tuple[int, str]]:
    """To sort by: GPU 10 comes after GPU 9."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _answered(
    target: Target, query: str, server: Server, window: Window, step: int
) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    if target.instant:
        return server.at(query, window.end)
    # Grafana begins and ends at multiples of the step, so that two looks see the same points.
    return server.over_time(query, window.start // step * step, window.end // step * step, step)
