"""charts/wva on a real API server, alone and as a part of vllm-stack: its life, its rights, and what outlives it."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.render import wva

from charttest.externals import stand_ins
from charttest.helm import helm
from charttest.kubectl import KubectlError
from charttest.lint import Scenario
from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from charttest.kubectl import Kubectl
    from charttest.release import Release

LIVES = [(path, (4, 3)[number % 2]) for number, path in enumerate(wva.FILES)]
NAMES = [f"{path.stem.removesuffix('-values')}-helm{major}" for path, major in LIVES]
CHANGE = {"podAnnotations": {"example.com/change": "1"}}
CRD = "variantautoscalings.llmd.ai"
KINDS = (
    "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,"
    "poddisruptionbudgets,networkpolicies,servicemonitors"
)
MODEL = {
    "source": {"uri": "hf://org/model"},
    "accelerator": {"product": "NVIDIA-L40S"},
    "autoscaling": {"mode": "wva", "actuator": "hpa"},
}


@pytest.fixture(scope="module")
def controllers(kubectl: Kubectl) -> Iterator[Releases]:
    """Makes releases of charts/wva."""
    with Releases(kubectl, wva.FOLDER) as releases:
        yield releases


def variant(name: str, **spec: Any) -> dict[str, Any]:
    """A VariantAutoscaling that a user makes."""
    target = {"kind": "Deployment", "name": "mine"}
    return {
        "apiVersion": "llmd.ai/v1alpha1",
        "kind": "VariantAutoscaling",
        "metadata": {"name": name},
        "spec": {"modelID": "org/model", "scaleTargetRef": target, "maxReplicas": 4, **spec},
    }


def pods(release: Release) -> set[str]:
    """The names of the controller's ready pods once its rollout is over."""
    which = (
        "--selector",
        f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=controller",
    )
    release.kubectl(
        "rollout", "status", "deployments", *which, "--namespace", release.namespace, "--timeout=240s"
    )
    found = [pod for pod in release.get("pods", *which) if "deletionTimestamp" not in pod["metadata"]]
    assert all(
        {"type": "Ready", "status": "True"}.items() <= condition.items()
        for pod in found
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready"
    )
    return {pod["metadata"]["name"] for pod in found}


def may(release: Release, verb: str, resource: str, namespace: str | None = None) -> bool:
    """Whether the controller's account may, by the API server's own answer; no namespace means in all."""
    (deployment,) = release.get(
        "deployments", "--selector", f"{label()},app.kubernetes.io/instance={release.name}"
    )
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    name, _, group = resource.partition(".")
    name, _, sub = name.partition("/")
    attributes = {"verb": verb, "resource": name, "subresource": sub, "group": group}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{release.namespace}:{account}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {**attributes, **({"namespace": namespace} if namespace else {})},
        },
    }
    answer = release.kubectl("create", "--filename", "-", "--output", "json", stdin=json.dumps(review))
    return bool(json.loads(answer)["status"]["allowed"])


def label() -> str:
    return ",".join(f"{key}={value}" for key, value in wva.NAME_LABEL.items())


def left(release: Release, selector: str = "") -> list[str]:
    """What there is of the controller."""
    which = f"{label()},app.kubernetes.io/instance={release.name}{selector}"
    return [f"{item['kind']}/{item['metadata']['name']}" for item in release.get(KINDS, "--selector", which)]


@pytest.fixture(scope="module")
def lives(controllers: Releases, request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[None]]]:
    """The life of every scenario that was selected, side by side in a few threads."""
    selected = {item.name.partition("[")[2].rstrip("]") for item in request.session.items}
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            path: pool.submit(live, controllers(helm=helm(major), timeout_seconds=240), path)
            for (path, major), name in zip(LIVES, NAMES, strict=True)
            if name in selected
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", [path for path, _ in LIVES], ids=NAMES)
def test_the_controller_installs_rolls_and_goes_and_leaves_the_users_objects(
    lives: dict[Path, Future[None]], path: Path
) -> None:
    lives[path].result()


def live(release: Release, path: Path) -> None:
    """One life of a release: installed, rolled by a change, rolled back, uninstalled."""
    scenario = Scenario.of(path)
    rendered = wva.chart().render(
        path, release=release.name, namespace=release.namespace, external=scenario.external
    )
    if objects := stand_ins(rendered, scenario.external):
        release.kubectl.apply(*objects, namespace=release.namespace)
    for namespace in {item["metadata"].get("namespace", release.namespace) for item in rendered.objects}:
        if namespace != release.namespace:
            team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            release.kubectl.apply(team)

    release.install(path)
    first = pods(release)
    assert len(first) == rendered.one("Deployment").spec["replicas"]
    release.kubectl.apply(variant("mine"), namespace=release.namespace)
    release.upgrade(path, CHANGE)
    assert first.isdisjoint(pods(release))
    release.rollback()
    assert len(pods(release)) == len(first)
    assert [entry["status"] for entry in release.history()] == ["superseded", "superseded", "deployed"]

    release.uninstall()
    assert left(release) == []
    (mine,) = release.get("variantautoscalings")
    assert (mine["metadata"]["name"], mine["spec"]["minReplicas"]) == ("mine", 1)


