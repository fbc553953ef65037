"""Workloads, groups over nodes and roles that cannot work are refused, with the key, the rule and what to set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.render.test_refusals import SOURCE, refusal

from charttest.helm import HelmError

if TYPE_CHECKING:
    from charttest.plugin import Chart

TWO_NODES = {"tensor": 2, "nodes": 2}
OWN_CLAIM = {"type": "perReplica", "size": "1Gi"}


def body(*, parallelism: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A model on two nodes, with these sizes and fields."""
    return {"parallelism": {**TWO_NODES, **(parallelism or {})}, **fields}


# What is wrong in the body of one model, and the line that says so after `models.<name>`.
BODIES: list[tuple[dict[str, Any], str]] = [
    (body(workload="deployment"), "workload: 2 nodes need a LeaderWorkerSet; set leaderworkerset or auto"),
    (body(workload="statefulset"), "workload: 2 nodes need a LeaderWorkerSet; set leaderworkerset or auto"),
    (
        {"workload": "leaderworkerset"},
        "workload: a LeaderWorkerSet spreads a replica over nodes, and parallelism.nodes is 1; set auto, or more nodes",
    ),
    (
        {"workload": "deployment", "cache": OWN_CLAIM},
        "cache.type: the pods of a Deployment cannot have claims of their own; set workload: statefulset, or auto",
    ),
    (
        {"cache": {"type": "perReplica"}},
        "cache.size: a claim needs a size; set the size of the weights and a fifth more, for example 40Gi",
    ),
    (
        {"cache": {**OWN_CLAIM, "claimName": "weights"}},
        "cache.claimName: type perReplica mounts no claim; set type: existingClaim, or remove the name",
    ),
    (
        {"scheduling": {"exclusiveTopology": "rack"}},
        "scheduling.exclusiveTopology: only groups of pods can have a domain for themselves; remove it, or set"
        " parallelism.nodes",
    ),
    (
        {"workload": "statefulset", "rollout": {"maxSurge": 1}},
        "rollout.maxSurge: a StatefulSet adds no pod in a rollout; set 0",
    ),
    (
        body(rollout={"minReadySeconds": 5}),
        "rollout.minReadySeconds: a LeaderWorkerSet knows no such time; set 0",
    ),
    (
        body(parallelism={"tensor": 3}),
        "parallelism.nodes: 2 nodes cannot share tensor × pipeline × data = 3 GPUs equally; set a divisor of it",
    ),
    (
        body(parallelism={"data": 3}),
        "parallelism.data: 3 copies on 2 nodes would share a node without filling it; set a multiple or a divisor of"
        " nodes",
    ),
    (
        {"parallelism": {"data": 4, "balancing": "hybrid"}},
        "parallelism.balancing: hybrid is a choice among copies on several nodes, and nodes is 1; set internal",
    ),
    (
        body(parallelism={"balancing": "external"}),
        "parallelism.balancing: external is a choice among copies on several nodes, and data is 1; set internal",
    ),
    (
        body(parallelism={"data": 2, "balancing": "hybrid"}),
        "parallelism.balancing: hybrid needs two or more whole copies on every node, and 2 copies are on 2; set data"
        " to a multiple of nodes, or external with one copy on each",
    ),
    (
        body(parallelism={"data": 4, "balancing": "external"}),
        "parallelism.balancing: external needs one copy on every node, and 4 copies are on 2; set data and nodes to"
        " the same number, or hybrid",
    ),
    (
        body(args={"distributed-executor-backend": "ray"}),
        "args.distributed-executor-backend: groups run by vLLM's own multiprocessing, the chart starts no ray;"
        " remove it",
    ),
    (
        body(args={"data-parallel-backend": "ray"}),
        "args.data-parallel-backend: groups run by vLLM's own multiprocessing, the chart starts no ray; remove it",
    ),
    (
        body(extraArgs=["--api-server-count", "2"]),
        "extraArgs: --api-server-count would reach the workers, which have no API server; set args.api-server-count",
    ),
    (
        body(env={"VLLM_HOST_IP": None}),
        "env.VLLM_HOST_IP: the pods of a group find the leader by it; remove the null",
    ),
    (
        {"args": {"enable-fault-tolerance": True}},
        "args.enable-fault-tolerance: vLLM has it with external balancing only; set parallelism.balancing: external,"
        " or remove it",
    ),
    (
        body(parallelism={"data": 4, "balancing": "hybrid"}, args={"enable-elastic-ep": True}),
        "args.enable-elastic-ep: vLLM has it with internal and external balancing only; set parallelism.balancing, or"
        " remove it",
    ),
    (
        {"args": {"enable-eplb": True}, "parallelism": {"tensor": 2}},
        "args.enable-eplb: there are no spread experts to balance; set parallelism.expert: true with tensor or data"
        " above 1, or remove it",
    ),
    (
        {"args": {"enable-eplb": True}, "parallelism": {"expert": True, "pipeline": 2}},
        "args.enable-eplb: there are no spread experts to balance; set parallelism.expert: true with tensor or data"
        " above 1, or remove it",
    ),
    (
        body(accelerator={"count": 2}),
        "accelerator.count: 2 does not equal tensor × pipeline × data / nodes = 1 of parallelism; set null to derive"
        " it",
    ),
    (
        body(cache={"type": "claim", "size": "1Gi"}),
        "cache.accessModes: 2 pods share the claim NAME-lws-cache, which only one node can mount; set [ReadWriteMany],"
        " or type: emptyDir, or replicas: 1",
    ),
    ({"args": {"headless": True}}, "args.headless: the chart sets this flag; set parallelism.nodes"),
    (
        {"args": {"data-parallel-hybrid-lb": True}},
        "args.data-parallel-hybrid-lb: the chart sets this flag; set parallelism.balancing",
    ),
    (
        {"role": "prefill"},
        "role: no variant of models.MODEL has the role decode; add one",
    ),
    (
        {"role": "decode"},
        "role: no variant of models.MODEL has the role prefill; add one",
    ),
    (
        {"variants": {"p": {"role": "prefill"}, "d": {"role": "decode"}}},
        "role: a model whose variants prefill and decode has no servers, its Service leads to decode; set prefill or"
        " decode, or enabled: false",
    ),
    (
        {
            "role": "decode",
            "variants": {"p": {"role": "prefill", "args": {"kv-transfer-config": {"kv_connector": "X"}}}},
        },
        "variants.p.args.kv-transfer-config: the role prefill sets the connector; set disaggregation, or role: server",
    ),
    (
        {
            "role": "decode",
            "args": {"kv-offloading-size": 8},
            "variants": {"p": {"role": "prefill", "args": None}},
        },
        "args.kv-offloading-size: the role decode sets the connector; set disaggregation, or role: server",
    ),
    (
        {"role": "decode", "variants": {"p": {"role": "prefill", "parallelism": {"pipeline": 2}}}},
        "variants.p.parallelism.pipeline: NixlConnector hands over no cache of prefill with pipeline > 1; set 1 and more"
        " tensor, or connector: NixlPushConnector",
    ),
    (
        {
            "role": "decode",
            "disaggregation": {"connector": "NixlPushConnector"},
            "parallelism": {"pipeline": 2},
            "variants": {"p": {"role": "prefill", "parallelism": {"pipeline": 1}}},
        },
        "parallelism.pipeline: NixlPushConnector hands over no cache of decode with pipeline > 1; set 1 and more tensor",
    ),
    (
        {"role": "decode", "variants": {"p": {"role": "prefill", "podLabels": {"llm-d.ai/role": "both"}}}},
        "variants.p.podLabels.llm-d.ai/role: role sets it; remove it",
    ),
]
NAMED = [(f"m{number}", *case) for number, case in enumerate(BODIES)]


