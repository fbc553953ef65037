"""From when to when a dashboard looks, and how finely: the steps and the intervals that Grafana computes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from charttest.errors import UsageError

SCRAPE_SECONDS = 15  # Grafana's, where a data source names none
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+)([smhd])")
# Below how many seconds an interval is rounded to which (Grafana, gtime.RoundInterval); no scrape is faster than these.
_ROUNDED = (
    (1.5, 1),
    (3.5, 2),
    (7.5, 5),
    (12.5, 10),
    (17.5, 15),
    (25, 20),
    (45, 30),
    (90, 60),
    (210, 120),
    (450, 300),
    (750, 600),
    (1050, 900),
    (1500, 1200),
    (2700, 1800),
    (5400, 3600),
    (9000, 7200),
    (16200, 10800),
    (32400, 21600),
    (86400, 43200),
    (604800, 86400),
    (1814400, 604800),
    (3628800, 2592000),
    (math.inf, 31536000),
)


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both in Unix seconds; `scrape` is the seconds between two samples of a series."""

    start: float
    end: float
    scrape: int = SCRAPE_SECONDS

    def __post_init__(self) -> None:
        """Refuse a window that has no time in it."""
        if self.end <= self.start:
            raise UsageError(
                f"from {moment(self.start)} to {moment(self.end)}: is no time",
                "let the end be after the start",
            )

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def step(self, points: int) -> int:
        """Seconds between two points, of about `points` in all ($__interval)."""
        fine = self.seconds / points
        return max(next(to for below, to in _ROUNDED if fine < below), self.scrape)

    def rate_interval(self, points: int) -> int:
        """Seconds over which a rate is taken ($__rate_interval): four scrapes or more."""
        return max(self.step(points) + self.scrape, 4 * self.scrape)

    def filled(self, query: str, points: int) -> str:
        """The query with Grafana's three durations in it."""
        durations = {
            "rate_interval": self.rate_interval(points),
            "interval": self.step(points),
            "range": round(self.seconds),
        }
        for name, seconds in durations.items():
            query = re.sub(rf"\$__{name}\b|\$\{{__{name}\}}", f"{seconds}s", query)
        return query


def last(duration: str, end: float, scrape: int = SCRAPE_SECONDS) -> Window:
    """The window of this length before `end`."""
    return Window(end - seconds(duration), end, scrape)


def seconds(duration: str) -> int:
    """30s, 15m, 6h or 2d in seconds; UsageError for anything else."""
    found = _DURATION.fullmatch(duration)
    if not found or not int(found[1]):
        raise UsageError(f"{duration}: is no duration", "write a number and s, m, h or d, such as 30m")
    return int(found[1]) * _UNITS[found[2]]


def instant(when: str) -> float:
    """A time in Unix seconds, of those or of RFC 3339; without a zone it is UTC. UsageError for anything else."""
    try:
        return float(int(when)) if when.isdecimal() else _zoned(datetime.fromisoformat(when)).timestamp()
    except ValueError as error:
        raise UsageError(
            f"{when}: is no time", "write 2026-11-20T12:00:00Z, or the seconds since 1970"
        ) from error


def moment(when: float) -> str:
    """A time as the picture tells it, in UTC."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S}"


def _zoned(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
