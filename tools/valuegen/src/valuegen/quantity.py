"""Kubernetes quantities as numbers."""

from __future__ import annotations

import re
from decimal import Decimal

# What the chart's schema lets through: a decimal number, then a binary or decimal suffix.
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([KMGTPE]i|[mkMGTPE])?")
FACTORS = {suffix + "i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
FACTORS |= {suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)}
FACTORS["m"] = Decimal("1e-3")


def number(quantity: object) -> Decimal | None:
    """Bytes, cores or pieces; None for what is no quantity."""
    match = QUANTITY.fullmatch(str(quantity))
    if match is None or isinstance(quantity, bool):
        return None
    return Decimal(match[1]) * FACTORS.get(match[2] or "", Decimal(1))
