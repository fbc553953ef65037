"""Pictures of Grafana dashboards, without Grafana: their panels drawn from what a Prometheus answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.errors import CharttestError
from charttest.picture.answers import ask
from charttest.picture.dashboard import read
from charttest.picture.page import page, points
from charttest.picture.server import Server
from charttest.picture.variables import choose
from charttest.picture.window import Window, instant, last, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Server", "Window", "draw", "instant", "last", "read", "seconds"]


def draw(
    dashboard: Mapping[str, Any],
    server: Server,
    window: Window,
    variables: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The SVG of a dashboard (its JSON) with these values of its variables, the others as Grafana chooses first.

    UsageError for what cannot be drawn or chosen, AnswerError when the server does not answer or refuses a query.
    """
    found = read(dashboard)
    try:
        chosen = choose(
            found.variables,
            variables or {},
            lambda series, label: server.label_values(series, label, window.start, window.end),
        )
    except CharttestError as error:
        raise type(error)(f"{found.title}, {error.message}", error.fix) from error
    answers = [(panel, ask(panel, server, window, chosen, points(panel))) for panel in found.panels]
    return page(found, chosen, window, answers)