def test_the_crd_refuses_what_the_controller_could_not_read(controllers: Releases) -> None:
    release = controllers(timeout_seconds=240)
    release.install(wva.HTTP)
    release.kubectl.apply(variant("cheap", variantCost="0.5"), namespace=release.namespace)
    wrong: dict[str, dict[str, Any]] = {
        "minReplicas must be less than or equal to maxReplicas": {"minReplicas": 5},
        "spec.variantCost": {"variantCost": "cheap"},
        "scaleTargetRef": {"scaleTargetRef": {"name": "mine"}},
    }
    for words, spec in wrong.items():
        with pytest.raises(KubectlError) as refused:
            release.kubectl.apply(variant("wrong", **spec), namespace=release.namespace)
        assert words in refused.value.output


def test_a_controller_of_the_cluster_reads_everywhere_and_writes_next_to_nothing(
    controllers: Releases,
) -> None:
    release = controllers(timeout_seconds=240)
    release.install(wva.HTTP)
    for verb, resource in (
        ("list", "pods"),
        ("watch", "horizontalpodautoscalers.autoscaling"),
        ("watch", "scaledobjects.keda.sh"),
        ("update", "deployments/scale.apps"),
        ("list", "namespaces"),
        ("create", "tokenreviews.authentication.k8s.io"),
    ):
        assert may(release, verb, resource), (verb, resource)
    for verb, resource in (
        ("get", "secrets"),
        ("patch", "deployments.apps"),
        ("update", "horizontalpodautoscalers.autoscaling"),
        ("list", "nodes"),
        ("update", "configmaps"),
        ("create", "pods"),
    ):
        assert not may(release, verb, resource, "default"), (verb, resource)
    assert may(release, "create", "leases.coordination.k8s.io", release.namespace)
    assert not may(release, "create", "leases.coordination.k8s.io", "default")


def test_a_controller_of_one_namespace_reads_nothing_elsewhere(controllers: Releases) -> None:
    release = controllers(timeout_seconds=240)
    release.install(
        {**wva.HTTP, "namespaceScope": {"enabled": True}, "metrics": {"secure": False, "port": 8080}}
    )
    for verb, resource in (("list", "pods"), ("watch", "configmaps"), ("update", "deployments/scale.apps")):
        assert may(release, verb, resource, release.namespace), (verb, resource)
        assert not may(release, verb, resource, "default"), (verb, resource)
    assert not may(release, "list", "namespaces")


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_as_a_part_of_the_stack_it_comes_goes_and_comes_back_without_touching_models(
    release_factory: Releases, major: int
) -> None:
    release = release_factory(helm=helm(major), timeout_seconds=240)
    release.kubectl.apply(secret(), namespace=release.namespace)
    ca = {"url": "https://prometheus:9090", "caSecret": {"name": "prometheus-ca"}}
    whole = {
        "models": {"m": MODEL},
        "wva": {
            "enabled": True,
            "api": "variantautoscaling",
            "namespaceScope": {"enabled": True},
            "prometheus": ca,
        },
    }
    without = {**whole, "scaling": {"wvaApi": "variantautoscaling"}, "wva": {"enabled": False}}
    release.install(whole)
    assert len(pods(release)) == 1
    engines = release.get("pods", "--selector", "app.kubernetes.io/component=engine")
    (made,) = release.get("variantautoscalings")
    assert made["spec"]["scaleTargetRef"]["name"] == f"{release.name}-m"

    release.upgrade(without)
    assert left(release) == []
    assert uids(release.get("variantautoscalings")) == uids([made])
    release.rollback()
    assert len(pods(release)) == 1
    assert uids(release.get("pods", "--selector", "app.kubernetes.io/component=engine")) == uids(engines)

    release.kubectl.apply(variant("mine"), namespace=release.namespace)
    release.uninstall()
    assert [item["metadata"]["name"] for item in release.get("variantautoscalings")] == ["mine"]
    assert release.kubectl.get("customresourcedefinitions", CRD)["metadata"]["name"] == CRD


def secret() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "prometheus-ca"},
        "stringData": {"ca.crt": "x"},
    }


def uids(items: list[dict[str, Any]]) -> set[str]:
    return {item["metadata"]["uid"] for item in items}
