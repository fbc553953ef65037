"""What a user adds to the objects: it arrives everywhere, changes nothing else and brings no privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.render.pods import engine, mounted, pod

from charttest.lint import Scenario

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart

UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
COMMON = {"commonLabels": {"cost-center": "7"}, "commonAnnotations": {"example.com/owner": "search"}}


def test_more_containers_get_no_privileges_unless_they_name_them(render_model: RenderModel) -> None:
    body = {
        "extraContainers": [
            {"name": "plain", "image": "i"},
            {
                "name": "bind",
                "image": "i",
                "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
            },
        ],
        "initContainers": [{"name": "first", "image": "i", "securityContext": {"runAsUser": 7}}],
    }
    rendered = render_model(body)
    contexts = {item["name"]: item["securityContext"] for item in pod(rendered)["containers"][1:]}
    assert contexts == {
        "plain": UNPRIVILEGED,
        "bind": {**UNPRIVILEGED, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    }
    assert [item["securityContext"] for item in pod(rendered)["initContainers"]] == [
        {**UNPRIVILEGED, "runAsUser": 7}
    ]
    assert pod(rendered)["containers"][0]["name"] == "engine"


def test_a_privilege_that_is_named_is_given(render_model: RenderModel) -> None:
    context = {"allowPrivilegeEscalation": True, "privileged": True}
    rendered = render_model(
        {"extraContainers": [{"name": "a", "image": "i", "securityContext": context}]},
        ignore=["pod-security"],
    )
    assert pod(rendered)["containers"][1]["securityContext"] == {**UNPRIVILEGED, **context}


def test_more_volumes_mounts_environment_and_fields_reach_the_pod(render_model: RenderModel) -> None:
    rendered = render_model(
        {
            "extraVolumes": [{"name": "logs", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "logs", "mountPath": "/logs"}],
            "envFrom": [{"secretRef": {"name": "more"}}],
            "podSpec": {
                "shareProcessNamespace": False,
                "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
            },
        },
        external=["Secret/more"],
    )
    assert mounted(rendered)["/logs"] == {"name": "logs", "emptyDir": {}}
    assert engine(rendered)["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert pod(rendered)["shareProcessNamespace"] is False
    assert pod(rendered)["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["a"]}]


def test_a_variant_replaces_the_lists_of_its_model(render_model: RenderModel) -> None:
    rendered = render_model(
        {
            "extraContainers": [{"name": "a", "image": "i"}],
            "variants": {
                "v": {"extraContainers": [{"name": "b", "image": "i"}]},
                "w": {"extraContainers": []},
            },
        }
    )
    names = [
        [item["name"] for item in pod(rendered, name)["containers"]] for name in ("r-m", "r-m-v", "r-m-w")
    ]
    assert names == [["engine", "a"], ["engine", "b"], ["engine"]]


def test_common_labels_and_annotations_are_on_every_object_of_every_scenario(chart: Chart) -> None:
    for scenario in chart.scenarios:
        rendered = chart.render(*scenario.values, COMMON, external=scenario.external)
        for item in rendered.objects:
            if item.source.endswith("/extra.yaml") or "/charts/wva/" in item.source:
                continue  # as the user wrote it; and the subchart has common labels of its own
            what = f"{scenario.name} {item.kind}/{item.name}"
            assert item["metadata"]["labels"]["cost-center"] == "7", what
            assert item["metadata"]["annotations"]["example.com/owner"] == "search", what
        for item in rendered.find("Deployment"):
            if "/charts/wva/" in item.source:
                continue
            assert item.spec["template"]["metadata"]["labels"]["cost-center"] == "7"


def test_every_kind_of_object_has_labels_and_annotations_of_its_own(chart: Chart) -> None:
    scenario = Scenario.of(chart.path / "ci/extension-values.yaml")
    rendered = chart.render(*scenario.values, external=scenario.external)
    deployment, service = rendered.one("Deployment"), rendered.one("Service")
    budget = rendered.one("PodDisruptionBudget")
    owner = {"example.com/contact": "ml-platform@example.com"}
    runbook = {"example.com/runbook": "https://runbooks.example.com/llm"}
    assert deployment["metadata"]["annotations"] == {**owner, **runbook}
    assert service["metadata"]["annotations"] == {**owner, "example.com/visible": "false"}
    assert budget["metadata"]["annotations"] == {**owner, "example.com/owner": "search"}
    for item in (deployment, service):
        assert item["metadata"]["labels"]["example.com/tier"] == "gold"
    template = deployment.spec["template"]["metadata"]
    assert {"cost-center": "search", "team": "search"}.items() <= template["labels"].items()
    assert template["annotations"] == {"example.com/scrape": "true"}


LABELS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"workloadLabels": {"a": "b"}}, {}),
    ({"service": {"labels": {"a": "b"}}}, {}),
    ({}, {"commonLabels": {"a": "b"}}),
]


@pytest.mark.parametrize(("body", "root"), LABELS, ids=["workload", "service", "common"])
def test_no_label_of_a_user_enters_a_selector(
    render_model: RenderModel, body: dict[str, Any], root: dict[str, Any]
) -> None:
    closed = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}
    before = render_model({"replicas": 2}, closed)
    after = render_model({"replicas": 2, **body}, {**closed, **root})
    for kind in ("Deployment", "PodDisruptionBudget", "Service"):
        assert after.one(kind).spec["selector"] == before.one(kind).spec["selector"]
    assert after.one("NetworkPolicy").spec == before.one("NetworkPolicy").spec


def test_a_pods_own_label_wins_over_the_common_one(render_model: RenderModel) -> None:
    rendered = render_model({"podLabels": {"team": "a"}}, {"commonLabels": {"team": "b"}})
    assert rendered.one("Deployment").spec["template"]["metadata"]["labels"]["team"] == "a"
    assert rendered.one("Deployment")["metadata"]["labels"]["team"] == "b"


KINDS: dict[str, dict[str, Any]] = {
    "Deployment": {},
    "StatefulSet": {"workload": "statefulset"},
    "LeaderWorkerSet": {"parallelism": {"tensor": 2, "pipeline": 2, "nodes": 2}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_own_label_of_a_workload_or_service_wins_over_the_common_one(
    render_model: RenderModel, kind: str
) -> None:
    own = {"team": "a", "number": "1", "null": "true"}
    body = {**KINDS[kind], "workloadLabels": own, "service": {"labels": {"team": "c"}}}
    common = {"commonLabels": {"team": "b", "tier": "gold"}}
    rendered, plain = render_model(body, common), render_model(KINDS[kind], common)
    assert rendered.one(kind)["metadata"]["labels"] == {**plain.one(kind)["metadata"]["labels"], **own}
    (service,) = (item for item in rendered.find("Service") if item.spec.get("clusterIP") != "None")
    assert service["metadata"]["labels"]["team"] == "c"
    assert service["metadata"]["labels"]["tier"] == "gold"
