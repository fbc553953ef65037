"""NOTES.txt says how to go on, and what is no error but should be known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.helm import helm

if TYPE_CHECKING:
    from charttest.plugin import Chart

MODEL = {"source": {"uri": "hf://Qwen/Qwen3-8B"}, "accelerator": {"product": "NVIDIA-L40S"}}
SAFE: dict[str, Any] = {"secrets": {"apiKey": {"value": "x"}}}


GROUP = {"tensor": 2, "nodes": 2}
TEAMS = {"cache": {"type": "existingClaim", "claimName": "shared"}}
INGRESS: dict[str, Any] = {
    "kind": "ingress",
    "ingress": {"controller": "traefik"},
    "routes": {"llm": {"hosts": ["llm.example.com"], "models": {"m": {}}}},
}


def notes(chart: Chart, values: dict[str, Any]) -> str:
    where = ("r", str(chart.path), "--namespace", "llm", "--dry-run=client", "--values", "-")
    printed = helm().run("install", *where, stdin=json.dumps(values))
    return printed.partition("NOTES:\n")[2]


def advice(chart: Chart, body: dict[str, Any], **rest: Any) -> str:
    """What is worth knowing of one model with this body, and nothing else to say about the release."""
    return notes(chart, {**SAFE, "models": {"m": {**MODEL, **body}}, **rest}).partition("Worth knowing:\n")[2]


def test_an_empty_release_says_what_to_write(chart: Chart) -> None:
    assert "No model is installed yet. Set one" in notes(chart, {})


def test_the_notes_name_every_model_its_address_and_the_next_commands(chart: Chart) -> None:
    told = notes(chart, {"models": {"m": MODEL}})
    for words in (
        "http://r-m.llm:8000/v1",
        "deployment/r-m: 1 replica(s) of 1 nvidia.com/gpu",
        "kubectl get pods -l app.kubernetes.io/instance=r --namespace llm",
        "docs/troubleshooting.md",
        "helm test r --namespace llm",
    ):
        assert words in told


@pytest.mark.parametrize(("count", "left"), [(20, ""), (21, "… and 1 more:"), (30, "… and 10 more:")])
def test_the_notes_of_many_models_list_twenty_and_say_where_the_others_are(
    chart: Chart, count: int, left: str
) -> None:
    told = notes(chart, {"models": {f"m{number}": MODEL for number in range(count)}})
    assert told.count("    deployment/r-m") == 20
    assert ("more: kubectl get services -l app.kubernetes.io/instance=r," in told) == bool(left)
    assert left in told


def test_a_group_is_waited_for_by_a_command_of_its_own(chart: Chart) -> None:
    told = notes(
        chart, {"models": {"m": {**MODEL, "parallelism": GROUP, "startup": {"budgetSeconds": 1000}}}}
    )
    assert "leaderworkerset/r-m-lws: 1 replica(s) of 2 nvidia.com/gpu on 2 nodes" in told
    assert (
        "kubectl wait leaderworkerset/r-m-lws --for=condition=Available --namespace llm --timeout 1165s"
        in told
    )


def test_two_replicas_with_a_key_leave_nothing_worth_knowing(chart: Chart) -> None:
    assert advice(chart, {"replicas": 2}) == ""


ADVICE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "One replica only: m. A rollout or a node drain stops the model": ({}, {}),
    "/dev/shm (8Gi) counts against the memory limit (4Gi)": (
        {"sharedMemory": {"size": "8Gi"}, "resources": {"limits": {"memory": "4Gi"}}},
        {},
    ),
    "shutdown.preStopSeconds (5) is not longer than the 5 s": (
        {"replicas": 2, "shutdown": {"preStopSeconds": 5}},
        {},
    ),
    "without startup.budgetSeconds there is neither a startup nor a liveness probe": (
        {"startup": {"budgetSeconds": None}},
        {},
    ),
    "2 pods mount the claim c; it must be ReadWriteMany": (
        {"replicas": 2, "cache": {"type": "existingClaim", "claimName": "c"}},
        {},
    ),
    "4 pods mount the claim c; it must be ReadWriteMany": (
        {"replicas": 2, "parallelism": GROUP, "cache": {"type": "existingClaim", "claimName": "c"}},
        {},
    ),
    "models.m: needs the LeaderWorkerSet controller in the cluster": ({"parallelism": GROUP}, {}),
    "models.m: vLLM balances externally for mixture-of-experts models only": (
        {"parallelism": {"data": 2, "nodes": 2, "balancing": "external"}},
        {},
    ),
    "models.m: size, class and access modes of its claims are fixed once it exists": (
        {"cache": {"type": "perReplica", "size": "1Gi"}},
        {},
    ),
    "models.m: its Service leads to decode, which then also reads the prompts": (
        {"role": "decode", "variants": {"p": {"role": "prefill"}}},
        {},
    ),
    "A changed Secret that exists outside the release does not restart pods (hf)": (
        {},
        {"secrets": {"huggingFace": {"existingSecret": "hf"}}},
    ),
    "kvOffload takes 40 GiB of the host's memory for each engine at the start, and no memory is requested": (
        {"kvOffload": {"backend": "native", "sizeGiB": 40}},
        {},
    ),
    "nothing can put the engine to sleep while env.VLLM_SERVER_DEV_MODE does not open /sleep": (
        {"args": {"enable-sleep-mode": True}},
        {},
    ),
    "args.max-num-queued-reqs (100) counts running requests too": (
        {"args": {"max-num-queued-reqs": 100, "max-num-seqs": 128}},
        {},
    ),
    "lora.maxCpuLoras (1) is less than the 2 adapters listed": (
        {"lora": {"enabled": True, "maxCpuLoras": 1, "adapters": {"a": {"uri": "/a"}, "b": {"uri": "/b"}}}},
        {},
    ),
    "models.m: disruption lets no pod go, so that a node drain waits for ever": (
        {"replicas": 2, "disruption": {"minAvailable": 2}},
        {},
    ),
    "models.m: its Service speaks TLS; the gateway or mesh must speak it to r-m too": (
        {"tls": {"existingSecret": "certificate"}},
        {"routing": {"kind": "gateway", "gateway": {"parentRefs": [{"name": "public"}]}}},
    ),
    "models.m: service.type NodePort publishes every path of the engine": (
        {"service": {"type": "NodePort"}},
        {},
    ),
    "networkPolicy renders nothing while networkPolicy.enabled is false": (
        {},
        {"networkPolicy": {"from": [{"podSelector": {}}]}},
    ),
    "Every pod of the cluster may call the models; set secrets.apiKey": ({}, {"secrets": {}}),
    "Pods wait until these claims exist, of the namespace and not of storage.claims: cache, teams, weights. See:"
    " kubectl get pvc --namespace llm": (
        {
            "source": {"uri": "pvc://weights/m"},
            "variants": {"own": {"cache": {"type": "existingClaim", "claimName": "cache"}}, "b": TEAMS},
        },
        {"storage": {"claims": {"shared": {"existing": "teams"}}}},
    ),
    "storage.claims.models: no model refers to it; name it in source.uri (pvc://models/path)": (
        {"source": {"uri": "pvc://model/m"}},
        {"storage": {"claims": {"models": {"size": "1Gi"}}}},
    ),
    "accelerator.product H100: no name of an NVIDIA GPU begins like this": (
        {"accelerator": {"product": ["H100", "NVIDIA-L40S"]}},
        {},
    ),
    "routing.routes.llm: without a certificate keys and prompts pass in the clear; set tls.clusterIssuer": (
        {},
        {"routing": INGRESS},
    ),
    "Whoever reaches the hosts of routing.routes may ask the models; set secrets.apiKey": (
        {},
        {"routing": INGRESS, "secrets": {}},
    ),
}


def test_the_address_of_an_engine_with_a_certificate_is_https(chart: Chart) -> None:
    told = notes(chart, {"models": {"m": {**MODEL, "tls": {"existingSecret": "certificate"}}}})
    assert "https://r-m.llm:8000/v1" in told


def test_a_closed_engine_needs_no_key(chart: Chart) -> None:
    closed = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}
    assert "secrets.apiKey" not in advice(chart, {"replicas": 2}, secrets={}, **closed)


def test_nothing_is_said_of_claims_that_the_release_makes_or_of_a_route_that_is_closed(chart: Chart) -> None:
    claims = {name: {"size": "1Gi"} for name in ("models", "cache")}
    body = {
        "source": {"uri": "pvc://models/m"},
        "cache": {"type": "existingClaim", "claimName": "cache"},
        "variants": {"own": {"cache": {"type": "claim", "size": "1Gi"}}},
    }
    route = {**INGRESS["routes"]["llm"], "tls": {"clusterIssuer": "letsencrypt"}}
    closed = {**INGRESS, "routes": {"llm": route}}
    assert advice(chart, body, storage={"claims": claims}, routing=closed) == ""


def test_a_download_beside_the_pods_has_its_own_time(chart: Chart) -> None:
    def timeout(hook: bool) -> int:
        source = {"uri": "hf://o/m", "download": "job", "job": {"claim": "c", "hook": hook}}
        told = notes(chart, {"models": {"m": {"source": source, "startup": {"budgetSeconds": 1000}}}})
        return int(told.partition("--timeout ")[2].partition("s")[0])

    assert timeout(hook=False) == timeout(hook=True) + 1000


@pytest.mark.parametrize("words", ADVICE)
def test_what_should_be_known_is_told_with_the_next_step(chart: Chart, words: str) -> None:
    body, rest = ADVICE[words]
    assert words in advice(chart, body, **rest)


@pytest.mark.parametrize(("engine", "told"), [("triton", True), ("sglang", False), ("tgi", False)])
def test_an_engine_that_asks_for_no_key_is_named_beside_one(chart: Chart, engine: str, told: bool) -> None:
    line = f"models.m: engine {engine} asks nobody for secrets.apiKey here; set networkPolicy"
    assert (line in advice(chart, {"engine": engine})) == told
