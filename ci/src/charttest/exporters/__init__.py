"""What programs export to Prometheus: one table per program, of the version that is pinned here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HISTOGRAM = {"_bucket": ("le",), "_sum": (), "_count": (), "_created": ()}
_SUMMARY = {"_sum": (), "_count": (), "_created": ()}


@dataclass(frozen=True)
class Series:
    """One name of a query: its kind (counter, gauge, histogram, summary) and its labels, None for any."""

    name: str
    kind: str
    labels: frozenset[str] | None
    buckets: tuple[float, ...] | None = None
    """Of a histogram: its upper bounds but +Inf; None where they depend on the model."""
    when: str = ""
    """Without this it is not there, or stays 0."""
    elsewhere: str = ""
    """The program's file that has its name from another package."""


@dataclass(frozen=True)
class Exporter:
    """A program's metrics: those with its prefix, which are all there are, and those that other programs share."""

    program: str
    version: str
    seal: str
    """Of the table when it was last held against the program's source; charttest.sources.drift makes it."""
    prefix: str
    metrics: Mapping[str, Series]
    shared: Mapping[str, Series]
    renamed: Mapping[str, str]
    renamed_labels: Mapping[str, str]

    @property
    def title(self) -> str:
        """The program and its version, for messages."""
        return f"{self.program} {self.version}"

    @cached_property
    def series(self) -> dict[str, Series]:
        """Every name with the prefix that a query can ask for."""
        return {each.name: each for metric in self.metrics.values() for each in _series(metric)}

    @cached_property
    def shared_series(self) -> dict[str, Series]:
        """Every name without the prefix."""
        return {each.name: each for metric in self.shared.values() for each in _series(metric)}

    def hint(self, name: str) -> str:
        """What a name that is not exported should be, as the end of a sentence; empty when nothing is like it."""
        base = next((name.removesuffix(end) for end in _HISTOGRAM if name.endswith(end)), name)
        for known in (name, f"{name}_total", base, f"{base}_total"):
            if known in self.renamed:
                new = self.renamed[known]
                return f": it is {new} now" if new else ": it is gone, and nothing stands for it"
        if name in self.metrics:
            return f": it is a {self.metrics[name].kind}; ask for {name}_bucket, {name}_sum or {name}_count"
        if f"{name}_total" in self.series:
            return f": it is the counter {name}_total"
        close = difflib.get_close_matches(name, self.series, 1)
        return f": did you mean {close[0]}?" if close else ""

    def label_hint(self, label: str, labels: frozenset[str]) -> str:
        """What a label that is not there should be, as the end of a sentence; empty when nothing is like it."""
        new = self.renamed_labels.get(label)
        if new not in labels:
            new = next(iter(difflib.get_close_matches(label, sorted(labels), 1)), None)
        return f": did you mean {new}?" if new else ""


def bound(value: float) -> str:
    """An upper bound as the label `le` has it on a page (prometheus_client, floatToGoString), and in Prometheus 3."""
    text = repr(float(value))
    whole, _, rest = text.partition(".")
    if "e" in text or len(whole) <= 6:
        return text
    return f"{whole[0]}.{whole[1:]}{rest}".rstrip("0.") + f"e+{len(whole) - 1:02}"


@cache
def exporters() -> tuple[Exporter, ...]:
    """Every program with a table."""
    return tuple(load(path) for path in sorted(Path(__file__).parent.glob("*.yaml")))


def vllm_table() -> Path:
    """The file of vLLM's table."""
    return Path(__file__).with_name("vllm.yaml")


def load(path: Path) -> Exporter:
    """The table in a file."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))

    def metrics(part: str) -> dict[str, Series]:
        return {
            name: Series(
                name,
                entry["type"],
                _labels(entry.get("labels", found["labels"])),
                tuple(map(float, found["buckets"][entry["buckets"]])) if "buckets" in entry else None,
                entry.get("when", ""),
                entry.get("elsewhere", ""),
            )
            for name, entry in found.get(part, {}).items()
        }

    return Exporter(
        found["program"],
        found["version"],
        found["seal"],
        found["prefix"],
        metrics("metrics"),
        metrics("shared"),
        found.get("renamed", {}),
        found.get("renamedLabels", {}),
    )


def _labels(value: list[str] | str) -> frozenset[str] | None:
    return None if value == "any" else frozenset(value)


def _series(metric: Series) -> Iterator[Series]:
    """The names on the page of one metric, as prometheus_client writes them."""
    if metric.kind in ("histogram", "summary"):
        for ending, more in (_HISTOGRAM if metric.kind == "histogram" else _SUMMARY).items():
            labels = None if metric.labels is None else metric.labels | set(more)
            kind = "gauge" if ending == "_created" else "counter"
            buckets = metric.buckets if more else None
            yield Series(metric.name + ending, kind, labels, buckets, metric.when)
        return
    yield metric
    if metric.kind == "counter":
        yield replace(metric, name=f"{metric.name.removesuffix('_total')}_created", kind="gauge")
