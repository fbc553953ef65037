"""Values as Grafana writes them (packages/grafana-data/src/valueFormats): scaled, with few decimals and a unit.

Only the units of the chart's dashboards: another one is refused, not guessed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from charttest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Scale = Callable[[float], tuple[float, str]]

# Below this many seconds: what one of the unit is, and its name.
_SECONDS = (
    (1e-6, 1e-9, " ns"),
    (1e-3, 1e-6, " \u00b5s"),
    (1, 1e-3, " ms"),
    (60, 1, " s"),
    (3600, 60, " min"),
    (86400, 3600, " hour"),
    (604800, 86400, " day"),
    (31536000, 604800, " week"),
    (math.inf, 3.15569e7, " year"),
)
_SHORT = ("", " K", " Mil", " Bil", " Tri", " Quadr", " Quint", " Sext", " Sept")
_SI = ("f", "p", "n", "\u00b5", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y")


def _seconds(value: float) -> tuple[float, str]:
    if value == 0:
        return 0.0, " s"
    one, name = next((one, name) for below, one, name in _SECONDS if abs(value) < below)
    return value / one, name


def _fixed(suffix: str, factor: float = 1) -> Scale:
    return lambda value: (factor * value, suffix)


def _thousands(names: Sequence[str], base: int = 0) -> Scale:
    """By powers of 1000; `base` is the place of the name of 1."""

    def scale(value: float) -> tuple[float, str]:
        power = math.floor(math.log10(abs(value)) / 3) if value else 0
        power = min(max(power, -base), len(names) - base - 1)
        return value / 1000.0**power, names[base + power]

    return scale


def _count(name: str) -> Scale:
    return _thousands([f"{letter} {name}" for letter in ("", "K", "M", "B", "T")])


def _si(name: str, base: int = 0) -> Scale:
    """By SI's prefixes; `base` is how many of them above the plain unit the values come in."""
    return _thousands([f" {prefix}{name}" for prefix in _SI], _SI.index("") + base)


UNITS: dict[str, Scale] = {
    "short": _thousands(_SHORT),
    "s": _seconds,
    "percent": _fixed("%"),
    "percentunit": _fixed("%", 100),
    "reqps": _count("req/s"),
    "ops": _count("ops/s"),
    "celsius": _fixed(" °C"),
    "watt": _si("W"),
    "rotmhz": _si("Hz", 2),
}


def known(unit: str) -> None:
    """UsageError for a unit that no dashboard of the chart has."""
    if unit not in UNITS:
        raise UsageError(
            f"is written in {unit}", f"take one of {', '.join(UNITS)}, or teach units.py this one"
        )


def written(value: float, unit: str) -> str:
    """A value in a panel: as many decimals as Grafana gives it."""
    number, suffix = UNITS[unit](value)
    return _rounded(number, _decimals(number)) + suffix


def marked(value: float, unit: str) -> str:
    """A mark of an axis, which is a round number: no more decimals than it has."""
    number, suffix = UNITS[unit](value)
    return f"{number:.6g}{suffix}"


def _decimals(value: float) -> int:
    """As many as make three digits; none for a whole number (getDecimalsForValue)."""
    return 0 if value % 1 == 0 else max(0, 2 - math.floor(math.log10(abs(value))))


def _rounded(value: float, decimals: int) -> str:
    """Rounded as JavaScript does: a half goes up."""
    factor = 10.0**decimals
    return f"{math.floor(value * factor + 0.5) / factor:.{decimals}f}"
