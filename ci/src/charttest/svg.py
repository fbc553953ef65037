"""What every picture is written with: texts, hues and the document around them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INK = "#222"
# Hues that differ also for people who do not see all colours (Okabe and Ito).
HUES = ("#e69f00", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#56b4e9", "#222222")


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: int = 13,
    weight: str = "normal",
    anchor: str = "start",
    fill: str = "",
    told: str = "",
) -> str:
    """A line of text on its base line; `told` is shown where the pointer rests on it."""
    more = f' fill="{fill}"' if fill else ""
    title = f"<title>{escape(told)}</title>" if told else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"{more}>'
        f"{escape(content)}{title}</text>"
    )


def document(parts: Sequence[str], width: int, height: int) -> str:
    """The whole picture, on white."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" fill="{INK}">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )
