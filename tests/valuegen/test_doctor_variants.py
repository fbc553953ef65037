"""Doctor says why no Workload Variant Autoscaler decides about a variant, on a release and before an install."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.valuegen.cluster_objects import (
    NOW,
    ago,
    condition,
    deployment,
    owned,
    pod,
    replicaset,
    seen,
    thing,
)
from tests.valuegen.test_doctor_preflight import api, cluster, listed
from tests.valuegen.test_doctor_preflight import deployment as engines

from valuegen.doctor.asking import Answer
from valuegen.doctor.gathering import read_release
from valuegen.doctor.preflight import judge
from valuegen.doctor.release import diagnose
from valuegen.doctor.variants import CONTROLLERS, LEASES

Object = dict[str, Any]
TARGET = {"scaleTargetRef": {"kind": "Deployment", "name": "llm-m"}}
WELL = (pod(ready=True), deployment(), replicaset())


def controller(
    version: str = "0.9.0", *args: str, ready: int = 1, instance: str = "", where: str = "wva", **meta: Any
) -> Object:
    environment = [{"name": "CONTROLLER_INSTANCE", "value": instance}] if instance else []
    container = {"image": f"wva:v{version}", "args": ["--leader-elect=true", *args], "env": environment}
    labels = {
        "app.kubernetes.io/name": "workload-variant-autoscaler",
        "app.kubernetes.io/version": version,
        **meta.pop("labels", {}),
    }
    return thing(
        "Deployment",
        "wva",
        {"template": {"spec": {"containers": [container]}}},
        {"readyReplicas": ready} if ready else {},
        namespace=where,
        labels=labels,
        **meta,
    )


def lease(minutes: float = 0.5, name: str = "wva", holder: str = "wva-1", where: str = "wva") -> Object:
    return thing("Lease", name, {"holderIdentity": holder, "renewTime": ago(minutes)}, namespace=where)


def scaler(kind: str = "ScaledObject", **labels: str) -> Object:
    working = {"conditions": [condition("Ready", "True")]} if kind == "ScaledObject" else {}
    return thing(kind, "llm-m", TARGET, working, labels=labels, annotations={"llm-d.ai/managed": "true"})


def variant(*conditions: Object) -> Object:
    return thing("VariantAutoscaling", "llm-m", TARGET, {"conditions": list(conditions)})


def released(item: Object, *beside: Object) -> Any:
    """A healthy release with one variant, beside controllers and their leases."""
    found = seen(*WELL, item)
    lists = {CONTROLLERS: "Deployment", LEASES: "Lease"}
    more = {key: [each for each in beside if each["kind"] == kind] for key, kind in lists.items()}
    return replace(found, objects={**found.objects, **more})


LED = lease()
# Who decides -> the id and words of the first line, None where all is well.
CASES: dict[str, tuple[Object, tuple[Object, ...], str | None]] = {
    "one that leads": (scaler(), (controller(), LED), None),
    "of an HPA": (scaler("HorizontalPodAutoscaler"), (controller(), LED), None),
    "the older one": (variant(), (controller("0.7.0"), LED), None),
    "one of an unknown version": (scaler(), (controller("latest"), LED), None),
    "one between both versions": (variant(), (controller("0.8.1"), LED), None),
    "upstream's own lease": (scaler(), (controller(), lease(name="72dd1cf1.llm-d.ai")), None),
    "one that needs no leader": (scaler(), (controller("0.9.0", "--leader-elect=false"),), None),
    "one that watches this namespace": (scaler(), (controller("0.9.0", "--watch-namespace=ns"), LED), None),
    "one of the same instance": (
        scaler(**{"wva.llmd.ai/controller-instance": "a"}),
        (controller(instance="a"), LED),
        None,
    ),
    "the second of two": (scaler(), (controller("0.7.0"), controller(), LED), None),
    "a slow lease": (
        scaler(),
        (controller("0.9.0", "--leader-election-lease-duration=300s"), lease(9)),
        None,
    ),
    "none": (
        scaler(),
        (),
        "no Workload Variant Autoscaler is installed, so nobody decides the replicas of its variants",
    ),
    "the older one for annotations": (
        scaler(),
        (controller("0.7.0"), LED),
        "wva/wva reads VariantAutoscaling objects, and the release has annotations of scalers",
    ),
    "the newer one for objects": (
        variant(),
        (controller(), LED),
        "wva/wva reads annotations of scalers, and the release has VariantAutoscaling objects",
    ),
    "another namespace": (
        scaler(),
        (controller("0.9.0", "--watch-namespace=other"), LED),
        "wva/wva watches the namespace other only",
    ),
    "another instance": (
        scaler(),
        (controller(instance="a"), LED),
        "wva/wva decides about objects of its instance a only",
    ),
    "one without pods": (scaler(), (controller(ready=0), LED), "wva/wva has no pod that is ready"),
    "one without a lease": (
        scaler(),
        (controller(),),
        "no pod of the Workload Variant Autoscaler wva/wva leads",
    ),
    "an old lease": (scaler(), (controller(), lease(3)), "wva/wva leads, so none decides"),
    "a lease that nobody holds": (
        scaler(),
        (controller(), lease(holder="")),
        "wva/wva leads, so none decides",
    ),
    "a lease of another namespace": (
        scaler(),
        (controller(), lease(where="other")),
        "wva/wva leads, so none decides",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_release_names_what_keeps_the_controller_from_deciding(case: str) -> None:
    item, beside, words = CASES[case]
    report = diagnose(released(item, *beside))
    if words is None:
        assert report.findings == ()
        return
    assert [(each.id, each.level) for each in report.findings] == [("no-controller", "error")]
    assert words in report.first_line
    assert all((report.findings[0].object, report.findings[0].seen, report.findings[0].fix))


def test_a_variant_tells_why_its_controller_cannot_decide() -> None:
    blind = condition("MetricsAvailable", "False", "PrometheusError", "no series of llm-m")
    report = diagnose(released(variant(condition("TargetResolved", "True"), blind), controller("0.7.0"), LED))
    assert [each.id for each in report.findings] == ["scaler"]
    assert report.first_line == "llm: the variant llm-m is not decided about: PrometheusError"
    assert report.findings[0].seen == "MetricsAvailable False: no series of llm-m"


def test_the_scaler_that_keda_makes_is_not_a_second_variant() -> None:
    made = {
        **scaler("HorizontalPodAutoscaler"),
        "metadata": {**scaler()["metadata"], "name": "keda-hpa-llm-m"},
    }
    made["metadata"]["ownerReferences"] = owned("ScaledObject", "llm-m")
    found = released(scaler())
    report = diagnose(replace(found, objects={**found.objects, "horizontalpodautoscalers": [made]}))
    assert [each.object for each in report.findings] == ["ScaledObject/llm-m"]


class Recorded:
    """Answers by path; all others are empty lists."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get_all(self, paths: Any) -> dict[str, Answer]:
        wanted = list(paths)
        self.asked += wanted
        return {at: self._answer(at) for at in wanted}

    def revision(self, _release: str, _namespace: str) -> Answer:
        return Answer("deployed")

    def _answer(self, at: str) -> Answer:
        plural = at.partition("?")[0].rpartition("/")[2]
        key = "controllers" if "workload-variant-autoscaler" in at else plural
        return self.answers.get(key, listed())


