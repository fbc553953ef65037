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
# What no course makes the controller do, with the code that does it.
UNSEEN: dict[str, dict[Permission, str]] = {"annotations": {}, "variantautoscaling": {}}


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
    assert granted(driver, api) - used <= UNSEEN[api].keys()
