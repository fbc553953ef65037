"""Plain tables. A library would cost a third of the time that `valuegen plan` may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows as lines of equal columns; the columns in `right` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        GAP.join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def hanging(label: str, text: str, *, indent: int, width: int) -> str:
    """A label, and text wrapped beside it."""
    from textwrap import wrap  # noqa: PLC0415  (slow to import, and most output needs none)

    lines = wrap(text, width - indent, break_long_words=False, break_on_hyphens=False)
    return f"{label:<{indent}}" + ("\n" + " " * indent).join(lines)
