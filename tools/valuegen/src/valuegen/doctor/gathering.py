"""What to ask a cluster about a release: its objects, then what those make necessary."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from valuegen.doctor.objects import Object, happened, is_true, labels, moment, name, owner
from valuegen.doctor.variants import CONTROLLERS, LEASES, SELECTOR, variants_of
from valuegen.errors import UsageError
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valuegen.doctor.asking import Answer

# Plural -> group and version. Those of the release are asked for by its label, the others by namespace.
OWN = {
    "pods": "api/v1",
    "services": "api/v1",
    "deployments": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "poddisruptionbudgets": "apis/policy/v1",
    "leaderworkersets": "apis/leaderworkerset.x-k8s.io/v1",
    "scaledobjects": "apis/keda.sh/v1alpha1",
    "variantautoscalings": "apis/llmd.ai/v1alpha1",
    "httproutes": "apis/gateway.networking.k8s.io/v1",
    "ingresses": "apis/networking.k8s.io/v1",
}
BESIDE = {
    "events": "api/v1",
    "persistentvolumeclaims": "api/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
}
# Without these two nothing can be said at all.
NEEDED = ("pods", "events")
UNKNOWN_WITHOUT = {
    "nodes": "what nodes offer",
    "pods of all namespaces": "what is free on nodes",
    "storageclasses": "which classes there are",
    "ingressclasses": "which IngressClasses there are",
    CONTROLLERS: "whether a Workload Variant Autoscaler decides",
    LEASES: "whether one of its pods leads",
    "secrets": "the state of the Helm release",
    "logs": "what engines said last",
}
# kube-apiserver's default --event-ttl: what is older can neither be explained nor is it news.
RECENT_SECONDS = 3600
LOG_LINES = 2000  # eight workers each print a traceback before the last word


class Asker(Protocol):
    """Anything that answers GET requests: kubectl, or recorded answers."""

    def get_all(self, paths: Iterable[str]) -> Mapping[str, Answer]:
        """The answer to each path."""
        ...

    def revision(self, release: str, namespace: str) -> Answer:
        """The status of Helm's newest revision, as text."""
        ...


@dataclass(frozen=True)
class Seen:
    """What was read of a release: nothing in it asks again."""

    release: str
    namespace: str
    now: datetime
    objects: Mapping[str, list[Object]]  # by plural
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (pod, container): of what ended last
    denied: tuple[str, ...] = ()
    revision: str = ""  # Helm's newest: its status
    absent: frozenset[str] = frozenset()  # plurals that this cluster has no CRD for

    def all(self, plural: str) -> list[Object]:
        """The objects of a kind; none where it could not be read."""
        return self.objects.get(plural, [])

    def events(self, item: Object) -> list[Object]:
        """The events about an object."""
        found = []
        for event in self.all("events"):
            about = event.get("involvedObject", {})
            same = about.get("kind") == item["kind"] and about.get("name") == name(item)
            uid = item["metadata"].get("uid")
            if same and about.get("uid", uid) == uid:
                found.append(event)
        return sorted(found, key=happened)

    def knows(self, plural: str) -> bool:
        """Whether a kind was read."""
        return plural in self.objects

    def group(self, pod: Object) -> str:
        """The workload that a pod belongs to, as Kind/name."""
        kind, own = owner(pod)
        if kind == "ReplicaSet":
            made = next((item for item in self.all("replicasets") if name(item) == own), None)
            if made is not None and owner(made)[0]:
                kind, own = owner(made)
        return f"{kind}/{own}" if kind else f"Pod/{name(pod)}"

    def is_recent(self, time: datetime) -> bool:
        """Whether something happened within the time that the cluster keeps events."""
        return (self.now - time).total_seconds() < RECENT_SECONDS


def path(plural: str, where: str, namespace: str | None = None, **query: str) -> str:
    """The path of a list of the API."""
    place = f"namespaces/{quote(namespace)}/" if namespace else ""
    asked = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f"/{where}/{place}{plural}" + (f"?{asked}" if asked else "")


def controllers_path() -> str:
    """Where the cluster has the Deployments of Workload Variant Autoscalers, whatever their namespace."""
    return path("deployments", "apis/apps/v1", labelSelector=SELECTOR)


def read_leases(asker: Asker, controllers: Iterable[Object]) -> list[Object] | None:
    """The leases beside these Deployments; None where one may not be read."""
    namespaces = sorted({str(item["metadata"].get("namespace", "")) for item in controllers} - {""})
    answers = asker.get_all(path("leases", "apis/coordination.k8s.io/v1", where) for where in namespaces)
    if any(answer.problem for answer in answers.values()):
        return None
    return [lease for answer in answers.values() for lease in answer.items]


def read_release(asker: Asker, release: str, namespace: str) -> Seen:
    """Everything that explains a release. UsageError when there is none of that name."""
    selector = f"app.kubernetes.io/instance={release}"
    wanted = {plural: path(plural, where, namespace, labelSelector=selector) for plural, where in OWN.items()}
    wanted |= {plural: path(plural, where, namespace) for plural, where in BESIDE.items()}
    objects, denied, absent = _ask(asker, wanted)
    revision = asker.revision(release, namespace)
    if revision.problem:
        denied += (without("secrets"),)
    for plural in NEEDED:
        if plural not in objects:
            raise UsageError(
                f"{plural} of namespace {namespace}: you may not list them",
                "docs/doctor.md has the role it needs",
            )
    if not revision.text and not any(objects.get(plural) for plural in OWN):
        raise UsageError(
            f"{release}: namespace {namespace} has nothing of a release of that name",
            "`helm list --all-namespaces` lists releases; set --namespace",
        )
    seen = Seen(release, namespace, datetime.now(UTC), objects, {}, denied, revision.text, frozenset(absent))
    return _with_more(asker, seen)


def without(key: str) -> str:
    """What was denied, and what is not known for it where that is not its own state."""
    return f"{key} ({UNKNOWN_WITHOUT[key]})" if key in UNKNOWN_WITHOUT else key


def _ask(
    asker: Asker, wanted: Mapping[str, str]
) -> tuple[dict[str, list[Object]], tuple[str, ...], list[str]]:
    """Lists by their keys, what was denied, and which kinds the cluster does not have."""
    answers = asker.get_all(wanted.values())
    objects: dict[str, list[Object]] = {}
    denied, absent = [], []
    for key, at in wanted.items():
        answer = answers[at]
        if answer.problem == "denied":
            denied.append(without(key))
        elif answer.problem == "absent":
            absent.append(key)
        else:
            objects[key] = answer.items
    return objects, tuple(denied), absent


def _with_more(asker: Asker, seen: Seen) -> Seen:
    """The logs, nodes and classes that the objects make necessary."""
    wanted: dict[str, str] = {}
    pods = seen.all("pods")
    waiting = [pod for pod in pods if not pod["spec"].get("nodeName")]
    if any(not is_true(pod, "Ready") for pod in pods):
        wanted["nodes"] = path("nodes", "api/v1")
    if waiting:
        active = "status.phase!=Succeeded,status.phase!=Failed"
        wanted["pods of all namespaces"] = path("pods", "api/v1", fieldSelector=active)
    if any(claim["status"].get("phase") != "Bound" for claim in seen.all("persistentvolumeclaims")):
        wanted["storageclasses"] = path("storageclasses", "apis/storage.k8s.io/v1")
    if seen.all("ingresses"):
        wanted["ingressclasses"] = path("ingressclasses", "apis/networking.k8s.io/v1")
    if own_variants(seen):
        wanted[CONTROLLERS] = controllers_path()
    objects, denied, _ = _ask(asker, wanted)
    if objects.get(CONTROLLERS):
        leases = read_leases(asker, objects[CONTROLLERS])
        if leases is None:
            denied += (without(LEASES),)
        else:
            objects[LEASES] = leases
    places = {which: _log_paths(seen, *which) for which in logs_needed(seen)}
    answers = asker.get_all(at for both in places.values() for at in both)
    logs = {which: "\n".join(answers[at].text for at in both) for which, both in places.items()}
    if any(answer.problem == "denied" for answer in answers.values()):
        denied += (without("logs"),)
    return replace(seen, objects={**seen.objects, **objects}, logs=logs, denied=seen.denied + denied)


def own_variants(seen: Seen) -> list[tuple[str, Object]]:
    """What of the release a Workload Variant Autoscaler shall decide about."""
    own = ("app.kubernetes.io/instance", seen.release)
    scalers = [item for item in seen.all("horizontalpodautoscalers") if own in labels(item).items()]
    return variants_of([*scalers, *seen.all("scaledobjects"), *seen.all("variantautoscalings")])


def statuses(pod: Object) -> list[Object]:
    """The state of every container of a pod, init containers first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def ended(status: Object) -> Object:
    """How a container ended last; empty if it never did."""
    found: Object = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
    return found or {}


def logs_needed(seen: Seen) -> list[tuple[str, str]]:
    """(pod, container) of every container that has ended badly, or more than once, of late."""
    found = []
    for pod in seen.all("pods"):
        for status in statuses(pod):
            end = ended(status)
            failed = end and (end.get("exitCode") or status.get("restartCount"))
            if failed and seen.is_recent(moment(end.get("finishedAt"))):
                found.append((name(pod), str(status["name"])))
    return found


def _log_paths(seen: Seen, pod: str, container: str) -> list[str]:
    """The logs of the container that ended.

    It is the one before where another runs; where none did a moment ago, one may have been started meanwhile.
    """
    found = next(item for item in seen.all("pods") if name(item) == pod)
    status = next(each for each in statuses(found) if each["name"] == container)
    query = {"container": container, "tailLines": str(LOG_LINES)}
    at = f"pods/{pod}/log"
    paths = [path(at, "api/v1", seen.namespace, **query, previous="true")]
    if "running" not in status.get("state", {}):
        paths.append(path(at, "api/v1", seen.namespace, **query))
    return paths
