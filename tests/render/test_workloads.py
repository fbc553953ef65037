"""What the chart promises about kinds of workload, groups of pods over nodes, and pods that prefill or decode."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.checks import Manifests
from charttest.checks.model import claim_templates
from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.checks import Manifest
    from charttest.render import Rendered

OWN_CLAIM = {"type": "perReplica", "size": "40Gi"}


def body(data: int = 1, **sizes: Any) -> dict[str, Any]:
    """A model on two nodes."""
    return {"parallelism": {"nodes": 2, "tensor": 2, "data": data, **sizes}}


def templates(rendered: Rendered) -> tuple[dict[str, Any], dict[str, Any]]:
    """The templates of the leader and of the workers of the only group."""
    group = rendered.one("LeaderWorkerSet").spec["leaderWorkerTemplate"]
    return group["leaderTemplate"], group["workerTemplate"]


def container(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["spec"]["containers"][0]
    return found


def workload(rendered: Rendered) -> Manifest:
    """The only Deployment, StatefulSet or LeaderWorkerSet."""
    kinds = ("Deployment", "StatefulSet", "LeaderWorkerSet")
    (found,) = [item for item in rendered.objects if item.kind in kinds]
    return found


# Which kind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "Deployment"),
        ({"workload": "deployment"}, "Deployment"),
        ({"workload": "statefulset"}, "StatefulSet"),
        ({"cache": OWN_CLAIM}, "StatefulSet"),
        (body(), "LeaderWorkerSet"),
        ({**body(), "cache": OWN_CLAIM}, "LeaderWorkerSet"),
        ({**body(), "workload": "leaderworkerset"}, "LeaderWorkerSet"),
    ],
    ids=json.dumps,
)
def test_the_kind_follows_nodes_and_cache(
    render_model: RenderModel, fields: dict[str, Any], kind: str
) -> None:
    assert workload(render_model(fields)).kind == kind


@pytest.mark.parametrize("kind", ["deployment", "statefulset"])
def test_the_pods_of_every_kind_are_the_same(render_model: RenderModel, kind: str) -> None:
    fields = {"scheduling": {"spread": "none"}, "chatTemplate": "{{ a }}"}
    mine = workload(render_model({**fields, "workload": kind})).spec["template"]
    assert mine == workload(render_model(fields)).spec["template"]


def test_replicas_spread_by_the_label_of_their_kind(render_model: RenderModel) -> None:
    keys = [
        workload(render_model({"workload": kind})).spec["template"]["spec"]["topologySpreadConstraints"][0]
        for kind in ("deployment", "statefulset")
    ]
    assert [key["matchLabelKeys"] for key in keys] == [["pod-template-hash"], ["controller-revision-hash"]]


# StatefulSets


def test_every_replica_has_a_claim_of_its_own(render_model: RenderModel) -> None:
    cache = {**OWN_CLAIM, "storageClassName": "fast", "retention": {"whenScaled": "Delete"}}
    rendered = render_model({"cache": cache, "replicas": 2})
    spec = rendered.one("StatefulSet").spec
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "40Gi"}},
    }
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Delete"}
    assert {"name": "cache", "mountPath": "/cache"} in container(spec["template"])["volumeMounts"]
    assert rendered.find("PersistentVolumeClaim") == []
    assert spec["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize("kind", ["StatefulSet", "LeaderWorkerSet"])
@pytest.mark.parametrize(
    "change",
    [
        {"podLabels": {"a": "b"}},
        {"servedNames": ["x"]},
        {"image": {"tag": "v9"}},
        {"cost": "1"},
        {"replicas": 3},
    ],
    ids=json.dumps,
)
def test_no_value_changes_what_is_fixed_once_it_exists(
    render_model: RenderModel, change: dict[str, Any], kind: str
) -> None:
    fields = {"cache": OWN_CLAIM, **(body() if kind == "LeaderWorkerSet" else {})}
    before, after = (workload(render_model(each)) for each in (fields, {**fields, **change}))
    assert claim_templates(before) != []
    assert claim_templates(before) == claim_templates(after)
    for key in ("serviceName", "selector", "podManagementPolicy", "networkConfig"):
        assert before.spec.get(key) == after.spec.get(key)


# Groups over nodes


def test_a_group_is_started_by_vllms_own_multiprocessing(render_model: RenderModel) -> None:
    leader, worker = templates(render_model(body(pipeline=2)))
    arguments, others = container(leader)["args"], container(worker)["args"]
    sizes = ["--tensor-parallel-size=2", "--pipeline-parallel-size=2", "--nnodes=2"]
    assert set(sizes) <= set(arguments)
    assert "--node-rank=$(LWS_WORKER_INDEX)" in arguments
    assert "--master-addr=$(VLLM_HOST_IP)" in arguments
    assert "--headless" not in arguments
    assert others == [
        "--master-addr=$(LWS_LEADER_ADDRESS)" if text.startswith("--master-addr") else text
        for text in arguments
    ] + ["--headless"]
    address = {"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    assert address in container(leader)["env"]
    assert address in container(worker)["env"]


def test_a_worker_differs_from_its_leader_only_in_what_serving_needs(render_model: RenderModel) -> None:
    leader, worker = templates(render_model(body()))
    assert worker["metadata"]["labels"].pop("vllm-stack.io/role") == "worker"
    assert leader["metadata"]["labels"].pop("vllm-stack.io/role") == "server"
    serving = {"ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"}
    assert serving <= set(container(leader))
    assert serving.isdisjoint(container(worker))
    for key in (*serving, "args"):
        container(leader).pop(key, None)
        container(worker).pop(key, None)
    assert leader == worker


def test_only_leaders_are_behind_the_service(render_model: RenderModel) -> None:
    rendered = render_model(body())
    selector = rendered.one("Service").spec["selector"]
    assert [matches(selector, each["metadata"]["labels"]) for each in templates(rendered)] == [True, False]


@pytest.mark.parametrize(
    ("sizes", "gpus"),
    [
        ({"tensor": 8, "pipeline": 2, "nodes": 2}, "8"),
        ({"tensor": 16, "nodes": 2}, "8"),
        ({"tensor": 2, "data": 8, "nodes": 4}, "4"),
        ({"tensor": 8, "data": 2, "nodes": 4}, "4"),
        ({"data": 2, "nodes": 2}, "1"),
    ],
    ids=json.dumps,
)
def test_the_gpus_of_a_pod_are_the_ranks_of_its_node(
    render_model: RenderModel, sizes: dict[str, int], gpus: str
) -> None:
    rendered = render_model({"parallelism": sizes})
    assert rendered.one("LeaderWorkerSet").spec["leaderWorkerTemplate"]["size"] == sizes["nodes"]
    for template in templates(rendered):
        assert container(template)["resources"]["limits"] == {"nvidia.com/gpu": gpus}
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        assert volumes["shm"]["emptyDir"]["medium"] == "Memory"


def test_ranks_wait_for_each_other_as_long_as_a_start_may_take(render_model: RenderModel) -> None:
    def waiting(**fields: Any) -> list[str]:
        leader, worker = templates(render_model({**body(), **fields}))
        found = [text for text in container(leader)["args"] if text.startswith("--distributed-timeout")]
        assert found == [
            text for text in container(worker)["args"] if text.startswith("--distributed-timeout")
        ]
        return found

    assert waiting(startup={"budgetSeconds": 5400}) == ["--distributed-timeout-seconds=5400"]
    assert waiting(startup={"budgetSeconds": 600}) == []  # PyTorch's own
    assert waiting(args={"distributed-timeout-seconds": 99}) == ["--distributed-timeout-seconds=99"]


def test_a_group_starts_restarts_and_rolls_as_one(render_model: RenderModel) -> None:
    fields = {
        "replicas": 3,
        "scheduling": {"exclusiveTopology": "rack"},
        "rollout": {"maxUnavailable": "50%"},
    }
    item = render_model({**body(), **fields}).one("LeaderWorkerSet")
    assert item.spec["replicas"] == 3
    assert item.spec["startupPolicy"] == "LeaderCreated"
    assert item.spec["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert item.spec["rolloutStrategy"]["rollingUpdateConfiguration"] == {
        "maxSurge": 0,
        "maxUnavailable": "50%",
    }
    key = "leaderworkerset.sigs.k8s.io/exclusive-topology"
    assert item["metadata"]["annotations"][key] == "rack"


@pytest.mark.parametrize(
    ("disruption", "budget"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"maxUnavailable": 0}, {"maxUnavailable": 0}),
        ({"maxUnavailable": 2}, {"maxUnavailable": 3}),  # one group whole, and the first pod of another
        ({"minAvailable": 2}, {"minAvailable": 4}),
        ({"minAvailable": "50%"}, {"minAvailable": "50%"}),
    ],
    ids=json.dumps,
)
def test_a_budget_counts_groups_in_pods(
    render_model: RenderModel, disruption: dict[str, Any], budget: dict[str, Any]
) -> None:
    rendered = render_model({**body(), "replicas": 3, "disruption": disruption})
    spec = rendered.one("PodDisruptionBudget").spec
    assert {key: value for key, value in spec.items() if key.endswith("vailable")} == budget
    for template in templates(rendered):
        assert matches(spec["selector"]["matchLabels"], template["metadata"]["labels"])


def test_the_number_of_api_servers_stays_with_the_leader(render_model: RenderModel) -> None:
    leader, worker = templates(render_model({**body(), "args": {"api-server-count": 4}}))
    assert "--api-server-count=4" in container(leader)["args"]
    assert "--api-server-count=4" not in container(worker)["args"]


@pytest.mark.parametrize(
    "fields", [body(), {"workload": "statefulset"}, {"cache": OWN_CLAIM}], ids=json.dumps
)
@pytest.mark.parametrize("model", ["m", "a-model-with-a-name-that-is-as-long-as-names-may-be-here"])
def test_names_leave_room_for_what_controllers_derive(
    render_model: RenderModel, fields: dict[str, Any], model: str
) -> None:
    source = {"source": {"uri": "hf://org/model"}}
    rendered = render_model(fields, {"models": {model: {**source, **fields}}}, release="release-" + "r" * 30)
    item = workload(rendered)
    assert len(item.name) <= {"LeaderWorkerSet": 49, "StatefulSet": 52}[item.kind]
    if item.kind == "LeaderWorkerSet":
        assert rendered.find("Service", item.name) == []


# Data parallel


@pytest.mark.parametrize(
    ("sizes", "wanted", "serving"),
    [
        ({"data": 4}, [], 1),
        (
            {"data": 4, "balancing": "hybrid"},
            ["--data-parallel-hybrid-lb", "--data-parallel-size-local=2"],
            2,
        ),
        ({"data": 2, "balancing": "external"}, ["--data-parallel-external-lb"], 2),
    ],
    ids=json.dumps,
)
def test_who_balances_decides_which_pods_serve(
    render_model: RenderModel, sizes: dict[str, Any], wanted: list[str], serving: int
) -> None:
    rendered = render_model(body(**sizes))
    both = templates(rendered)
    for template in both:
        arguments = container(template)["args"]
        assert f"--data-parallel-size={sizes['data']}" in arguments
        assert [
            text for text in arguments if text.startswith("--data-parallel-") and "size=" not in text
        ] == wanted
    selector = rendered.one("Service").spec["selector"]
    assert sum(matches(selector, each["metadata"]["labels"]) for each in both) == serving
    assert sum("--headless" not in container(each)["args"] for each in both) == serving
    assert sum("readinessProbe" in container(each) for each in both) == serving


# Prefill and decode


DISAGGREGATED = {"role": "decode", "variants": {"p": {"role": "prefill"}}}


def transfer(rendered: Rendered, name: str) -> dict[str, Any]:
    """The connector's settings of a Deployment."""
    arguments = container(rendered.one("Deployment", name).spec["template"])["args"]
    (found,) = [text for text in arguments if text.startswith("--kv-transfer-config=")]
    settings: dict[str, Any] = json.loads(found.partition("=")[2])
    return settings


