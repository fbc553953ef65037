"""Every check finds the manifest that breaks its rule, and passes the one that keeps it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.charttest.check_cases import manifests, network, pods, scaling, volumes
from tests.charttest.check_cases.objects import (
    LABELS,
    SECRET,
    SURGE,
    TOTAL,
    asking,
    budget,
    container,
    core,
    deployment,
    route,
    service,
    unscaled,
)

from charttest.checks import ALL, Manifest, Manifests, queries, run_checks

CASES = [case for part in (manifests, pods, volumes, network, scaling) for case in part.CASES]


def findings(objects: list[dict[str, Any]], **options: Any) -> list[Any]:
    manifests = Manifests(tuple(Manifest(copy.deepcopy(item)) for item in objects), **options)
    return run_checks(manifests)


@pytest.mark.parametrize(("check", "bad", "message", "good"), CASES, ids=[f"{c[0]}: {c[2]}" for c in CASES])
def test_a_check_finds_what_breaks_its_rule_and_nothing_else(
    check: str, bad: list[dict[str, Any]], message: str, good: list[dict[str, Any]]
) -> None:
    found = [finding for finding in findings(bad) if finding.check == check]
    assert any(message in finding.message for finding in found), findings(bad)
    assert [finding for finding in findings(good) if finding.check == check] == []


UNREADABLE = [
    core("ConfigMap", data="x"),
    core("Pod", spec={"containers": "x"}),
    core("Pod", spec={"containers": [{"name": "a", "image": "b", "env": {"A": "b"}}]}),
    deployment(template="x"),
    deployment(replicas="two"),
    service(ports="x"),
    core("Secret", metadata="x"),
    route(hostnames="x"),
]


@pytest.mark.parametrize("item", UNREADABLE, ids=str)
def test_a_field_of_a_wrong_type_is_told_by_the_schemas_alone(item: dict[str, Any]) -> None:
    found = findings([item, deployment(container(securityContext={}))])
    assert found
    assert {finding.check for finding in found} <= {"schema", "custom-resource"}


def test_the_good_workload_passes_every_check() -> None:
    assert findings([deployment(), service(), budget({"matchLabels": LABELS}, maxUnavailable=1)]) == []


def test_every_check_has_a_case_that_breaks_it_and_one_that_keeps_it() -> None:
    assert {case[0] for case in CASES} == {check.id for check in ALL}
    assert {case[0] for case in CASES if case[3]} == {check.id for check in ALL}


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_a_check_has_a_sentence_and_a_next_step(check: Any) -> None:
    assert check.sentence[0].isupper()
    assert check.sentence.endswith(".")
    assert check.fix


def test_what_the_caller_declares_external_is_no_finding() -> None:
    pod = deployment(container(env=[{"name": "A", **SECRET}]))
    assert findings([pod], external=frozenset({"Secret/a"})) == []


def test_a_finding_names_the_object_what_is_wrong_what_to_do_and_the_check() -> None:
    found = findings([deployment(strategy=SURGE)])
    assert str(found[0]) == (
        "Deployment/a: maxSurge and maxUnavailable are both 0, so no pod can ever be replaced;"
        " set maxUnavailable: 1, or maxSurge: 1 where there is room for one more pod [rollout]"
    )


def test_queries_that_nothing_here_can_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "find_spec", lambda _: None)
    found = [each for each in findings([asking(TOTAL), unscaled()]) if each.check == "queries"]
    assert [each.message for each in found] == [
        "has queries that nothing here can read: install charttest[promql], or ignore this check"
    ]
    assert findings([deployment()]) == []
