"""Which keys of a model replace its pods, which leave them alone, and which cannot change at all: by the API server.

One release has one model for each key. One upgrade changes them all, each at its own key, and a rollback ends it.
"""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.test_every_key import BODY, HF, put
from tests.render.test_rolling_keys import (
    CHANGED,
    NAMES,
    REFUSED,
    REGROUPS,
    REPLACES,
    ROLLS,
    STAYS,
    UNTOUCHED,
    WITH_PODS,
    values,
)

from charttest.helm import HelmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from charttest.release import Release, Releases

GROUP = "leaderworkerset.sigs.k8s.io/template-revision-hash"
# Those that restart all of them, one after the other; the chart makes the Secret of a token.
ROLLS_ALL: list[dict[str, Any]] = [
    {"commonLabels": {"a": "b"}},
    {"mesh": "istio"},
    {"serviceAccount": {"name": "engines"}},
    {"secrets": {"huggingFace": {"token": "one"}}},
    {"secrets": {"huggingFace": {"token": "two"}}},
    {"secrets": {"huggingFace": {"existingSecret": "other"}}},
]
# Of what the values refer to, the claim alone holds up a pod here.
MINE = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "mine"},
    "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
}


@dataclass(frozen=True)
class State:
    """What the API server has of a release: by model, the template of its main workload and the pods made from it."""

    templates: Mapping[str, str]
    pods: Mapping[str, set[str]]
    selectors: Mapping[str, Any]

    @classmethod
    def of(cls, release: Release) -> State:
        """As it is once everything has rolled out."""
        settle(release)
        templates: dict[str, str] = {}
        pods: dict[str, set[str]] = {}
        newest: dict[str, int] = {}
        for item in release.get("replicasets"):
            revision = int(item["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
            if (model := main(item)) and revision > newest.get(model, 0):
                newest[model] = revision
                templates[model] = item["metadata"]["labels"]["pod-template-hash"]
        for item in release.get("statefulsets"):
            if (model := main(item)) and GROUP not in item["metadata"]["labels"]:
                templates[model] = item["status"]["updateRevision"]
        for pod in release.get("pods"):
            if (model := main(pod)) and "deletionTimestamp" not in pod["metadata"]:
                pods.setdefault(model, set()).add(pod["metadata"]["uid"])
                templates[model] = pod["metadata"]["labels"].get(GROUP) or templates[model]
        return cls(templates, pods, selectors(release))


def settle(release: Release) -> None:
    """Wait until the pods of every workload are those of its newest template, and none is left of deleted ones."""
    deadline = time.monotonic() + release.timeout_seconds
    while waiting := sorted(unsettled(release)):
        assert time.monotonic() < deadline, waiting
        time.sleep(0.5)


def unsettled(release: Release) -> Iterator[str]:
    """The workloads that are not there yet, and the ReplicaSets and pods whose owner is gone."""
    workloads = release.get("deployments,statefulsets,leaderworkersets")
    owned = release.get("replicasets,jobs,pods")
    uids = {item["metadata"]["uid"] for item in (*workloads, *owned)}
    for item in workloads:
        status, name = item.get("status", {}), f"{item['kind']}/{item['metadata']['name']}"
        counts = [status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")]
        seen = status.get("observedGeneration") == item["metadata"]["generation"]
        if not seen or counts != 3 * [item["spec"]["replicas"]]:
            yield name
    for item in owned:
        if any(owner["uid"] not in uids for owner in item["metadata"].get("ownerReferences", ())):
            yield f"{item['kind']}/{item['metadata']['name']}"


def main(item: Mapping[str, Any]) -> str | None:
    """The model whose main workload an object belongs to."""
    labels = item["metadata"]["labels"]
    return labels["vllm-stack.io/model"] if labels.get("vllm-stack.io/variant") == "main" else None


def selectors(release: Release) -> dict[str, Any]:
    """Whatever selects pods, by kind and name."""
    kinds = "deployments,statefulsets,services,poddisruptionbudgets,networkpolicies"
    found = release.get(kinds, "--selector", f"app.kubernetes.io/instance={release.name}")
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["spec"].get("selector")
        or item["spec"]["podSelector"]
        for item in found
    }


@pytest.fixture(scope="module")
def states(release_factory: Releases, group_controller: bool) -> Any:
    """The release after its install, its upgrade and its rollback."""
    if not group_controller:
        pytest.skip("the cluster of --kubeconfig has no LeaderWorkerSet controller")
    release = release_factory(timeout_seconds=300)
    release.kubectl.apply(MINE, namespace=release.namespace)
    release.install(values(changed=False), wait=False)
    found = [State.of(release)]
    release.upgrade(values(changed=True), wait=False)
    found.append(State.of(release))
    release.rollback(wait=False)
    found.append(State.of(release))
    yield found
    release.uninstall()


def test_a_key_of_the_pod_template_replaces_every_pod(states: list[State]) -> None:
    before, after, _ = states
    names = {key: NAMES[key] for key in ROLLS}
    assert [key for key, name in names.items() if before.templates[name] == after.templates[name]] == []
    with_pods = {key: names[key] for key in WITH_PODS & names.keys()}
    assert all(before.pods[name] and after.pods[name] for name in with_pods.values())
    assert [key for key, name in with_pods.items() if before.pods[name] & after.pods[name]] == []


def test_any_other_key_leaves_the_pods_alone(states: list[State]) -> None:
    before, after, rolled_back = states
    names = {**{name: name for name in UNTOUCHED}, **{NAMES[keys[0]]: keys for keys in STAYS}}
    for state in (after, rolled_back):
        assert [keys for name, keys in names.items() if before.templates[name] != state.templates[name]] == []
    # `replicas` adds one.
    assert [keys for name, keys in names.items() if not before.pods[name] <= after.pods[name]] == []


def test_a_key_that_means_another_object_replaces_it(states: list[State]) -> None:
    before, after, _ = states
    for key in REPLACES:
        assert before.templates[NAMES[key]] != after.templates.get(NAMES[key])
        assert before.pods[NAMES[key]].isdisjoint(after.pods.get(NAMES[key], set()))


def test_a_key_that_regroups_replaces_the_pods(states: list[State]) -> None:
    before, after, _ = states
    for key in REGROUPS:
        assert before.pods[NAMES[key]].isdisjoint(after.pods[NAMES[key]])


def test_a_rollback_returns_to_the_first_templates(states: list[State]) -> None:
    before, _, rolled_back = states
    assert rolled_back.templates == before.templates
    numbers = [{name: len(pods) for name, pods in state.pods.items()} for state in (before, rolled_back)]
    assert numbers[0] == numbers[1]


def test_no_key_changes_what_selects_pods(states: list[State]) -> None:
    before, after, rolled_back = states
    common = before.selectors.keys() & after.selectors.keys()
    assert len(common) > len(CHANGED)
    assert [name for name in common if before.selectors[name] != after.selectors[name]] == []
    assert rolled_back.selectors == before.selectors


def test_a_section_that_every_pod_reads_replaces_them_all(release: Release) -> None:
    model = {"models": {"m": {"source": {"uri": HF}, "replicas": 0}}}
    release.install(model, wait=False)
    found = [State.of(release).templates["m"]]
    for section in ROLLS_ALL:
        release.upgrade({**model, **section}, wait=False)
        found.append(State.of(release).templates["m"])
    assert len(set(found)) == len(found)
    release.rollback(1, wait=False)
    assert State.of(release).templates["m"] == found[0]


@pytest.mark.parametrize("key", REFUSED)
def test_what_a_claim_is_made_of_cannot_change(release: Release, key: str) -> None:
    model = {"source": {"uri": HF}, "replicas": 0, **deepcopy(dict(BODY[key].base))}
    release.install({"models": {"m": model}})
    with pytest.raises(HelmError, match=REFUSED[key]):
        release.upgrade({"models": {"m": put(model, key, BODY[key].other)}})
