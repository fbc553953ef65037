"""Features, security and extensions that contradict each other are refused with the key, the rule and what to set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.test_refusals import refusal

if TYPE_CHECKING:
    from charttest.plugin import Chart

SOURCE = {"source": {"uri": "hf://org/model"}}
METHODS = "custom_class, dflash, draft_model, dspark, eagle, eagle3, extract_hidden_states, mtp, ngram, ngram_gpu, suffix"
FORMS = "set hf://org/name, pvc://claim/path or a path in the image"
NATIVE = {"backend": "native", "sizeGiB": 40}


def lora(**keys: Any) -> dict[str, Any]:
    return {"lora": {"enabled": True, **keys}}


def speculative(**keys: Any) -> dict[str, Any]:
    return {"speculative": {"method": "ngram", "numTokens": 3, **keys}}


# What is wrong in the body of one model, and the line that says so after `models.<name>`.
BODIES: list[tuple[dict[str, Any], str]] = [
    (
        {"engine": "tgi", "kvOffload": {"backend": "native", "sizeGiB": 8}, "args": {"max-input-tokens": 8}},
        "kvOffload: engine tgi has no setting for it here; remove it, write the engine's own flags in args, or set"
        " engine: vllm",
    ),
    (
        {"lora": {"adapters": {"a": {"uri": "/a"}}}},
        "lora.enabled: is false, so that nothing takes the adapters; set true, or lora: null",
    ),
    (
        lora(adapters={"a": {"uri": "s3://bucket/a"}}),
        'lora.adapters.a.uri: "s3://bucket/a" is no source of an adapter; set hf://org/name, pvc://claim/path or an'
        " absolute path in the image",
    ),
    (
        lora(adapters={"a": {"uri": "pvc://claim"}}),
        'lora.adapters.a.uri: "pvc://claim" is no source of an adapter; set hf://org/name, pvc://claim/path or an'
        " absolute path in the image",
    ),
    (
        {**lora(adapters={"llm": {"uri": "/a"}}), "servedNames": ["model", "llm"]},
        "lora.adapters.llm: the model itself is served under this name; rename the adapter",
    ),
    (
        lora(maxLoras=4, maxCpuLoras=2),
        "lora.maxCpuLoras: 2 is less than maxLoras: 4, all of which are kept; set at least that",
    ),
    (
        lora(dynamic=True),
        "lora.dynamic: POST /adapters loads any path for whoever reaches the pod, with any key or none; set"
        " networkPolicy.enabled and networkPolicy.from, or list the adapters",
    ),
    (
        {**lora(), "args": {"max-lora-rank": 8}},
        "args.max-lora-rank: is already said by lora; set lora.maxRank, or remove lora",
    ),
    (
        {"env": {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": 1}},
        "env.VLLM_ALLOW_RUNTIME_LORA_UPDATING: the chart sets this variable; set lora.dynamic",
    ),
    (
        {"env": {"VLLM_SERVER_DEV_MODE": 1}},
        "env.VLLM_SERVER_DEV_MODE: opens /sleep, /collective_rpc and others to whoever reaches the pod, with any key or"
        " none; set networkPolicy.enabled and networkPolicy.from",
    ),
    (
        {"speculative": {"model": "hf://a/b"}},
        f"speculative.method: is missing, so that nothing uses the rest; set one of: {METHODS}",
    ),
    (
        speculative(method="medusa"),
        f'speculative.method: "medusa" is no method of vllm/vllm-openai v0.33.0; set one of: {METHODS}',
    ),
    (
        speculative(method="qwen3_next_mtp"),
        'speculative.method: "qwen3_next_mtp" was one of the names of mtp; set mtp',
    ),
    (
        speculative(method="eagle3"),
        f"speculative.model: eagle3 needs a model that drafts; {FORMS}",
    ),
    (
        speculative(model="hf://a/b"),
        "speculative.model: ngram drafts without a model; remove it",
    ),
    (
        speculative(method="eagle", model="a/b"),
        f'speculative.model: "a/b" is no source of a model; {FORMS}',
    ),
    (
        speculative(numTokens=None),
        "speculative.numTokens: ngram does not say how long a draft is; set it, for example 3",
    ),
    (
        speculative(method="mtp", numTokens=None),
        "speculative.numTokens: mtp does not say how long a draft is; set it, for example 3",
    ),
    (
        speculative(config={"num_speculative_tokens": 5}),
        "speculative.config.num_speculative_tokens: is not set here; set speculative.numTokens",
    ),
    (
        speculative(config={"tensor_parallel_size": 2}),
        "speculative.config.tensor_parallel_size: is not set here; set draft_tensor_parallel_size beside it",
    ),
    (
        {**speculative(config={"draft_tensor_parallel_size": 2}), "parallelism": {"tensor": 4}},
        "speculative.config.draft_tensor_parallel_size: 2 is neither 1 nor parallelism.tensor: 4; set one of them",
    ),
    (
        speculative(config={"prompt_lookup_min": 5, "prompt_lookup_max": 2}),
        "speculative.config.prompt_lookup_min: 5 is above prompt_lookup_max: 2; set at most that",
    ),
    (
        {**speculative(), "args": {"speculative-config.method": "suffix"}},
        "args.speculative-config.method: is already said by speculative; set speculative.config, or remove speculative",
    ),
    (
        {"kvOffload": {"sizeGiB": 4}},
        "kvOffload.sizeGiB: nothing offloads, backend is empty; set backend: native or lmcache",
    ),
    (
        {"kvOffload": {"backend": "native"}},
        "kvOffload.sizeGiB: backend native needs the size of its buffer; set the GiB that the node can spare",
    ),
    (
        {"kvOffload": {**NATIVE, "server": "a:1"}},
        "kvOffload.server: backend native does not use it; remove it",
    ),
    (
        {"kvOffload": {"backend": "lmcache"}},
        "kvOffload.server: backend lmcache keeps the cache in a server of its own; set its host:port, or localhost:5555"
        " and the server in extraContainers",
    ),
    (
        {"kvOffload": NATIVE, "accelerator": {"resource": ""}},
        'kvOffload.backend: native moves KV cache out of a GPU, and accelerator.resource asks for none; set backend: ""',
    ),
    (
        {"kvOffload": NATIVE, "resources": {"requests": {"memory": "40Gi"}}},
        "resources.requests.memory: 40Gi does not hold the buffer of kvOffload, 40 GiB, which is taken at the start;"
        " raise it, or lower kvOffload.sizeGiB",
    ),
    (
        {"kvOffload": NATIVE, "resources": {"limits": {"memory": 16000000000}}},
        "resources.limits.memory: 16000000000 does not hold the buffer of kvOffload, 40 GiB, which is taken at the"
        " start; raise it, or lower kvOffload.sizeGiB",
    ),
    (
        {"kvOffload": NATIVE, "sharedMemory": {"size": "8Gi"}},
        "sharedMemory.size: 8Gi does not hold the buffer of kvOffload, 40960 MiB; set null to derive it",
    ),
    (
        {"kvOffload": NATIVE, "args": {"kv-offloading-size": 4}},
        "args.kv-offloading-size: is already said by kvOffload; set kvOffload.sizeGiB, or remove kvOffload",
    ),
    (
        {"kvOffload": NATIVE, "sharedMemory": {"size": 0}},
        "sharedMemory.size: 0 does not hold the buffer of kvOffload, 40960 MiB; set null to derive it",
    ),
    (
        {"kvOffload": NATIVE, "extraArgs": ['--kv-transfer-config={"kv_connector":"NixlConnector"}']},
        "kvOffload.backend: --kv-transfer-config says how KV cache is moved already, and the engine has one way; remove"
        ' it, or set backend: ""',
    ),
    (
        {"warmup": {"prompts": ["a"]}, "startup": {"budgetSeconds": None}},
        "warmup.prompts: the startup probe asks them, and without startup.budgetSeconds there is none; set it",
    ),
    (
        {"warmup": {"prompts": ["a"]}, "args": {"enable-prefix-caching": False}},
        "warmup.prompts: they warm the prefix cache, which args.enable-prefix-caching: false turns off; remove one of"
        " them",
    ),
    (
        {"args": {"enable-auto-tool-choice": True}},
        "args.enable-auto-tool-choice: needs the parser of the model's calls; set tool-call-parser, for example hermes",
    ),
    (
        {"args": {"enable-log-outputs": True}},
        "args.enable-log-outputs: needs enable-log-requests; set it to true",
    ),
    (
        {"args": {"enable-sleep-mode": True}, "accelerator": {"resource": ""}},
        "args.enable-sleep-mode: frees the memory of a GPU, and accelerator.resource asks for none; remove it",
    ),
    (
        {"args": {"max-num-active-seqs": 64, "max-num-seqs": 32}},
        "args.max-num-active-seqs: 64 is above max-num-seqs: 32; set at most that",
    ),
    (
        {"args": {"max-num-queued-reqs": 0}},
        "args.max-num-queued-reqs: counts running requests too, so that 0 refuses all of them; set max-num-seqs and the"
        " queue you allow",
    ),
    (
        {"args": {"scheduling-policy": "fair"}},
        'args.scheduling-policy: vllm/vllm-openai v0.33.0 knows no "fair"; set one of: fcfs, priority',
    ),
    (
        {"args": {"structured-outputs-config.backend": "lark"}},
        'args.structured-outputs-config.backend: vllm/vllm-openai v0.33.0 knows no "lark"; set one of: auto, xgrammar,'
        " guidance, outlines, lm-format-enforcer",
    ),
    ({"args": {"ssl-keyfile": "/k"}}, "args.ssl-keyfile: the chart sets this flag; set tls.existingSecret"),
    (
        {"variants": {"v": {"tls": {"existingSecret": "s"}}}},
        "variants.v.tls: variants share it, they are workloads of one model; set models.NAME.tls",
    ),
    (
        {"scheduling": {"spot": {"noticeSeconds": 120}}},
        "scheduling.spot.noticeSeconds: shutdown.preStopSeconds and drainSeconds are 135 s together, and the node is gone"
        " after 120 s; set them so that they end before",
    ),
    (
        {"extraContainers": [{"name": "engine", "image": "i"}]},
        "extraContainers: the name engine is taken by the engine's container; set another name",
    ),
    (
        {"extraContainers": [{"name": "a", "image": "i"}], "initContainers": [{"name": "a", "image": "i"}]},
        "initContainers: the name a is taken by another of extraContainers; set another name",
    ),
    (
        {"extraVolumes": [{"name": "cache", "emptyDir": {}}]},
        "extraVolumes: the name cache is taken by the chart; set another name",
    ),
    (
        {"extraVolumes": [{"name": "tls", "emptyDir": {}}], "tls": {"existingSecret": "s"}},
        "extraVolumes: the name tls is taken by the chart; set another name",
    ),
    (
        {"extraVolumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]},
        "extraVolumes: the name a is taken; set another name",
    ),
    (
        {"extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]},
        "extraVolumeMounts: a is no volume of the pod; add it to extraVolumes",
    ),
    (
        {"extraVolumeMounts": [{"name": "cache", "mountPath": "/tmp/"}]},
        "extraVolumeMounts: /tmp/ is taken; set a folder of its own",
    ),
    (
        {"podSpec": {"volumes": []}},
        "podSpec.volumes: the chart sets this field; set extraVolumes",
    ),
    (
        {"podSpec": {"terminationGracePeriodSeconds": 5}},
        "podSpec.terminationGracePeriodSeconds: the chart sets this field; set shutdown.drainSeconds",
    ),
    (
        {"workloadLabels": {"app.kubernetes.io/name": "x"}},
        "workloadLabels.app.kubernetes.io/name: the object has this label already; remove it",
    ),
    (
        {"service": {"labels": {"vllm-stack.io/model": "x"}}},
        "service.labels.vllm-stack.io/model: the object has this label already; remove it",
    ),
]
NAMED = [(f"m{number}", *case) for number, case in enumerate(BODIES)]


@pytest.fixture(scope="module", params=[3, 4], ids=["helm3", "helm4"])
def said(request: pytest.FixtureRequest, chart: Chart) -> list[str]:
    """What one render says about all of BODIES, each in a model of its own."""
    values = {"models": {name: {**SOURCE, **body} for name, body, _ in NAMED}}
    return [line.strip() for line in refusal(chart, values, request.param).splitlines()]


@pytest.mark.parametrize(("name", "_body", "line"), NAMED, ids=[json.dumps(case[1]) for case in NAMED])
def test_a_feature_that_cannot_work_is_refused_with_key_rule_and_next_step(
    said: list[str], name: str, _body: dict[str, Any], line: str
) -> None:
    wanted = f"models.{name}.{line}".replace("NAME", name)
    assert [text for text in said if text.startswith(f"models.{name}.")] == [wanted]


def test_nothing_else_is_said_beside_the_refusals(said: list[str]) -> None:
    assert len(said) == 1 + len(BODIES)


@pytest.mark.parametrize("flag", ["tool-call-parser", "reasoning-parser"])
def test_a_parser_is_one_that_the_engine_or_a_plugin_brings(chart: Chart, flag: str) -> None:
    document = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())
    known, plugin = document["choices"][flag].split(), document["plugins"][flag]
    text = refusal(chart, {"models": {"m": {**SOURCE, "args": {flag: "herms"}}}})
    assert (
        f'models.m.args.{flag}: vllm/vllm-openai v0.33.0 knows no "herms"; set one of: {", ".join(known)}'
        in text
    )
    models: dict[str, Any] = {
        f"m{number}": {**SOURCE, "args": {flag: name}} for number, name in enumerate(known)
    }
    models["plugin"] = {**SOURCE, "args": {flag: "herms", plugin: "/opt/parser.py"}}
    assert len(chart.render({"models": models}).find("Deployment")) == len(known) + 1


DYNAMIC = {**SOURCE, **lora(dynamic=True)}
CLOSED = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}
UNGUARDED = "models.m.lora.dynamic: the model is published, and /v1/load_lora_adapter with it; set secrets.apiKey, or list the adapters"
GATEWAY = {
    "kind": "gateway",
    "gateway": {"parentRefs": [{"name": "public"}]},
    "routes": {"llm": {"models": {"m": {}}}},
}
# Values that are wrong as a whole, and everything that is said about them.
WHOLE: list[tuple[dict[str, Any], list[str]]] = [
    ({"models": {"m": DYNAMIC}, "routing": GATEWAY, **CLOSED}, [UNGUARDED]),
    ({"models": {"m": {**DYNAMIC, "service": {"type": "LoadBalancer"}}}, **CLOSED}, [UNGUARDED]),
    (
        {"models": {"m": {**DYNAMIC, "parallelism": {"data": 2}}}, **CLOSED},
        [
            "models.m.lora.dynamic: vLLM starts 2 servers, each of which would know other adapters, and refuses that; set"
            " args.api-server-count: 1"
        ],
    ),
    (
        {"models": {"m": SOURCE}, "networkPolicy": {"enabled": True}},
        [
            "networkPolicy.from: is empty, so that nobody could call the models; set peers, for example [{podSelector: {}}]"
            " for every pod of the namespace"
        ],
    ),
    (
        {
            "models": {"m": SOURCE},
            "commonLabels": {"app.kubernetes.io/instance": "x", "vllm-stack.io/role": "z"},
        },
        [
            "commonLabels.app.kubernetes.io/instance: is a label of the chart; remove it",
            "commonLabels.vllm-stack.io/role: is a label of the chart; remove it",
        ],
    ),
]


@pytest.mark.parametrize(("values", "lines"), WHOLE, ids=[case[1][0] for case in WHOLE])
def test_values_that_contradict_each_other_are_refused(
    chart: Chart, values: dict[str, Any], lines: list[str]
) -> None:
    text = refusal(chart, values)
    assert [line.strip() for line in text.splitlines()] == ["vllm-stack cannot render these values:", *lines]


def test_what_is_guarded_renders(chart: Chart) -> None:
    key = {"secrets": {"apiKey": {"value": "k"}}}
    for values in (
        {"models": {"m": DYNAMIC}, "routing": GATEWAY, **CLOSED, **key},
        {"models": {"m": {**DYNAMIC, "parallelism": {"data": 2}, "args": {"api-server-count": 1}}}, **CLOSED},
        {"models": {"m": {**SOURCE, "env": {"VLLM_SERVER_DEV_MODE": 1}}}, **CLOSED},
    ):
        assert chart.render(values).find("NetworkPolicy")


# A value of the wrong type or out of range, and what the schema says at its path.
TYPES: list[tuple[str, Any, str]] = [
    ("lora/maxRank", 24, "value must be one of 1, 8, 16, 32, 64, 128, 256, 320, 512"),
    ("lora/maxLoras", 0, "minimum: got 0, want 1"),
    ("lora/adapters/a", {}, "missing property 'uri'"),
    ("speculative/numTokens", 0, "minimum: got 0, want 1"),
    ("kvOffload/backend", "redis", "value must be one of '', 'native', 'lmcache'"),
    ("kvOffload/sizeGiB", 0, "exclusiveMinimum: got 0, want 0"),
    ("kvOffload/server", "tcp://a:1", "'tcp://a:1' does not match pattern"),
    ("warmup/prompts/0", "", "minLength: got 0, want 1"),
    ("scheduling/spread", True, "value must be one of 'none', 'hostname', 'zone'"),
    ("scheduling/antiAffinity", "rack", "value must be one of '', 'hostname', 'zone'"),
    ("extraContainers/0", {}, "missing property 'name'"),
    ("extraVolumeMounts/0", {"name": "a"}, "missing property 'mountPath'"),
]


def test_a_value_of_the_wrong_type_or_range_is_refused_with_its_path(chart: Chart) -> None:
    models: dict[str, Any] = {}
    for number, (path, value, _) in enumerate(TYPES):
        first, *keys = path.split("/")
        inner = value
        for key in reversed(keys):
            inner = [inner] if key == "0" else {key: inner}
        models[f"m{number}"] = {first: inner}
    text = refusal(chart, {"models": models})
    for number, (path, _, message) in enumerate(TYPES):
        lines = [line for line in text.splitlines() if f"at '/models/m{number}/{path}'" in line]
        assert lines, f"{path} is not refused:\n{text}"
        assert message in lines[0]
