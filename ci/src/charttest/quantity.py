"""Kubernetes quantities as numbers."""

from __future__ import annotations

import re
from decimal import Decimal

# k8s.io/apimachinery pkg/api/resource: a decimal number, then a binary, decimal or exponent suffix.
_QUANTITY = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)((?:[KMGTPE]i|[numkMGTPE])|[eE][+-]?\d+)?")
_BINARY = {suffix + "i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
_DECIMAL = {suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)}
_SMALL = {"m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
_SUFFIXES = {**_BINARY, **_DECIMAL, **_SMALL}


def parse(value: object) -> Decimal | None:
    """A Kubernetes quantity as a number (bytes, cores, pieces), or None for one it cannot read."""
    text = str(value)
    match = _QUANTITY.fullmatch(text)
    if match is None or isinstance(value, bool):
        return None
    suffix = match[2] or ""
    number = text[: len(text) - len(suffix)]
    return (
        Decimal(number + suffix)
        if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei"
        else (Decimal(number) * _SUFFIXES.get(suffix, Decimal(1)))
    )
