"""Why no node takes a pod: labels, then what nodes offer, then taints, then room."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from valuegen.doctor.amounts import Amounts, gpu_resource, has_room, pod_requests, shown, word
from valuegen.doctor.nodes import Node, fulfils, in_the_way, selected, terms
from valuegen.doctor.objects import Object, count
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE = Decimal(0)


def obstacle(spec: Object, nodes: Sequence[Node]) -> tuple[Reason, str] | None:
    """Why none of the nodes takes a pod: the reason, and what is seen. None if one has room.

    Pods that keep away from each other, volumes and claims of devices are not looked at here.
    """
    if not nodes:
        return Reason("node-room", "the cluster has no nodes", "add nodes"), "no node is registered"
    fitting = selected(spec, nodes)
    if not fitting:
        return _label(spec, nodes)
    asked = pod_requests(spec)
    offering = [node for node in fitting if has_room(node.allocatable, asked)]
    if not offering:
        return _resource(asked, nodes, fitting)
    open_to = [node for node in offering if not in_the_way(spec, node)]
    if not open_to:
        return _taint(spec, offering)
    if any(has_room(node.free, asked) for node in open_to):
        return None
    return _room(asked, open_to)


def _label(spec: Object, nodes: Sequence[Node]) -> tuple[Reason, str]:
    """What no node's labels fulfil, and what the nodes have instead."""
    expressions = [each for term in terms(spec) for each in term]
    nowhere = [each for each in expressions if not any(fulfils(node, each) for node in nodes)]
    if not nowhere:
        wanted = " and ".join(_text(each) for each in terms(spec)[0])
        fix = "correct accelerator.product and scheduling.nodeSelector, or add nodes that have all of them"
        return Reason("node-label", f"no node has the labels {wanted} together", fix), "each is on some node"
    key = nowhere[0]["key"]
    values = Counter(node.labels[key] for node in nodes if key in node.labels)
    why = f"no node has the label {_text(nowhere[0])}"
    if values:
        having = ", ".join(f"{value} ({count(number, 'node')})" for value, number in sorted(values.items()))
        where = "accelerator.product" if "product" in key else "scheduling.nodeSelector"
        fix = f"set {where} to one of these, or add nodes: {', '.join(sorted(values))}"
        return Reason("node-label", why, fix), f"nodes have {key}: {having}"
    fix = (
        f"install what labels the nodes, such as GPU Feature Discovery, or: kubectl label node NODE {key}=..."
    )
    return Reason("node-label", why, fix), f"none of {count(len(nodes), 'node')} has the label {key}"


def _text(expression: Object) -> str:
    values = ", ".join(expression.get("values") or ())
    if expression["operator"] == "In":
        return f"{expression['key']}={values.replace(', ', ' or ')}"
    return f"{expression['key']} {expression['operator']} {values}".strip()


def _resource(asked: Amounts, nodes: Sequence[Node], fitting: Sequence[Node]) -> tuple[Reason, str]:
    """The resource of which no node has as much, free or not."""
    text = f"{count(len(fitting), 'node')} with the labels that the pod selects"
    for resource, number in asked.items():
        largest = max(node.allocatable.get(resource, NONE) for node in fitting)
        if largest >= number:
            continue
        if not any(node.allocatable.get(resource) for node in nodes):
            fix = f"install the device plugin of {resource}, or set accelerator.resource to what nodes offer"
            return Reason("node-resource", f"no node offers {resource}", fix), _offered(nodes)
        have = f"the largest node that it selects has {shown(resource, largest)}"
        why = f"no node has enough free {word(resource)}: a pod needs {shown(resource, number)} {resource}, {have}"
        return Reason("node-room", why, _less(resource)), text
    everything = ", ".join(f"{shown(key, number)} {key}" for key, number in asked.items() if key != "pods")
    why = f"no node has all of what a pod needs: {everything}"
    return Reason("node-room", why, "lower resources, or add larger nodes"), text


def _offered(nodes: Sequence[Node]) -> str:
    there = sorted(
        {key for node in nodes for key, number in node.allocatable.items() if "/" in key and number}
    )
    return f"nodes offer {', '.join(there)}" if there else "no node offers any device"


def _less(resource: str) -> str:
    if word(resource) == "GPUs":
        return "lower parallelism or replicas, free GPUs, or add nodes"
    return f"lower resources.requests.{resource}, or add larger nodes"


def _taint(spec: Object, nodes: Sequence[Node]) -> tuple[Reason, str]:
    """What keeps the pod off the nodes that would do."""
    reasons = Counter(each for node in nodes for each in in_the_way(spec, node))
    said = ", ".join(f"{each} ({count(number, 'node')})" for each, number in sorted(reasons.items()))
    text = f"{count(len(nodes), 'node')} would fit: {said}"
    taints = sorted(set(reasons) - {"cordoned", "not ready"})
    if taints:
        why = f"the pod does not tolerate the taint {', '.join(taints)}"
        return Reason("node-taint", why, "add it to scheduling.tolerations"), text
    why = f"every node that fits is {' or '.join(sorted(reasons))}"
    return Reason("node-taint", why, "kubectl uncordon NODE, or repair the nodes"), text


def _room(asked: Amounts, nodes: Sequence[Node]) -> tuple[Reason, str]:
    """The resource that is used up on every node that would do."""
    short = Counter(key for node in nodes for key in asked if node.free.get(key, NONE) < asked[key])
    # The accelerator is what people can do least about; else what most nodes are short of.
    gpu = gpu_resource(asked)
    resource = gpu if gpu in short else short.most_common(1)[0][0]
    free = [max(node.free.get(resource, NONE), NONE) for node in nodes]
    need = f"a pod needs {shown(resource, asked[resource])} {resource}"
    why = (
        f"no node has enough free {word(resource)}: {need}, at most {shown(resource, max(free))} free on one"
    )
    in_all = shown(resource, sum(free, NONE))
    text = f"{count(len(nodes), 'node')} would fit, with {in_all} {resource} free in all"
    return Reason("node-room", why, _less(resource)), text
