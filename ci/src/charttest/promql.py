"""Reads a PromQL query: whether it parses, and whether every metric and label in it can exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import promql_parser as promql

from charttest.exporters import bound

if TYPE_CHECKING:
    from charttest.exporters import Exporter, Series

Labels = frozenset[str] | None
"""The labels that a result can have; None when nobody knows."""

# What Prometheus, Prometheus Operator and their usual relabelling give to every series of a scrape target.
TARGET = frozenset(
    ("__name__", "namespace", "pod", "service", "container", "endpoint", "instance", "job", "node")
)
TARGET |= {"cluster", "prometheus", "prometheus_replica"}
_CHOOSING = {"topk", "bottomk", "limitk", "limit_ratio"}  # keep the series that they choose
_COUNTED = {"rate", "irate", "increase", "resets"}  # of a counter only
_DURATION = re.compile(r"\$__(?:rate_interval|interval|range)\b|\$\{__(?:rate_interval|interval|range)\}")
_IN_BRACKETS = re.compile(r"\[(\$\w+|\$\{[^}]*\}|\[\[\w+\]\])(:[^\]]*)?\]")
_VARIABLE = re.compile(r"\$\w+|\$\{[^}]*\}|\[\[\w+\]\]")
_STAND_IN = "grafana_variable"


@dataclass(frozen=True)
class World:
    """What is scraped: programs, the labels of the scrape, and names that recording rules make."""

    exporters: tuple[Exporter, ...]
    target_labels: Labels = TARGET
    recorded: frozenset[str] = frozenset()
    shared: bool = False
    """Whether the names that programs share are theirs, and no other program's."""


@dataclass(frozen=True)
class Reading:
    """What is wrong with a query, and the labels that its result can have."""

    problems: tuple[str, ...]
    labels: Labels
    names: frozenset[str]