def test_controllers_are_looked_for_where_there_is_a_variant_only() -> None:
    plain = Recorded(pods=listed(pod(ready=True)))
    read_release(plain, "llm", "ns")
    assert not [at for at in plain.asked if "workload-variant-autoscaler" in at or "leases" in at]
    asked = Recorded(scaledobjects=listed(scaler()), controllers=listed(controller()), leases=listed(LED))
    found = read_release(asked, "llm", "ns")
    assert asked.asked[-1] == "/apis/coordination.k8s.io/v1/namespaces/wva/leases"
    assert (len(found.all(CONTROLLERS)), len(found.all(LEASES))) == (1, 1)


def test_what_may_not_be_read_of_controllers_is_said_and_not_judged() -> None:
    denied = Answer(problem="denied")
    found = read_release(Recorded(scaledobjects=listed(scaler()), controllers=denied), "llm", "ns")
    report = diagnose(found)
    assert "controllers of variants (whether a Workload Variant Autoscaler decides)" in report.not_asked
    assert [each.id for each in report.findings] == []
    found = read_release(
        Recorded(scaledobjects=listed(scaler()), controllers=listed(controller()), leases=denied), "llm", "ns"
    )
    assert "leases of controllers (whether one of its pods leads)" in diagnose(found).not_asked
    assert diagnose(found).findings == ()