@pytest.fixture(scope="module")
def said(chart: Chart) -> list[str]:
    """What one render says about all of BODIES, each in a model of its own."""
    values = {"models": {name: {**SOURCE, **fields} for name, fields, _ in NAMED}}
    return [line.strip() for line in refusal(chart, values).splitlines()]


@pytest.mark.parametrize(("name", "_body", "line"), NAMED, ids=[json.dumps(case[1]) for case in NAMED])
def test_a_workload_that_cannot_work_is_refused(
    said: list[str], name: str, _body: dict[str, Any], line: str
) -> None:
    wanted = f"models.{name}.{line}".replace("MODEL", name).replace("NAME", f"r-{name}")
    assert [text for text in said if text.startswith(f"models.{name}.")] == [wanted]


def test_nothing_else_is_said_beside_these_refusals(said: list[str]) -> None:
    assert len(said) == 1 + len(BODIES)


def test_a_service_that_a_group_makes_may_not_be_that_of_another_model(chart: Chart) -> None:
    models = {"a": {**SOURCE, **body()}, "a-lws": SOURCE}
    assert refusal(chart, {"models": models}).splitlines()[-1].strip() == (
        "models.a: the Service r-a-lws of its pods has the name of that of models.a-lws; rename one of them"
    )


def test_more_than_one_missing_pod_of_a_statefulset_needs_kubernetes_1_35(chart: Chart) -> None:
    fields = {**SOURCE, "workload": "statefulset", "rollout": {"maxUnavailable": 2}}
    with pytest.raises(HelmError) as error:
        chart.render({"models": {"m": fields}}, kube_version="1.34")
    assert error.value.output.splitlines()[-1].strip() == (
        "models.m.rollout.maxUnavailable: a StatefulSet replaces one pod at a time before Kubernetes 1.35; set 1"
    )
    strategy = chart.render({"models": {"m": fields}}).one("StatefulSet").spec["updateStrategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": 2}
