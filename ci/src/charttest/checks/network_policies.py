"""A NetworkPolicy closes pods of the release, by ports that they have, and lets nobody in by an empty list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests, Pod
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEERS = {"ingress": "from", "egress": "to"}


def _ports(pod: Pod) -> set[str]:
    return {str(port.get("name")) for container in pod.containers for port in container.get("ports") or []}


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of("NetworkPolicy"):
        labels = (item.spec.get("podSelector") or {}).get("matchLabels") or {}
        pods = [pod for pod in manifests.pods if matches(labels, pod.labels)]
        if labels and not pods:
            yield item, f"its podSelector {labels} matches no pod of this release"
        for direction, peers in _PEERS.items():
            for rule in item.spec.get(direction) or []:
                if rule.get(peers, [None]) == []:
                    yield item, f"a rule of {direction} says {peers}: [], which is everybody"
        named = {
            port["port"]
            for rule in item.spec.get("ingress") or []
            for port in rule.get("ports") or []
            if isinstance(port.get("port"), str)
        }
        # A pod without a named port is closed there: the rule may mean others of its pods, as the leader of a group.
        for name in sorted(named.difference(*map(_ports, pods))) if pods else ():
            yield item, f"no pod that it selects has a container port named {name!r}"


CHECK = Check(
    id="network-policies",
    sentence="A NetworkPolicy selects pods of the release, names ports that they have, and has no empty list of peers.",
    fix="use the labels and port names of the pod template, and leave a rule out rather than empty",
    run=_run,
)
