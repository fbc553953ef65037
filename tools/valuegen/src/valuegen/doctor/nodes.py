"""Nodes: what they offer, which of them a pod selects and tolerates, and what is free on them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from valuegen.doctor.amounts import Amounts, amounts, has_room, minus, plus, pod_requests
from valuegen.doctor.objects import Object, is_true, labels, name
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KEEPS_OUT = ("NoSchedule", "NoExecute")
# Of the control plane itself: no user can set a toleration for what they mean.
OWN_TAINTS = "node.kubernetes.io/"


@dataclass(frozen=True)
class Node:
    """What one node offers."""

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Object]
    allocatable: Amounts
    free: Amounts
    ready: bool = True
    cordoned: bool = False
    knows_free: bool = field(default=True)


def nodes_of(items: Iterable[Object], pods: Iterable[Object] | None) -> list[Node]:
    """Nodes with what the pods on them leave free; with None for the pods, all of it counts as free."""
    used: dict[str, Amounts] = {}
    for pod in pods or ():
        where = pod["spec"].get("nodeName")
        if where and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            used[where] = plus(used.get(where, {}), pod_requests(pod["spec"]))
    found = []
    for item in items:
        whole = amounts(item["status"].get("allocatable"))
        spec = item.get("spec") or {}
        found.append(
            Node(
                name(item),
                labels(item),
                tuple(spec.get("taints") or ()),
                whole,
                minus(whole, used.get(name(item), {})),
                is_true(item, "Ready"),
                bool(spec.get("unschedulable")),
                pods is not None,
            )
        )
    return found


def tolerates(spec: Object, taint: Object) -> bool:
    """Whether a pod tolerates a taint; source: k8s.io/component-helpers ToleratesTaint."""
    for each in spec.get("tolerations") or ():
        effect_fits = not each.get("effect") or each["effect"] == taint["effect"]
        key_fits = not each.get("key") or each["key"] == taint["key"]
        exists = each.get("operator", "Equal") == "Exists"
        if effect_fits and key_fits and (exists or each.get("value", "") == taint.get("value", "")):
            return True
    return False


def in_the_way(spec: Object, node: Node) -> list[str]:
    """The taints of a node that keep a pod out, and whether it is cordoned or does not answer."""
    found = [
        taint["key"]
        for taint in node.taints
        if taint["effect"] in KEEPS_OUT
        and not taint["key"].startswith(OWN_TAINTS)
        and not tolerates(spec, taint)
    ]
    if node.cordoned:
        found.append("cordoned")
    if not node.ready:
        found.append("not ready")
    return found


def terms(spec: Object) -> list[list[Object]]:
    """What a node's labels must fulfil: alternatives, each a list of expressions."""
    selector = [
        {"key": key, "operator": "In", "values": [value]}
        for key, value in (spec.get("nodeSelector") or {}).items()
    ]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    alternatives: list[list[Object]] = [
        list(term.get("matchExpressions") or ())
        + [{**each, "key": "metadata.name"} for each in term.get("matchFields") or ()]
        for term in required.get("nodeSelectorTerms") or [{}]
    ]
    return [selector + alternative for alternative in alternatives]


def fulfils(node: Node, expression: Object) -> bool:
    """Whether a node's labels fulfil one expression."""
    key, operator = expression["key"], expression["operator"]
    values: list[str] = expression.get("values") or []
    value = node.name if key == "metadata.name" else node.labels.get(key)
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if value is None or not value.lstrip("-").isdecimal():
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def selected(spec: Object, nodes: Iterable[Node]) -> list[Node]:
    """The nodes whose labels a pod selects."""
    alternatives = terms(spec)
    return [node for node in nodes if any(all(fulfils(node, each) for each in term) for term in alternatives)]


def place(spec: Object, free: dict[str, Amounts], nodes: Sequence[Node]) -> str:
    """The first node that takes a pod, whose room is then used up in `free`; empty if none does."""
    asked = pod_requests(spec)
    for node in selected(spec, nodes):
        if not in_the_way(spec, node) and has_room(free[node.name], asked):
            free[node.name] = minus(free[node.name], asked)
            return node.name
    return ""
