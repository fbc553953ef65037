"""Reads a page of metrics, in Prometheus's text format: what each family on it is, without values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TYPE = re.compile(r"# TYPE (\S+) (\S+)")
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ENDINGS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


@dataclass
class Family:
    """One metric of a page: its type, and its labels with their values but `le` and `quantile`, which are `bounds`."""

    kind: str
    labels: dict[str, set[str]] = field(default_factory=dict)
    bounds: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of its series


def families(text: str) -> dict[str, Family]:
    """Every family of a page by name; ValueError for a line that is none of the format."""
    found: dict[str, Family] = {}
    owner: dict[str, Family] = {}  # by the names of the series
    for line in text.splitlines():
        if typed := _TYPE.fullmatch(line):
            name, kind = typed.groups()
            found[name] = Family(kind)
            owner |= {f"{name}{ending}": found[name] for ending in ("", *_ENDINGS.get(kind, ()))}
        elif line and not line.startswith("#"):
            sample = _SAMPLE.fullmatch(line)
            if sample is None or sample[1] not in owner:
                raise ValueError(f"{line[:80]}: no sample of a family with a type")
            _add(owner[sample[1]], sample[1], sample[2] or "")
    return found


def _add(family: Family, name: str, labels: str) -> None:
    family.names.add(name)
    for label, value in _LABEL.findall(labels):
        if label not in ("le", "quantile"):
            family.labels.setdefault(label, set()).add(value)
        elif value not in family.bounds:
            family.bounds.append(value)