def test_prefill_produces_the_cache_and_decode_consumes_it(render_model: RenderModel) -> None:
    settings = {"loadFailurePolicy": "recompute", "extraConfig": {"backends": ["UCX"]}}
    rendered = render_model({**DISAGGREGATED, "disaggregation": settings})
    common = {
        "kv_connector": "NixlConnector",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": {"backends": ["UCX"]},
    }
    assert transfer(rendered, "r-m-p") == {**common, "kv_role": "kv_producer"}
    assert transfer(rendered, "r-m") == {**common, "kv_role": "kv_consumer"}


def test_pods_tell_each_other_the_address_of_the_pod(render_model: RenderModel) -> None:
    rendered = render_model({**DISAGGREGATED, "disaggregation": {"sideChannelPort": 5700}})
    for name in ("r-m", "r-m-p"):
        environment = {
            entry["name"]: entry
            for entry in container(rendered.one("Deployment", name).spec["template"])["env"]
        }
        address = {"fieldRef": {"fieldPath": "status.podIP"}}
        assert environment["VLLM_NIXL_SIDE_CHANNEL_HOST"]["valueFrom"] == address
        assert environment["VLLM_NIXL_SIDE_CHANNEL_PORT"]["value"] == "5700"


def test_the_service_leads_to_no_pod_that_only_prefills(render_model: RenderModel) -> None:
    rendered = render_model(DISAGGREGATED)
    selector = rendered.one("Service").spec["selector"]
    roles = {
        pod.labels["llm-d.ai/role"]: matches(selector, pod.labels)
        for pod in Manifests(rendered.objects).pods
        if pod.owner.kind == "Deployment"
    }
    assert roles == {"decode": True, "prefill": False}