# Before an install ----------------------------------------------------------------------------------

VARIANT = api("keda.sh/v1alpha1", scaler())
OBJECT = api("llmd.ai/v1alpha1", variant())
KINDS = {
    "kind keda.sh/v1alpha1 ScaledObject": Answer(json.dumps({"resources": [{"kind": "ScaledObject"}]})),
    "kind llmd.ai/v1alpha1 VariantAutoscaling": Answer(
        json.dumps({"resources": [{"kind": "VariantAutoscaling"}]})
    ),
    "apiservices": Answer(problem="denied"),  # who serves metrics is judged elsewhere
}
POOLS, MONITORS = "group inference.networking.k8s.io", "group monitoring.coreos.com"
HERE = Answer("{}")


def rendered(version: str = "0.9.0", **more: Any) -> Object:
    made = api("apps/v1", controller(version, ready=0, **more))
    made["metadata"].pop("namespace")
    made["spec"]["template"]["spec"]["containers"][0]["name"] = "manager"
    return made


BEFORE: dict[str, tuple[list[Object], dict[str, Answer], list[Object] | None, str | None]] = {
    "one of the cluster": (
        [VARIANT],
        {CONTROLLERS: listed(controller())},
        [LED],
        None,
    ),
    "one whose leases may not be read": ([VARIANT], {CONTROLLERS: listed(controller())}, None, None),
    "one of the values": ([VARIANT, rendered()], {CONTROLLERS: listed(), POOLS: HERE}, [], None),
    "an upgrade of its own": (
        [VARIANT, rendered()],
        {CONTROLLERS: listed(controller("0.7.0", where="ns")), POOLS: HERE},
        [],
        None,
    ),
    "none": ([VARIANT], {CONTROLLERS: listed()}, [], "no Workload Variant Autoscaler is installed"),
    "one that nobody leads": (
        [VARIANT],
        {CONTROLLERS: listed(controller())},
        [lease(minutes=5)],
        "leads, so none decides",
    ),
    "another version": (
        [OBJECT],
        {CONTROLLERS: listed(controller())},
        [LED],
        "reads annotations of scalers, and the release has VariantAutoscaling objects",
    ),
    "no pools": (
        [VARIANT, rendered()],
        {CONTROLLERS: listed(), POOLS: Answer(problem="absent")},
        [],
        "watches inference.networking.k8s.io, which the cluster does not know",
    ),
    "no monitors": (
        [OBJECT, rendered("0.7.0")],
        {CONTROLLERS: listed(), POOLS: HERE, MONITORS: Answer(problem="absent")},
        [],
        "watches monitoring.coreos.com, which the cluster does not know",
    ),
}


@pytest.mark.parametrize("case", BEFORE)
def test_preflight_names_what_keeps_a_controller_from_deciding(case: str) -> None:
    objects, answers, leases, words = BEFORE[case]
    objects = [*objects, engines()]
    report = judge(
        "values.yaml", "ns", None, objects, cluster(objects) | KINDS | answers, leases=leases, now=NOW
    )
    assert len(report.findings) == (words is not None)
    unread = "leases of controllers (whether one of its pods leads)"
    assert (unread in report.not_asked) == (leases is None)
    if words is not None:
        assert words in report.first_line
        assert report.findings[0].level == "error"
