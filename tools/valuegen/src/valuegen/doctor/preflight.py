"""Asks a cluster for what rendered values need: reads both sides, and judges one against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor.capacity import lacking_room, over_quota, placed_text
from valuegen.doctor.existence import (
    kinds_path,
    lacking_classes,
    lacking_controllers,
    lacking_kinds,
    lacking_references,
    reference_path,
)
from valuegen.doctor.findings import Finding, Report, in_order
from valuegen.doctor.gathering import path, without
from valuegen.doctor.needs import needs_of
from valuegen.doctor.nodes import nodes_of
from valuegen.doctor.objects import Object, count, labels
from valuegen.doctor.rendering import Rendering
from valuegen.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from valuegen.doctor.asking import Answer, Kubectl

NAME = "preflight"  # of the release that is rendered, where none is given


def preflight(
    kubectl: Kubectl, values: tuple[Path, ...], chart: str | None, release: str | None, namespace: str
) -> Report:
    """What the cluster lacks for these values. ClusterError, UsageError where one side cannot be read."""
    rendering = Rendering.of(chart, values, release or NAME, namespace)
    version = str(kubectl.get("/version").document["gitVersion"])
    objects, refused = _rendered(rendering, version)
    if refused is not None:
        return Report(rendering.subject, "preflight", namespace, (refused,), "")
    needs = needs_of(objects)
    wanted = {
        "nodes": path("nodes", "api/v1"),
        "pods of all namespaces": path(
            "pods", "api/v1", fieldSelector="status.phase!=Succeeded,status.phase!=Failed"
        ),
        "storageclasses": path("storageclasses", "apis/storage.k8s.io/v1"),
        "resourcequotas": path("resourcequotas", "api/v1", namespace),
        "webhooks": path("validatingwebhookconfigurations", "apis/admissionregistration.k8s.io/v1"),
        "apiservices": path("apiservices", "apis/apiregistration.k8s.io/v1"),
    }
    wanted |= {f"kind {api} {kind}": kinds_path(api) for api, kind in needs.kinds}
    wanted |= {one.title: reference_path(one, namespace) for one in needs.references}
    answers = kubectl.get_all(wanted.values())
    return judge(
        rendering.subject, namespace, release, objects, {key: answers[at] for key, at in wanted.items()}
    )


def _rendered(rendering: Rendering, version: str) -> tuple[list[Object], Finding | None]:
    """The objects, or the finding that this Kubernetes is what the chart refuses."""
    try:
        return rendering.objects(version), None
    except UsageError as error:
        rendering.objects(None)  # the values themselves are refused
        why = f"Kubernetes {version} is too old for the values: {error.message.partition('helm says: ')[2]}"
        fix = "upgrade the cluster, or do without what the message names"
        return [], Finding("kubernetes-version", "error", "the cluster", version, why, fix)


def judge(
    subject: str,
    namespace: str,
    release: str | None,
    objects: Sequence[Object],
    answers: Mapping[str, Answer],
) -> Report:
    """What is missing among the answers for these objects."""
    needs = needs_of(objects)
    denied = sorted({without(key) for key, answer in answers.items() if answer.problem == "denied"})
    found = [
        *lacking_kinds(needs, answers),
        *lacking_controllers(needs, answers),
        *lacking_references(needs, answers, namespace),
        *lacking_classes(needs, answers, {item for item in needs.made if item[0] == "StorageClass"}),
    ]
    rooms = ""
    if not answers["nodes"].problem:
        busy = None
        if not answers["pods of all namespaces"].problem:
            # An upgrade takes the place of the release's own pods.
            own = ("app.kubernetes.io/instance", release)
            busy = [pod for pod in answers["pods of all namespaces"].items if own not in labels(pod).items()]
        nodes = nodes_of(answers["nodes"].items, busy)
        found += lacking_room(needs, nodes)
        rooms = placed_text(needs, nodes)
    if not answers["resourcequotas"].problem:
        found += over_quota(needs, answers["resourcequotas"].items)
    rest = f"{count(len(needs.kinds), 'kind')} known, {count(len(needs.references), 'reference')} found"
    healthy = "nothing is missing: " + ", ".join(filter(None, (rooms, rest)))
    return Report(subject, "preflight", namespace, in_order(found), healthy, tuple(denied))