def test_a_router_finds_the_pods_that_serve_and_no_workers(render_model: RenderModel) -> None:
    rendered = render_model({**DISAGGREGATED, "parallelism": {"tensor": 2, "nodes": 2}})
    found = [
        (pod.labels["vllm-stack.io/role"], pod.labels.get("llm-d.ai/role"))
        for pod in Manifests(rendered.objects).pods
        if pod.owner.kind == "LeaderWorkerSet"
    ]
    assert sorted(found, key=str) == [
        ("server", "decode"),
        ("server", "prefill"),
        ("worker", None),
        ("worker", None),
    ]


def test_a_role_changes_no_selector_of_a_workload(render_model: RenderModel) -> None:
    before, after = render_model({"variants": {"p": {}}}), render_model(DISAGGREGATED)
    for name in ("r-m", "r-m-p"):
        assert (
            before.one("Deployment", name).spec["selector"] == after.one("Deployment", name).spec["selector"]
        )


def test_a_routing_sidecar_takes_the_port_of_decode_and_outlives_its_engine(
    render_model: RenderModel,
) -> None:
    sidecar = {"image": "example.com/routing:v1", "args": ["--a=b"]}
    rendered = render_model({**DISAGGREGATED, "disaggregation": {"sidecar": sidecar}})
    decode = rendered.one("Deployment", "r-m").spec["template"]
    (proxy,) = decode["spec"]["initContainers"]
    assert (proxy["image"], proxy["args"], proxy["restartPolicy"]) == (
        sidecar["image"],
        sidecar["args"],
        "Always",
    )
    assert proxy["ports"] == [{"name": "http", "containerPort": 8000}]
    engine = container(decode)
    assert engine["ports"] == [{"name": "engine", "containerPort": 8200}]
    assert "--port=8200" in engine["args"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert {engine[probe]["httpGet"]["port"] for probe in probes} == {"engine"}
    prefill = rendered.one("Deployment", "r-m-p").spec["template"]
    assert "initContainers" not in prefill["spec"]
    assert "--port=8000" in container(prefill)["args"]


def test_a_server_knows_nothing_of_disaggregation(render_model: RenderModel) -> None:
    assert render_model().objects == render_model({"disaggregation": {"sideChannelPort": 9999}}).objects


# Service meshes


def pod_of(rendered: Rendered, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Labels and annotations of a Deployment's pods."""
    metadata = rendered.one("Deployment", name).spec["template"]["metadata"]
    return metadata["labels"], metadata["annotations"]


NATIVE = {
    "istio": {"sidecar.istio.io/nativeSidecar": "true"},
    "linkerd": {
        "linkerd.io/inject": "enabled",
        "config.beta.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.linkerd.io/proxy-enable-native-sidecar": "true",
    },
}
ONLY_HTTP = {
    "istio": {
        "traffic.sidecar.istio.io/includeInboundPorts": "8000",
        "traffic.sidecar.istio.io/includeOutboundPorts": "8000",
        "traffic.sidecar.istio.io/includeOutboundIPRanges": "",
    },
    "linkerd": {
        "config.linkerd.io/skip-inbound-ports": "1-7999,8001-65535",
        "config.linkerd.io/skip-outbound-ports": "1-7999,8001-65535",
    },
}
CONTAINER = {"kubectl.kubernetes.io/default-container": "engine"}


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_a_proxy_outlives_the_engine_and_ends_with_the_test(render_model: RenderModel, mesh: str) -> None:
    rendered = render_model(root={"mesh": mesh})
    labels, annotations = pod_of(rendered, "r-m")
    assert annotations == {**CONTAINER, **NATIVE[mesh]}
    test = rendered.one("Pod")["metadata"]
    assert NATIVE[mesh].items() <= test["annotations"].items()
    for found in (labels, test["labels"]):
        assert found.get("sidecar.istio.io/inject") == ("true" if mesh == "istio" else None)


@pytest.mark.parametrize("mesh", ["istio", "linkerd"])
def test_pods_that_talk_on_ports_of_their_own_are_in_the_mesh_by_http_only(
    render_model: RenderModel, mesh: str
) -> None:
    wanted = {**CONTAINER, **NATIVE[mesh], **ONLY_HTTP[mesh]}
    rendered = render_model(DISAGGREGATED, {"mesh": mesh})
    assert [pod_of(rendered, name)[1] for name in ("r-m", "r-m-p")] == [wanted, wanted]
    leader, worker = templates(render_model(body(), {"mesh": mesh}))
    assert leader["metadata"]["annotations"] == wanted
    outside = {**CONTAINER, **({"linkerd.io/inject": "disabled"} if mesh == "linkerd" else {})}
    assert worker["metadata"]["annotations"] == outside
    if mesh == "istio":
        injected = [each["metadata"]["labels"]["sidecar.istio.io/inject"] for each in (leader, worker)]
        assert injected == ["true", "false"]


def test_without_a_mesh_nothing_of_one_is_rendered(render_model: RenderModel) -> None:
    for fields in ({}, body(), DISAGGREGATED):
        text = json.dumps(render_model(fields).objects)
        assert "istio" not in text
        assert "linkerd" not in text
