"""Preflight names what a cluster lacks for objects that are to be installed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.valuegen.cluster_objects import NOW, condition, container, node, pod, thing

from valuegen.doctor.amounts import amount, pod_requests, shown
from valuegen.doctor.asking import Answer
from valuegen.doctor.existence import kinds_path, reference_path
from valuegen.doctor.needs import needs_of
from valuegen.doctor.nodes import nodes_of, selected
from valuegen.doctor.obstacles import obstacle
from valuegen.doctor.preflight import judge

Object = dict[str, Any]
KNOWN = {
    "v1": ["Pod", "Secret", "PersistentVolumeClaim"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "gateway.networking.k8s.io/v1": ["HTTPRoute"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "networking.k8s.io/v1": ["Ingress"],
    "leaderworkerset.x-k8s.io/v1": ["LeaderWorkerSet"],
}


def api(version: str, item: Object) -> Object:
    return {"apiVersion": version, **item}


def spec(**fields: Any) -> Object:
    return {"containers": [container()], **fields}


def deployment(pod_spec: Object | None = None, replicas: int | None = 1) -> Object:
    counted = {} if replicas is None else {"replicas": replicas}
    return api("apps/v1", thing("Deployment", "llm-m", {"template": {"spec": pod_spec or spec()}, **counted}))


def listed(*items: Object) -> Answer:
    kinds = {item["kind"] for item in items} or {"Some"}
    return Answer(json.dumps({"kind": f"{kinds.pop()}List", "items": items}))


def cluster(
    objects: list[Object], *there: Object, nodes: list[Object] | None = None, **lists: Answer
) -> dict[str, Answer]:
    """The answers of a cluster that has these objects, and knows the kinds of `KNOWN`."""
    needs = needs_of(objects)
    found = {f"{item['kind']}/{item['metadata']['name']}": item for item in there}
    answers = {
        "nodes": listed(*(nodes if nodes is not None else [node()])),
        "pods of all namespaces": listed(),
        "storageclasses": listed(),
        "resourcequotas": listed(),
        "webhooks": listed(),
        "apiservices": listed(),
    }
    for version, kind in needs.kinds:
        known = [{"kind": each} for each in KNOWN.get(version, [])]
        answers[f"kind {version} {kind}"] = (
            Answer(json.dumps({"resources": known})) if known else Answer(problem="absent")
        )
    for one in needs.references:
        item = found.get(f"{one.kind}/{one.name}")
        answers[one.title] = Answer(problem="absent") if item is None else Answer(json.dumps(item))
    return {**answers, **{key.replace("_", " "): answer for key, answer in lists.items()}}


def reading(name: str, key: str, **more: Any) -> Object:
    reference = {"secretKeyRef": {"name": name, "key": key, **more}}
    return spec(containers=[container(env=[{"name": "HF_TOKEN", "valueFrom": reference}])])


def claim(**fields: Any) -> Object:
    return api("v1", thing("PersistentVolumeClaim", "cache", fields))


GATEWAY = api("gateway.networking.k8s.io/v1", thing("HTTPRoute", "llm", {"parentRefs": [{"name": "public"}]}))
HPA = api("autoscaling/v2", thing("HorizontalPodAutoscaler", "llm-m", {"metrics": [{"type": "Pods"}]}))
INGRESS = api(
    "networking.k8s.io/v1",
    thing("Ingress", "llm", {"ingressClassName": "nginx", "tls": [{"secretName": "tls"}]}),
)
GROUP = api(
    "leaderworkerset.x-k8s.io/v1",
    thing(
        "LeaderWorkerSet",
        "llm-m",
        {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": {"spec": spec()}}},
    ),
)
QUOTA = thing(
    "ResourceQuota",
    "gpus",
    {"hard": {"requests.nvidia.com/gpu": "4"}},
    {"hard": {"requests.nvidia.com/gpu": "4"}, "used": {"requests.nvidia.com/gpu": "3"}},
)

# What is to be installed, what the cluster answers -> id and words of the first line.
LACKING: dict[str, tuple[list[Object], dict[str, Answer], str, str]] = {}


def lacking(name: str, objects: list[Object], rule: str, words: str, *there: Object, **answers: Any) -> None:
    LACKING[name] = (objects, cluster(objects, *there, **answers), rule, words)


lacking(
    "no CRD",
    [api("keda.sh/v1alpha1", thing("Extra", "x"))],
    "missing-kind",
    "does not know the kind Extra of keda.sh/v1alpha1",
)
lacking(
    "no version of it", [api("apps/v1", thing("Other", "x"))], "missing-kind", "does not know the kind Other"
)
lacking("no group controller", [GROUP], "no-controller", "no LeaderWorkerSet controller is installed")
lacking(
    "no metrics", [HPA], "no-controller", "nobody serves the metrics that HorizontalPodAutoscaler/llm-m reads"
)
lacking("no Gateway", [GATEWAY], "missing-object", "the Gateway public does not exist in namespace ns")
lacking(
    "a Gateway that nobody programs",
    [GATEWAY],
    "no-controller",
    "no controller has programmed the Gateway public",
    thing("Gateway", "public", {}, {"conditions": [condition("Programmed", "Unknown")]}),
)
lacking(
    "no IngressClass",
    [INGRESS],
    "missing-object",
    "the IngressClass nginx does not exist",
    thing("Secret", "tls"),
)
lacking(
    "no certificate",
    [INGRESS],
    "missing-secret",
    "the Secret tls does not exist",
    thing("IngressClass", "nginx"),
)
lacking(
    "no Secret",
    [deployment(reading("hf", "HF_TOKEN"))],
    "missing-secret",
    "the Secret hf does not exist in namespace ns",
)
lacking(
    "a Secret without the key",
    [deployment(reading("hf", "HF_TOKEN"))],
    "missing-secret",
    "the Secret hf has no key HF_TOKEN",
    {**thing("Secret", "hf"), "data": {"token": "eA=="}},
)
lacking(
    "no claim",
    [deployment(spec(volumes=[{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}]))],
    "claim",
    "the PersistentVolumeClaim models does not exist",
)
for field, kind in (("priorityClassName", "PriorityClass"), ("runtimeClassName", "RuntimeClass")):
    lacking(
        f"no {kind}", [deployment(spec(**{field: "x"}))], "missing-object", f"the {kind} x does not exist"
    )
lacking(
    "no account",
    [deployment(spec(serviceAccountName="x"))],
    "missing-object",
    "the ServiceAccount x does not exist",
)
lacking(
    "no class",
    [claim(storageClassName="fast")],
    "storage-class",
    "the StorageClass fast of the claim cache does not exist",
)
lacking("no default class", [claim()], "storage-class", "names no StorageClass, and none is the default")
lacking(
    "no label",
    [deployment(spec(nodeSelector={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}))],
    "node-label",
    "no node has the label nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3",
)
lacking("no device", [deployment()], "node-resource", "no node offers nvidia.com/gpu", nodes=[node(gpus=0)])
lacking("no node", [deployment()], "node-room", "the cluster has no nodes", nodes=[])
lacking(
    "room for some",
    [deployment(replicas=5)],
    "node-room",
    "no node has enough free GPUs: there is room for 4 of 5 pods",
)
lacking(
    "GPUs that others use",
    [deployment()],
    "node-room",
    "no node has enough free GPUs: a pod needs 1 nvidia.com/gpu, at most 0 free on one",
    pods_of_all_namespaces=listed(
        pod(
            "other",
            spec={"containers": [container(resources={"limits": {"nvidia.com/gpu": "4"}})]},
            labels={"app.kubernetes.io/instance": "other"},
        )
    ),
)
lacking(
    "a taint",
    [deployment()],
    "node-taint",
    "the pod does not tolerate the taint dedicated",
    nodes=[node(taints=[{"key": "dedicated", "value": "x", "effect": "NoSchedule"}])],
)
lacking(
    "a cordoned node",
    [deployment()],
    "node-taint",
    "every node that fits is cordoned",
    nodes=[node(unschedulable=True)],
)
lacking(
    "a quota",
    [deployment(replicas=2)],
    "quota",
    "the quota gpus has no room: the values ask for 2 requests.nvidia.com/gpu, 1 of 4 are left",
    resourcequotas=listed(QUOTA),
)


@pytest.mark.parametrize("case", LACKING)
def test_what_is_missing_is_named(case: str) -> None:
    objects, answers, rule, words = LACKING[case]
    report = judge("values.yaml", "ns", None, objects, answers, now=NOW)
    assert [finding.id for finding in report.findings] == [rule]
    assert words in report.first_line
    assert report.findings[0].level == "error"
    assert all((report.findings[0].object, report.findings[0].seen, report.findings[0].fix))


def test_a_cluster_that_has_everything_says_so_in_one_line() -> None:
    objects = [deployment(reading("hf", "HF_TOKEN"), replicas=2), GATEWAY, claim(storageClassName="fast")]
    answers = cluster(
        objects,
        {**thing("Secret", "hf"), "data": {"HF_TOKEN": "eA=="}},
        thing("Gateway", "public", {}, {"conditions": [condition("Programmed", "True")]}),
        storageclasses=listed(thing("StorageClass", "fast")),
    )
    report = judge("values.yaml", "ns", None, objects, answers, now=NOW)
    assert report.first_line == (
        "values.yaml: nothing is missing: there is room for 2 pods with 2 nvidia.com/gpu, 3 kinds known, 2 references found"
    )


def test_what_the_release_makes_itself_is_not_missing() -> None:
    stateful = thing(
        "StatefulSet",
        "store",
        {
            "template": {"spec": spec()},
            "volumeClaimTemplates": [thing("", "data", {"storageClassName": "fast"})],
        },
    )
    objects = [
        api("v1", thing("Secret", "hf")),
        deployment(reading("hf", "HF_TOKEN")),
        api("apps/v1", stateful),
        api("v1", thing("Pod", "test", spec(priorityClassName="x"), annotations={"helm.sh/hook": "test"})),
        deployment(spec(volumes=[{"name": "m", "persistentVolumeClaim": {"claimName": "data-store-0"}}])),
        deployment(reading("other", "KEY", optional=True)),
    ]
    needs = needs_of(objects)
    assert needs.references == ()
    assert [each["metadata"]["name"] for each in needs.claims] == ["data"]


def test_kinds_whose_definitions_the_release_brings_are_not_asked_for() -> None:
    definition = thing(
        "CustomResourceDefinition", "x", {"group": "llmd.ai", "names": {"kind": "VariantAutoscaling"}}
    )
    objects = [
        api("apiextensions.k8s.io/v1", definition),
        api("llmd.ai/v1alpha1", thing("VariantAutoscaling", "m")),
    ]
    assert needs_of(objects).kinds == (("apiextensions.k8s.io/v1", "CustomResourceDefinition"),)


def test_an_upgrade_takes_the_room_of_its_own_pods() -> None:
    objects = [deployment(spec(containers=[container(resources={"limits": {"nvidia.com/gpu": "4"}})]))]
    busy = listed(
        pod("llm-m-1", spec={"containers": [container(resources={"limits": {"nvidia.com/gpu": "4"}})]})
    )
    answers = cluster(objects, pods_of_all_namespaces=busy)
    assert judge("values.yaml", "ns", "llm", objects, answers, now=NOW).findings == ()
    assert judge("values.yaml", "ns", None, objects, answers, now=NOW).findings != ()


def test_what_may_not_be_read_is_said_and_not_judged() -> None:
    objects = [deployment(), claim(storageClassName="fast")]
    denied = Answer(problem="denied")
    answers = cluster(objects, nodes=[]) | dict.fromkeys(
        ("nodes", "pods of all namespaces", "storageclasses", "resourcequotas", "webhooks", "apiservices"),
        denied,
    )
    report = judge("values.yaml", "ns", None, objects, answers, now=NOW)
    assert report.findings == ()
    assert "nodes (what nodes offer)" in report.not_asked
    assert len(report.not_asked) == 6


def test_paths_of_the_api_are_those_of_kinds_and_names() -> None:
    assert kinds_path("v1") == "/api/v1"
    assert kinds_path("apps/v1") == "/apis/apps/v1"
    (one,) = needs_of([deployment(reading("a b", "k"))]).references
    assert reference_path(one, "ns") == "/api/v1/namespaces/ns/secrets/a%20b"
    (gateway,) = needs_of([GATEWAY]).references
    assert reference_path(gateway, "ns") == "/apis/gateway.networking.k8s.io/v1/namespaces/ns/gateways/public"


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("1", 1),
        ("500m", 0.5),
        ("1Gi", 2**30),
        ("1.5k", 1500),
        ("2e3", 2000),
        (3, 3),
        ("100n", 1e-7),
        ("63500m", 63.5),
    ],
)
def test_a_quantity_of_the_api_is_read(quantity: object, number: float) -> None:
    assert float(amount(quantity)) == pytest.approx(number)


def test_what_is_no_quantity_is_an_error() -> None:
    with pytest.raises(ValueError, match="'many' is no quantity"):
        amount("many")


def test_amounts_are_shown_as_people_write_them() -> None:
    assert shown("memory", amount("16Gi")) == "16 GiB"
    assert shown("cpu", amount("2500m")) == "2.5"
    assert shown("nvidia.com/gpu", amount("10")) == "10"


def test_a_pod_asks_for_its_containers_or_for_its_largest_init_container_with_the_sidecars_before_it() -> (
    None
):
    def sized(cpu: str, **more: Any) -> Object:
        return {"name": "x", "resources": {"requests": {"cpu": cpu}}, **more}

    both = {
        "containers": [sized("2"), sized("1")],
        "initContainers": [sized("1", restartPolicy="Always"), sized("5")],
    }
    assert pod_requests(both)["cpu"] == 6
    assert pod_requests({"containers": [sized("2")], "overhead": {"cpu": "1"}})["cpu"] == 3


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ({"key": "nvidia.com/gpu.product", "operator": "In", "values": ["A", "B"]}, ["a", "b"]),
        ({"key": "nvidia.com/gpu.product", "operator": "NotIn", "values": ["A"]}, ["b", "c"]),
        ({"key": "nvidia.com/gpu.product", "operator": "Exists"}, ["a", "b", "c"]),
        ({"key": "zone", "operator": "Exists"}, []),
        ({"key": "zone", "operator": "DoesNotExist"}, ["a", "b", "c"]),
        ({"key": "nvidia.com/gpu.product", "operator": "Gt", "values": ["4"]}, ["c"]),
        ({"key": "nvidia.com/gpu.product", "operator": "Lt", "values": ["4"]}, []),
    ],
    ids=lambda value: value.get("operator") if isinstance(value, dict) else "",
)
def test_required_affinity_selects_nodes(expression: Object, names: list[str]) -> None:
    nodes = nodes_of([node("a", "A"), node("b", "B"), node("c", "7")], [])
    term = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    asked = spec(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}})
    assert [each.name for each in selected(asked, nodes)] == names


def test_labels_that_no_node_has_together_are_named_together() -> None:
    nodes = nodes_of([node("a", "A"), node("b", "B")], [])
    nodes[0].labels["zone"] = "x"  # type: ignore[index]
    asked = spec(nodeSelector={"nvidia.com/gpu.product": "B", "zone": "x"})
    found = obstacle(asked, nodes)
    assert found is not None
    assert found[0].message == "no node has the labels nvidia.com/gpu.product=B and zone=x together"
