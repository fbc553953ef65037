"""What the chart of the Workload Variant Autoscaler allows its controller is enough, and is used."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from charttest.cluster import audit
from charttest.render import render

if TYPE_CHECKING:
    from tests.scaling.course import Driver

Permission = tuple[str, str, str]
"""API group, resource and verb."""

# The courses in which each controller has worked.
COURSES = {"by_capacity": "annotations", "by_percentages": "variantautoscaling"}
LWS = "leaderworkerset.x-k8s.io"
# What no course makes a controller do, and when it does it.
UNSEEN: dict[Permission, str] = {
    ("", "events", "patch"): "an event that repeats",
    ("", "namespaces", "get"): "a namespace that is excluded by its annotation",
    ("", "pods", "get"): "0.7: a pod that is not in its cache yet",
    ("", "pods", "list"): "0.9: pods of an endpoint picker",
    ("", "pods", "watch"): "0.9: pods of an endpoint picker",
    ("", "services", "list"): "the Service of an endpoint picker",
    ("", "services", "watch"): "the Service of an endpoint picker",
    ("apps", "deployments", "get"): "0.7: a Deployment that is not in its cache yet",
    ("apps", "deployments/scale", "get"): "a model without pods, woken by an endpoint picker",
    ("apps", "deployments/scale", "update"): "a model without pods, woken by an endpoint picker",
    ("apps", "statefulsets", "get"): "a variant that is a LeaderWorkerSet",
    ("apps", "statefulsets", "list"): "a variant that is a LeaderWorkerSet",
    ("apps", "statefulsets", "watch"): "a variant that is a LeaderWorkerSet",
    (LWS, "leaderworkersets", "get"): "a variant that is a LeaderWorkerSet",
    (LWS, "leaderworkersets", "list"): "0.9: a variant that is a LeaderWorkerSet",
    (LWS, "leaderworkersets", "watch"): "0.9: a variant that is a LeaderWorkerSet",
    (LWS, "leaderworkersets/scale", "get"): "a LeaderWorkerSet without pods, woken by an endpoint picker",
    (LWS, "leaderworkersets/scale", "update"): "a LeaderWorkerSet without pods, woken by an endpoint picker",
}


def granted(driver: Driver, api: str) -> set[Permission]:
    """Everything that the chart's roles allow."""
    rendered = render(
        driver.controllers.chart,
        driver.controllers.values(api),
        external=["Secret/prometheus"],
    )
    roles = [*rendered.find("ClusterRole"), *rendered.find("Role")]
    rules = [rule for role in roles for rule in role["rules"] if "resources" in rule]
    return {each for rule in rules for each in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def asked(driver: Driver, api: str) -> set[audit.Request]:
    """Everything that the controller has asked the API server for."""
    release = driver.controllers.install(api)
    (account,) = {pod["spec"]["serviceAccountName"] for pod in release.get("pods")}
    return audit.requests(driver.scaling.cluster.directory, account, release.namespace)


@pytest.mark.parametrize("course", COURSES, indirect=True)
@pytest.mark.usefixtures("course")
def test_a_controller_may_do_all_that_it_does(driver: Driver, request: pytest.FixtureRequest) -> None:
    api = COURSES[request.node.callspec.params["course"]]
    assert {each for each in asked(driver, api) if not each.allowed} == set()


@pytest.mark.parametrize("course", COURSES, indirect=True)
@pytest.mark.usefixtures("course")
def test_every_permission_is_used_or_has_its_reason(driver: Driver, request: pytest.FixtureRequest) -> None:
    api = COURSES[request.node.callspec.params["course"]]
    used = {(each.group, each.resource, each.verb) for each in asked(driver, api)}
    assert granted(driver, api) - used <= UNSEEN.keys()
