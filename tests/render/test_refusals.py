"""Bad values are refused with the key, the rule and what to set: all of them at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from charttest.helm import HelmError, helm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.plugin import Chart

SOURCE = {"source": {"uri": "hf://org/model"}}


def refusal(chart: Chart, values: dict[str, Any], major: int = 4) -> str:
    with pytest.raises(HelmError) as error:
        chart.render(values, helm=helm(major))
    return error.value.output


# What is wrong in the body of one model, and the line that says so after `models.<name>`.
BODIES: list[tuple[dict[str, Any], str]] = [
    (
        {"source": {}},
        "source.uri: is missing; set hf://org/name, pvc://claim/path, oci://registry/name:tag, s3://bucket/path or an"
        " absolute path in the image",
    ),
    (
        {"source": {"uri": "gs://bucket/model"}},
        'source.uri: "gs://bucket/model" is no model source; set hf://org/name, pvc://claim/path,'
        " oci://registry/name:tag, s3://bucket/path or an absolute path in the image",
    ),
    (
        {"source": {"uri": "hf://model"}},
        'source.uri: "hf://model" is no model source; set hf://org/name, pvc://claim/path,'
        " oci://registry/name:tag, s3://bucket/path or an absolute path in the image",
    ),
    (
        {"source": {"uri": "/models/m", "revision": "main"}},
        "source.revision: only a hf:// source has revisions; remove it",
    ),
    (
        {"parallelism": {"tensor": 4, "pipeline": 2}, "accelerator": {"count": 4}},
        "accelerator.count: 4 does not equal tensor × pipeline × data = 8 of parallelism; set null to derive it",
    ),
    (
        {"parallelism": {"nodes": 2}},
        "parallelism.nodes: 2 nodes cannot share tensor × pipeline × data = 1 GPUs equally; set a divisor of it",
    ),
    (
        {"accelerator": {"product": "A", "productLabel": None}},
        "accelerator.productLabel: a product needs the node label that names it; set nvidia.com/gpu.product or the"
        " label of your GPUs",
    ),
    (
        {"rollout": {"maxSurge": 0, "maxUnavailable": 0}},
        "rollout: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxUnavailable: 1",
    ),
    (
        {"rollout": {"maxSurge": "0%", "maxUnavailable": "0%"}},
        "rollout: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set maxUnavailable: 1",
    ),
    (
        {"disruption": {"minAvailable": 1, "maxUnavailable": 0}},
        "disruption: minAvailable and maxUnavailable exclude each other; set one of them to null",
    ),
    (
        {"cache": {"type": "existingClaim"}},
        "cache.claimName: type existingClaim needs the name of a claim; set it, or type: claim to have one made",
    ),
    (
        {"cache": {"claimName": "weights"}},
        "cache.claimName: type emptyDir mounts no claim; set type: existingClaim, or remove the name",
    ),
    (
        {"cache": {"type": "claim"}},
        "cache.size: a claim needs a size; set the size of the weights and a fifth more, for example 40Gi",
    ),
    (
        {"cache": {"mountPath": "/models"}},
        "cache.mountPath: /models is taken; set a folder of its own, for example /cache",
    ),
    (
        {"cache": {"type": "claim", "size": "40Gi"}, "replicas": 2},
        "cache.accessModes: 2 pods share the claim NAME-cache, which only one node can mount; set [ReadWriteMany], or"
        " type: emptyDir, or replicas: 1",
    ),
    (
        {"podLabels": {"vllm-stack.io/model": "x"}},
        "podLabels.vllm-stack.io/model: is a label of the selector; remove it",
    ),
    (
        {"env": {"HF_TOKEN": "abc"}},
        "env.HF_TOKEN: a secret is never written into a pod; set secrets, or valueFrom",
    ),
    (
        {"extraArgs": ["--api-key", "abc"]},
        "extraArgs: --api-key would show a secret in the pod; set secrets",
    ),
    (
        {"variants": {"b": {"source": {"uri": "hf://a/b"}}}},
        "variants.b.source: variants share it, they are workloads of one model; set models.NAME.source",
    ),
    (
        {"variants": {"b": {"servedNames": ["x"]}}},
        "variants.b.servedNames: variants share it, they are workloads of one model; set models.NAME.servedNames",
    ),
    ({"args": {"port": 9000}}, "args.port: the chart sets this flag; set service.port"),
    (
        {"args": {"tensor-parallel-size": 2}},
        "args.tensor-parallel-size: the chart sets this flag; set parallelism.tensor",
    ),
    (
        {"args": {"max-modellen": 1}},
        "args.max-modellen: vllm/vllm-openai v0.33.0 has no such flag; did you mean max-model-len?",
    ),
    (
        {"args": {"max_model_len": 1}},
        "args.max_model_len: vllm/vllm-openai v0.33.0 has no such flag; write it max-model-len",
    ),
    (
        {"args": {"no-enable-prefix-caching": True}},
        "args.no-enable-prefix-caching: vllm/vllm-openai v0.33.0 has no such flag; write enable-prefix-caching: false",
    ),
    (
        {"args": {"zzz": 1}},
        "args.zzz: vllm/vllm-openai v0.33.0 has no such flag; see `vllm serve --help=all`",
    ),
    ({"args": {"enforce-eager": "yes"}}, "args.enforce-eager: is a switch; set true or false"),
    ({"args": {"max-model-len": [1]}}, "args.max-model-len: takes one value; set a text or a number"),
    (
        {"args": {"cudagraph-capture-sizes": {"a": 1}}},
        "args.cudagraph-capture-sizes: takes several values; set a list",
    ),
]
NAMED = [(f"m{number}", *case) for number, case in enumerate(BODIES)]


@pytest.fixture(scope="module", params=[3, 4], ids=["helm3", "helm4"])
def said(request: pytest.FixtureRequest, chart: Chart) -> list[str]:
    """What one render says about all of BODIES, each in a model of its own."""
    values = {"models": {name: {**SOURCE, **body} for name, body, _ in NAMED}}
    return [line.strip() for line in refusal(chart, values, request.param).splitlines()]


@pytest.mark.parametrize(("name", "_body", "line"), NAMED, ids=[json.dumps(case[1]) for case in NAMED])
def test_a_bad_body_is_refused_with_key_rule_and_next_step(
    said: list[str], name: str, _body: dict[str, Any], line: str
) -> None:
    wanted = f"models.{name}.{line}".replace("models.NAME", f"models.{name}").replace("NAME", f"r-{name}")
    assert [text for text in said if text.startswith(f"models.{name}.")] == [wanted]


def test_nothing_else_is_said_beside_the_refusals(said: list[str]) -> None:
    assert said[0] == "vllm-stack cannot render these values:"
    assert len(said) == 1 + len(BODIES)


BAD_NAME = (
    "the name is no DNS-1035 label (a-z, 0-9 and -, beginning with a letter, at most 63); rename it, and set"
    " servedNames to what clients ask for"
)
TWO = {"a": SOURCE, "b": SOURCE}
GATEWAY = {"parentRefs": [{"name": "public"}]}


def routes(models: dict[str, Any], **gateway: Any) -> dict[str, Any]:
    return {"kind": "gateway", "gateway": gateway or GATEWAY, "routes": {"llm": {"models": models}}}


# Values that are wrong as a whole, and everything that is said about them.
WHOLE: list[tuple[dict[str, Any], list[str]]] = [
    ({"models": {"Qwen/Qwen3-8B": SOURCE}}, [f"models.Qwen/Qwen3-8B: {BAD_NAME}"]),
    ({"models": {"9b": SOURCE}}, [f"models.9b: {BAD_NAME}"]),
    ({"models": {"a" * 64: SOURCE}}, [f"models.{'a' * 64}: {BAD_NAME}"]),
    ({"models": {"a": {**SOURCE, "variants": {"B_c": {}}}}}, [f"models.a.variants.B_c: {BAD_NAME}"]),
    (
        {"models": {"a": {**SOURCE, "variants": {"b": {}}}, "a-b": SOURCE}},
        ["models.a-b: its name r-a-b is already that of models.a.variants.b; rename one of them"],
    ),
    (
        {"defaults": {"variants": {"b": {}}}, "models": {"a": SOURCE}},
        ["defaults.variants: variants belong to one model; set models.<name>.variants"],
    ),
    (
        {
            "models": {
                "a": {**SOURCE, "cache": {"type": "claim", "claimName": "c", "size": "1Gi"}},
                "b": {**SOURCE, "cache": {"type": "claim", "claimName": "c", "size": "2Gi"}},
            }
        },
        [
            "models.b.cache: workloads that share the claim c describe it differently; set the same size,"
            " storageClassName and accessModes",
            "models.b.cache.accessModes: 2 pods share the claim c, which only one node can mount; set"
            " [ReadWriteMany], or type: emptyDir, or replicas: 1",
        ],
    ),
    (
        {"models": {"a": SOURCE}, "secrets": {"huggingFace": {"existingSecret": "s", "token": "t"}}},
        ["secrets.huggingFace: existingSecret and token exclude each other; remove the literal"],
    ),
    (
        {"models": {"a": SOURCE}, "secrets": {"apiKey": {"existingSecret": "s", "value": "t"}}},
        ["secrets.apiKey: existingSecret and value exclude each other; remove the literal"],
    ),
    (
        {
            "models": {name: {**SOURCE, "servedNames": ["llm"]} for name in TWO},
            "routing": routes({"a": {"prefix": "/a"}, "b": {"prefix": "/b"}}),
        },
        [
            "routing.routes.llm: the models a and b both serve the name llm; set another servedNames for one of"
            " them"
        ],
    ),
    (
        {"models": TWO, "routing": routes({"a": {}, "b": {}})},
        [
            'routing.routes.llm.models.b.prefix: "" is also the prefix of a; set another one, for example /b, or headers,'
            " or a weight for each"
        ],
    ),
    (
        {"models": TWO, "routing": routes({"a": {}, "c": {"prefix": "/c"}})},
        ["routing.routes.llm.models.c: no enabled model has this name; set one of: a, b"],
    ),
    (
        {"models": {"a": SOURCE, "b": {**SOURCE, "enabled": False}}, "routing": routes({"b": {}})},
        ["routing.routes.llm.models.b: no enabled model has this name; set one of: a"],
    ),
    (
        {"models": {"a": SOURCE}, "routing": routes({"a": {}}, parentRefs=[])},
        ["routing.gateway.parentRefs: kind gateway needs a Gateway; set [{name: …, namespace: …}]"],
    ),
]


@pytest.mark.parametrize(("values", "lines"), WHOLE, ids=[case[1][0].partition(":")[0] for case in WHOLE])
def test_values_that_contradict_each_other_are_refused(
    chart: Chart, values: dict[str, Any], lines: list[str]
) -> None:
    text = refusal(chart, values)
    assert [line.strip() for line in text.splitlines()] == ["vllm-stack cannot render these values:", *lines]


def maps(
    schema: dict[str, Any], root: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The path of every map of the values whose keys are fixed; a free key is called x, a model m."""
    schema = root["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if schema.get("additionalProperties") is False:
        yield path
    for key, value in schema.get("properties", {}).items():
        if path.count("variants") == 0 or key != "variants":
            yield from maps(value, root, (*path, key))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from maps(schema["additionalProperties"], root, (*path, "m"))


def nested(paths: list[tuple[str, ...]], key: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in paths:
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[key] = 1
    return values


@pytest.mark.parametrize("major", [3, 4], ids=["helm3", "helm4"])
def test_an_unknown_key_is_refused_at_every_level(chart: Chart, major: int) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text())
    paths = [path for path in maps(schema, schema) if path[-2:] != ("env", "m")]
    text = refusal(chart, nested(paths, "replicaCuont"), major)
    assert len(paths) > 40
    for path in paths:
        place = "/".join(("", *path)) if path else ""
        assert f"- at '{place}': additional properties 'replicaCuont' not allowed" in text


# A value of the wrong type or out of range, and what the schema says at its path.
TYPES: list[tuple[str, Any, str]] = [
    ("engine", "ollama", "value must be one of 'vllm', 'sglang', 'tgi', 'triton', 'custom'"),
    ("workload", "daemonset", "value must be one of 'auto', 'deployment', 'statefulset', 'leaderworkerset'"),
    ("replicas", -1, "minimum: got -1, want 0"),
    ("replicas", "two", "got string, want null or integer"),
    ("parallelism/tensor", 0, "minimum: got 0, want 1"),
    ("accelerator/count", 1.5, "got number, want null or integer"),
    ("resources/requests/memory", "16GiB", "'16GiB' does not match pattern"),
    ("sharedMemory/size", "lots", "'lots' does not match pattern"),
    ("cache/type", "nfs", "value must be one of 'emptyDir', 'claim', 'existingClaim'"),
    ("cache/mountPath", "cache", "'cache' does not match pattern '^/'"),
    ("startup/budgetSeconds", 0, "minimum: got 0, want 1"),
    ("shutdown/drainSeconds", "2m", "got string, want null or integer"),
    ("rollout/maxSurge", "half", "'half' does not match pattern"),
    ("service/port", 70000, "maximum: got 70,000, want 65,535"),
    ("image/digest", "latest", "'latest' does not match pattern"),
    ("image/pullPolicy", "Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("podLabels/team", 7, "got number, want null or string"),
    ("cost", "cheap", "'cheap' does not match pattern"),
]


def test_a_value_of_the_wrong_type_or_range_is_refused_with_its_path(chart: Chart) -> None:
    models: dict[str, Any] = {}
    for number, (path, value, _) in enumerate(TYPES):
        *parents, key = path.split("/")
        place = models.setdefault(f"m{number}", {})
        for part in parents:
            place = place.setdefault(part, {})
        place[key] = value
    text = refusal(chart, {"models": models})
    for number, (path, _, message) in enumerate(TYPES):
        lines = [line for line in text.splitlines() if f"at '/models/m{number}/{path}'" in line]
        assert lines, f"{path} is not refused:\n{text}"
        assert message in lines[0]
