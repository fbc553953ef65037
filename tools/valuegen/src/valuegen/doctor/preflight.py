"""Asks a cluster for what rendered values need: reads both sides, and judges one against the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from valuegen.doctor import variants
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
from valuegen.doctor.gathering import controllers_path, path, read_leases, without
from valuegen.doctor.needs import needs_of
from valuegen.doctor.nodes import nodes_of
from valuegen.doctor.objects import Object, count, labels
from valuegen.doctor.rendering import Rendering
from valuegen.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valuegen.doctor.asking import Answer, Kubectl
    from valuegen.doctor.rendering import Given

NAME = "preflight"  # of the release that is rendered, where none is given


def preflight(
    kubectl: Kubectl, given: Given, chart: str | None, release: str | None, namespace: str
) -> Report:
    """What the cluster lacks for these values. ClusterError, UsageError where one side cannot be read."""
    rendering = Rendering.of(chart, given, release or NAME, namespace)
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
    made = variants.controllers_of(objects, namespace, are_new=True)
    wanted |= {f"group {group}": f"/apis/{group}" for group in variants.watched_groups(made)}
    if variants.variants_of(objects):
        wanted[variants.CONTROLLERS] = controllers_path()
    found = kubectl.get_all(wanted.values())
    answers = {key: found[at] for key, at in wanted.items()}
    running = answers[variants.CONTROLLERS].items if variants.CONTROLLERS in answers else []
    leases = read_leases(kubectl, running)
    return judge(
        rendering.subject, namespace, release, objects, answers, leases=leases, now=datetime.now(UTC)
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
    *,
    leases: Sequence[Object] | None = None,
    now: datetime,
) -> Report:
    """What is missing among the answers for these objects; `leases` of controllers at `now`, None: not judged."""
    needs = needs_of(objects)
    denied = {without(key) for key, answer in answers.items() if answer.problem == "denied"}
    if leases is None and variants.CONTROLLERS in answers and answers[variants.CONTROLLERS].items:
        denied.add(without(variants.LEASES))
    found = [
        *lacking_kinds(needs, answers),
        *lacking_controllers(needs, answers),
        *lacking_references(needs, answers, namespace),
        *lacking_classes(needs, answers, {item for item in needs.made if item[0] == "StorageClass"}),
        *_lacking_variants(objects, answers, leases, namespace, now),
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
    return Report(subject, "preflight", namespace, in_order(found), healthy, tuple(sorted(denied)))


def _lacking_variants(
    objects: Sequence[Object],
    answers: Mapping[str, Answer],
    leases: Sequence[Object] | None,
    namespace: str,
    now: datetime,
) -> Iterator[Finding]:
    """What keeps a Workload Variant Autoscaler, of the values or of the cluster, from deciding."""
    made = variants.controllers_of(objects, namespace, are_new=True)
    groups = variants.watched_groups(made)
    yield from variants.lacking_groups(
        groups, [group for group in groups if answers[f"group {group}"].problem != "absent"]
    )
    answer = answers.get(variants.CONTROLLERS)
    if answer is not None and not answer.problem:
        own = {each.title for each in made}
        there = [each for each in variants.controllers_of(answer.items, namespace) if each.title not in own]
        found = variants.variants_of(objects)
        held = None if leases is None else tuple(leases)
        yield from variants.Deciders((*made, *there), held, namespace, now).undecided(found)
