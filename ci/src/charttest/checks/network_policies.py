"""A NetworkPolicy closes pods of the release, by ports that they have, and lets nobody in by an empty list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests
from charttest.checks.selectors import matches
from charttest.checks.services import has_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEERS = {"ingress": "from", "egress": "to"}


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
        # A pod without the port stays closed, as workers of a group should; a port of no pod opens nothing.
        for name in sorted(named if pods else ()):
            if not any(has_port(pod, name) for pod in pods):
                owners = ", ".join(sorted({f"{pod.owner.kind}/{pod.owner.name}" for pod in pods}))
                yield item, f"none of {owners} has a container port named {name!r}"


CHECK = Check(
    id="network-policies",
    sentence="A NetworkPolicy selects pods of the release, names ports that they have, and has no empty list of peers.",
    fix="use the labels and port names of the pod template, and leave a rule out rather than empty",
    run=_run,
)