def read(query: str, world: World) -> Reading:
    """Judge a query, in which Grafana's variables may stand for a duration, a number, a name or text."""
    text = _IN_BRACKETS.sub(r"[5m\2]", _DURATION.sub("5m", query))
    # A variable outside of quotes is a name, as in `by ($x)`, or a number, as in `topk($n, …)`.
    errors = []
    for stand_in in dict.fromkeys((_VARIABLE.sub(_STAND_IN, text), _VARIABLE.sub("1", text))):
        try:
            parsed = promql.parse(stand_in)
        except ValueError as error:
            errors.append(str(error))
        else:
            reader = _Reader(world)
            labels = reader.labels(parsed)
            return Reading(tuple(dict.fromkeys(reader.problems)), labels, frozenset(reader.names))
    return Reading((f"is no PromQL: {errors[0]}",), None, frozenset())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class _Reader:
    """Goes through one query from its selectors up, and keeps what is wrong."""

    def __init__(self, world: World) -> None:
        self.problems: list[str] = []
        self.names: set[str] = set()
        self._world = world

    def labels(self, node: promql.Expr) -> Labels:
        """The labels that a part of the query can have."""
        found: Labels = frozenset()  # a number or a text
        match node:
            case promql.VectorSelector():
                found = self._selector(node)
            case promql.MatrixSelector():
                found = self._selector(node.vector_selector)
            case promql.AggregateExpr():
                found = self._aggregate(node)
            case promql.Call():
                found = self._call(node)
            case promql.BinaryExpr():
                found = self._binary(node)
            case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
                found = self.labels(node.expr)
        return found

    def _selector(self, node: promql.VectorSelector) -> Labels:
        matchers = [*node.matchers.matchers, *(each for group in node.matchers.or_matchers for each in group)]
        exact = [
            each.value for each in matchers if each.name == "__name__" and each.op == promql.MatchOp.Equal
        ]
        name = node.name or next(iter(exact), None)
        series = self._series(name) if name else None
        if series is None or series.labels is None or self._world.target_labels is None:
            return None
        labels = series.labels | self._world.target_labels
        for matcher in matchers:
            what = f"chooses {series.name} by the label {matcher.name}"
            self._check(matcher.name, labels, what, "it does not have")
            if matcher.name == "le" and matcher.op == promql.MatchOp.Equal:
                self._check_bound(matcher.value, series)
        return labels

    def _check_bound(self, value: str, series: Series) -> None:
        """A bucket that is not there has no series: the query is empty, and no error."""
        if series.buckets is None or _VARIABLE.search(value) or value == _STAND_IN:
            return
        known = [*map(bound, series.buckets), "+Inf"]
        if value not in known:
            close = min(series.buckets, key=lambda each: abs(each - _number(value)))
            hint = f'did you mean le="{bound(close)}"?'
            self.problems.append(
                f'chooses the bucket le="{value}" of {series.name}, which it does not have: {hint}'
            )

    def _series(self, name: str) -> Series | None:
        self.names.add(name)
        if name in self._world.recorded:
            return None
        for exporter in self._world.exporters:
            if found := exporter.series.get(name) or (
                exporter.shared_series.get(name) if self._world.shared else None
            ):
                return found
            if name.startswith((exporter.prefix, exporter.prefix.replace(":", "_"))):
                right = name.replace(exporter.prefix.replace(":", "_"), exporter.prefix, 1)
                hint = f": it is {right}" if right in exporter.series else exporter.hint(right)
                self.problems.append(f"asks for {name}, which {exporter.title} does not export{hint}")
        return None

    def _check(self, label: str, labels: Labels, what: str, whose: str = "nothing in it has") -> None:
        if labels is None or label in labels or label == _STAND_IN or label.startswith("exported_"):
            return
        hints = (exporter.label_hint(label, labels) for exporter in self._world.exporters)
        self.problems.append(f"{what}, which {whose}{next(filter(None, hints), '')}")

    def _aggregate(self, node: promql.AggregateExpr) -> Labels:
        inner = self.labels(node.expr)
        if node.param is not None:
            self.labels(node.param)
        operator = str(node.op)
        made = (
            frozenset({node.param.val})
            if operator == "count_values" and node.param is not None
            else frozenset()
        )
        if node.modifier is not None and node.modifier.type == promql.AggModifierType.Without:
            return None if inner is None else (inner - frozenset(node.modifier.labels)) | made
        named = node.modifier.labels if node.modifier is not None else []
        for label in named:
            self._check(label, inner, f"groups {operator} by the label {label}")
        return inner if operator in _CHOOSING else made | frozenset(named)

    def _call(self, node: promql.Call) -> Labels:
        name = node.func.name
        inner = [self.labels(each) for each in node.args]
        vectors = [
            labels
            for labels, each in zip(inner, node.args, strict=True)
            if not isinstance(each, promql.NumberLiteral | promql.StringLiteral)
        ]
        labels = vectors[-1] if vectors else frozenset()
        if name in _COUNTED:
            self._counted(name, node.args[0])
        if name in ("absent", "absent_over_time"):
            return None
        if name == "histogram_quantile" and labels is not None:
            if "le" not in labels:
                self.problems.append(
                    "takes a histogram_quantile of series without le: keep it, `sum by (le) (…)`"
                )
            return labels - {"le"}
        if name in ("label_replace", "label_join") and vectors[0] is not None:
            texts = [each.val for each in node.args if isinstance(each, promql.StringLiteral)]
            # An empty name is how a constant is set: label_replace(x, "a", "b", "", "").
            for source in filter(None, texts[2:3] if name == "label_replace" else texts[2:]):
                self._check(source, vectors[0], f"takes the label {source} for {name}")
            return vectors[0] | {texts[0]}
        return labels

    def _counted(self, function: str, node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector) and (name := node.vector_selector.name):
            kinds = [each.series[name].kind for each in self._world.exporters if name in each.series]
            if "gauge" in kinds:
                self.problems.append(f"takes the {function} of {name}, which is a gauge: take delta or deriv")

    def _binary(self, node: promql.BinaryExpr) -> Labels:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        modifier = node.modifier
        both = None if left is None or right is None else left | right
        if modifier is None or modifier.matching is None:
            return both
        named = frozenset(modifier.matching.labels)
        extra = frozenset(modifier.group_labels or ())
        if modifier.matching.type == promql.LabelModifierType.Exclude:
            return None if both is None else both - (named - extra)
        for labels in (left, right):
            for label in modifier.matching.labels:
                self._check(label, labels, f"matches on the label {label}")
        if modifier.card == promql.VectorMatchCardinality.OneToOne:
            return named
        if modifier.card == promql.VectorMatchCardinality.ManyToMany:  # and, or, unless
            return both
        many, one = (
            (left, right) if modifier.card == promql.VectorMatchCardinality.ManyToOne else (right, left)
        )
        for label in extra:
            self._check(label, one, f"takes the label {label} from the other side")
        return None if many is None else many | extra
