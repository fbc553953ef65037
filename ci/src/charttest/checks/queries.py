"""What asks Prometheus asks for something that can be there: its PromQL parses, its metrics and labels exist."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from charttest.checks.model import SERVING, Check, Manifest, Manifests
from charttest.exporters import exporters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.promql import Labels, World

_VALUES = re.compile(r"label_values\(\s*(?:(?P<query>.+),\s*)?(?P<label>\w+)\s*\)\s*", re.S)
_RESULT = re.compile(r"query_result\((?P<query>.+)\)\s*", re.S)
_USED = re.compile(r"\$labels\.(\w+)")
_NOT_PROMQL = re.compile(r"(label_names|metrics)\(")


@dataclass(frozen=True)
class Query:
    """A query, where it stands, and what is done with the labels of its result."""

    item: Manifest
    where: str
    text: str
    used: tuple[str, ...] = ()  # labels that a text takes from it
    given: frozenset[str] = frozenset()  # and those that a rule adds


def queries(manifests: Manifests) -> Iterator[Query]:
    """Every query of scalers, rules and dashboards."""
    for item in manifests.of("ScaledObject", "ScaledJob"):
        for number, trigger in enumerate(item.spec.get("triggers") or []):
            if trigger["type"] == "prometheus":
                name = trigger.get("name", number)
                yield Query(item, f"trigger {name}", str((trigger.get("metadata") or {}).get("query", "")))
    for item in manifests.of("PrometheusRule"):
        for group in item.spec.get("groups") or []:
            yield from (_of_rule(item, rule) for rule in group.get("rules") or [])
    for item, name, board in _dashboards(manifests):
        if isinstance(board, dict):
            for where, text in _of_dashboard(board):
                yield Query(item, f"{name}: {where}", text)


def _of_rule(item: Manifest, rule: dict[str, Any]) -> Query:
    labels, annotations = rule.get("labels") or {}, rule.get("annotations") or {}
    texts = [str(text) for text in (*labels.values(), *annotations.values())]
    used = tuple(dict.fromkeys(label for text in texts for label in _USED.findall(text)))
    name = rule.get("alert") or rule.get("record")
    return Query(item, f"rule {name}", str(rule.get("expr", "")), used, frozenset(labels))


def _dashboards(manifests: Manifests) -> Iterator[tuple[Manifest, str, Any]]:
    """Every dashboard with its name; text that is no JSON as it stands."""
    texts = [
        (item, name, text)
        for item in manifests.of("ConfigMap")
        for name, text in (item.get("data") or {}).items()
        if name.endswith(".json")
        and any("dashboard" in label for label in item["metadata"].get("labels") or {})
    ]
    texts += [
        (i, "spec.json", i.spec["json"]) for i in manifests.of("GrafanaDashboard") if i.spec.get("json")
    ]
    for item, name, text in texts:
        try:
            yield item, name, json.loads(text)
        except ValueError:
            yield item, name, text


def _of_dashboard(part: Any, panel: str = "dashboard") -> Iterator[tuple[str, str]]:
    """Every query below a part of a dashboard, with the title of its panel or the name of its variable."""
    if isinstance(part, list):
        for each in part:
            yield from _of_dashboard(each, panel)
    if not isinstance(part, dict):
        return
    if "title" in part:
        panel = f"panel {part['title']!r}"
    if isinstance(part.get("expr"), str):
        yield panel, part["expr"]
    if part.get("type") == "query" and "name" in part:
        asked = part.get("query")
        text = asked.get("query", "") if isinstance(asked, dict) else asked
        if isinstance(text, str):
            yield f"variable {part['name']}", text
    for key, each in part.items():
        if key not in ("expr", "query", "definition"):
            yield from _of_dashboard(each, panel)


def _target_labels(manifests: Manifests) -> Labels:
    """The labels of what is scraped, with those that the monitors of this render add.

    None where whoever scrapes is not in this render: it holds nothing that serves, as a release of dashboards
    for the others, or its pods are found by annotations. Their labels are set elsewhere, and nobody knows them.
    """
    from charttest.promql import TARGET  # noqa: PLC0415 - needs promql-parser

    monitors = manifests.of("ServiceMonitor", "PodMonitor")
    if not monitors and (not manifests.of(*SERVING) or _is_annotated(manifests)):
        return None
    found: set[str] = set()
    for item in monitors:
        for key in ("podTargetLabels", "targetLabels"):
            found |= {re.sub(r"\W", "_", label) for label in item.spec.get(key) or []}
        for endpoint in item.spec.get("endpoints") or item.spec.get("podMetricsEndpoints") or []:
            for step in (*(endpoint.get("relabelings") or []), *(endpoint.get("metricRelabelings") or [])):
                found.add(str(step.get("targetLabel", "")))
    return TARGET | (found - {""})


def _is_annotated(manifests: Manifests) -> bool:
    """Whether pods ask to be scraped by the annotation that Prometheus' example configuration reads."""
    return any("prometheus.io/scrape" in pod.annotations for pod in manifests.pods)


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item, name, board in _dashboards(manifests):
        if isinstance(board, str):
            yield item, f"{name}: is no JSON"
    asked = list(queries(manifests))
    if not asked:
        return
    if find_spec("promql_parser") is None:
        what = "has queries that nothing here can read: install charttest[promql], or ignore this check"
        yield asked[0].item, what
        return
    from charttest.promql import World  # noqa: PLC0415 - needs promql-parser

    known = exporters()
    recorded = frozenset(
        str(rule["record"])
        for item in manifests.of("PrometheusRule")
        for group in item.spec.get("groups") or []
        for rule in group.get("rules") or []
        if "record" in rule
    )
    prefixes = tuple(each.prefix for each in known)
    shared = any(prefix in query.text for query in asked for prefix in prefixes)
    world = World(known, _target_labels(manifests), recorded, shared)
    for query in asked:
        for problem in _judge(query, world):
            yield query.item, f"{query.where}: {problem}"


def _judge(query: Query, world: World) -> Iterator[str]:
    from charttest.promql import read  # noqa: PLC0415 - needs promql-parser

    text, wanted = query.text, list(query.used)
    if _NOT_PROMQL.match(text):
        return
    if found := _VALUES.fullmatch(text):
        text, wanted = found["query"] or "", [found["label"]]
        if not text:
            return
    elif found := _RESULT.fullmatch(text):
        text = found["query"]
    reading = read(text, world)
    yield from reading.problems
    for label in wanted:
        if _lacks(label, reading.labels, query.given):
            yield f"shows the label {label}, which its result does not have"


def _lacks(label: str, labels: Labels, given: frozenset[str]) -> bool:
    return labels is not None and label not in labels | given and not label.startswith("exported_")


CHECK = Check(
    id="queries",
    sentence="Every PromQL query parses, and asks for metrics and labels that the pinned engine exports.",
    fix="ask for what is on the engine's /metrics page; charttest's exporters/ lists it",
    run=_run,
)
