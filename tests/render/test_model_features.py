"""Adapters, speculation, offloading and warm-up: what each of them adds to the engine and its pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.render.pods import engine, mounted, pod, variables

from charttest.helm import HelmError
from valuegen import EngineSettings, Gpu, Model, plan
from valuegen.speculation import parse
from valuegen.values import render

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

    from charttest.plugin import Chart
    from charttest.render import Rendered

CLAIMS = [f"PersistentVolumeClaim/{name}" for name in ("a", "models")]


def added(rendered: Rendered) -> list[str]:
    """The arguments between the chart's own and those of `args`."""
    arguments: list[str] = engine(rendered)["args"]
    return arguments[arguments.index("--shutdown-timeout=120") + 1 :]


# Adapters


def test_adapters_of_every_source_are_loaded_at_the_start(render_model: RenderModel) -> None:
    adapters = {
        "b": "pvc://a/x/y",
        "c": "/opt/c",
        "a": "hf://org/a",
        "d": "pvc://models/d",
        "e": "pvc://a/z/",
    }
    body = {
        "source": {"uri": "pvc://models/base"},
        "lora": {
            "enabled": True,
            "maxRank": 64,
            "adapters": {key: {"uri": uri} for key, uri in adapters.items()},
        },
    }
    rendered = render_model(body, external=CLAIMS)
    flags = ["--enable-lora", "--max-cpu-loras=5", "--max-lora-rank=64", "--lora-modules"]
    assert added(rendered)[:4] == flags
    paths = {"a": "org/a", "b": "/claims/a/x/y", "c": "/opt/c", "d": "/models/d", "e": "/claims/a/z"}
    assert [json.loads(text) for text in added(rendered)[4:]] == [
        {"name": name, "path": path} for name, path in paths.items()
    ]
    claims = {path: volume.get("persistentVolumeClaim") for path, volume in mounted(rendered).items()}
    assert claims["/claims/a"] == {"claimName": "a", "readOnly": True}
    assert [path for path, claim in claims.items() if claim] == ["/models", "/claims/a"]


def test_adapters_and_drafts_find_the_claims_of_the_values_as_models_do(render_model: RenderModel) -> None:
    storage = {
        "models": {"size": "1Ti", "juicefs": {"existingSecret": "juicefs"}},
        "adapters": {"existing": "team-adapters"},
        "drafts": {"size": "10Gi", "juicefs": {"existingSecret": "juicefs"}},
    }
    uris = {"a": "pvc://adapters/a", "b": "pvc://models/b", "c": "pvc://adapters/c"}
    body = {
        "source": {"uri": "pvc://models/base"},
        "lora": {"enabled": True, "adapters": {name: {"uri": uri} for name, uri in uris.items()}},
        "speculative": {"method": "eagle3", "model": "pvc://drafts/head", "numTokens": 3},
    }
    external = ["PersistentVolumeClaim/team-adapters", "Secret/juicefs"]
    rendered = render_model(body, {"storage": {"claims": storage}}, external=external)
    text = " ".join(added(rendered))
    assert [
        path for path in ("/claims/adapters/a", "/models/b", "/claims/drafts/head") if path not in text
    ] == []
    claims = {
        path: volume["persistentVolumeClaim"]["claimName"]
        for path, volume in mounted(rendered).items()
        if "persistentVolumeClaim" in volume
    }
    made = {item.name for item in rendered.find("PersistentVolumeClaim")}
    assert claims.pop("/claims/adapters") == "team-adapters"
    assert set(claims) == {"/models", "/claims/drafts"}
    assert set(claims.values()) == made
    mounts = {entry["mountPath"]: entry.get("mountPropagation") for entry in engine(rendered)["volumeMounts"]}
    assert mounts["/claims/drafts"] == "HostToContainer"
    assert mounts["/claims/adapters"] is None


def test_a_claim_of_adapters_that_one_node_can_mount_is_refused_for_two_pods(
    render_model: RenderModel,
) -> None:
    lora = {"enabled": True, "adapters": {"a": {"uri": "pvc://adapters/a"}}}
    claims = {"adapters": {"size": "1Gi", "accessModes": ["ReadWriteOnce"]}}
    with pytest.raises(HelmError) as error:
        render_model({"lora": lora, "replicas": 2}, {"storage": {"claims": claims}})
    assert (
        "storage.claims.adapters.accessModes: 2 pods mount it, which only one node can; set [ReadWriteMany], or"
        " replicas: 1" in error.value.output
    )


NAMES = st.from_regex(
    r"x([-A-Za-z0-9._/:]{0,30}[A-Za-z0-9])?", fullmatch=True
)  # bare y and 1e5 are no text to YAML
PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=30)


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(NAMES, PATHS, min_size=1, max_size=20))
def test_whatever_an_adapter_is_called_it_arrives_as_it_was_written(
    render_model: RenderModel, adapters: dict[str, str]
) -> None:
    listed = {name: {"uri": f"/{path}"} for name, path in adapters.items()}
    rendered = render_model({"servedNames": ["the model"], "lora": {"enabled": True, "adapters": listed}})
    arguments = added(rendered)
    told = [json.loads(text) for text in arguments[arguments.index("--lora-modules") + 1 :]]
    assert told == [{"name": name, "path": f"/{adapters[name]}"} for name in sorted(adapters)]


@pytest.mark.parametrize(
    ("lora", "flags"),
    [
        ({}, ["--enable-lora"]),
        ({"adapters": {"a": {"uri": "/a"}}}, ["--enable-lora", "--lora-modules", '{"name":"a","path":"/a"}']),
        ({"maxLoras": 4, "maxCpuLoras": 8}, ["--enable-lora", "--max-cpu-loras=8", "--max-loras=4"]),
        ({"enabled": False}, []),
    ],
    ids=json.dumps,
)
def test_sizes_of_adapters_are_the_engines_own_until_they_are_set(
    render_model: RenderModel, lora: dict[str, Any], flags: list[str]
) -> None:
    assert added(render_model({"lora": {"enabled": True, **lora}})) == flags


def test_a_variant_can_add_an_adapter_and_leave_one_out(render_model: RenderModel) -> None:
    rendered = render_model(
        {
            "lora": {"enabled": True, "adapters": {"a": {"uri": "/a"}, "b": {"uri": "/b"}}},
            "variants": {"v": {"lora": {"adapters": {"a": None, "c": {"uri": "/c"}}}}},
        }
    )
    arguments = engine(rendered, "r-m-v")["args"]
    assert [json.loads(text)["name"] for text in arguments if text.startswith("{")] == ["b", "c"]


def test_helm_test_asks_for_the_adapters_too(render_model: RenderModel) -> None:
    rendered = render_model({"lora": {"enabled": True, "adapters": {"a": {"uri": "/a"}}}})
    environment = {
        entry["name"]: entry["value"] for entry in rendered.one("Pod").spec["containers"][0]["env"]
    }
    assert json.loads(environment["MODELS"])["r-m:8000"]["names"] == ["m", "a"]


def test_loading_at_run_time_is_a_choice(render_model: RenderModel) -> None:
    root = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}
    switch = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
    assert switch not in variables(render_model({"lora": {"enabled": True}}, root))
    assert variables(render_model({"lora": {"enabled": True, "dynamic": True}}, root))[switch] == "1"


# Speculative decoding


def methods(chart: Chart) -> dict[str, str]:
    document = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())
    found: dict[str, str] = document["speculativeMethods"]
    return found


def test_every_method_of_the_engine_renders(chart: Chart) -> None:
    models = {}
    for method, uses in methods(chart).items():
        draft = (
            {"model": "company.Proposer" if method == "custom_class" else "hf://org/draft"}
            if uses == "model"
            else {}
        )
        models[method.replace("_", "-")] = {
            "source": {"uri": "hf://org/model"},
            "speculative": {"method": method, "numTokens": 3, **draft},
        }
    rendered = chart.render({"models": models})
    # The names that vLLM 0.33 knows (vllm/config/speculative.py), but those that it has replaced by mtp.
    known = {
        "ngram",
        "ngram_gpu",
        "draft_model",
        "suffix",
        "custom_class",
        "eagle",
        "eagle3",
        "mtp",
        "dflash",
    }
    known |= {"dspark", "extract_hidden_states"}
    assert set(methods(chart)) == known
    for method, uses in methods(chart).items():
        arguments = engine(rendered, f"r-{method.replace('_', '-')}")["args"]
        config = json.loads(arguments[-1].removeprefix("--speculative-config="))
        assert (config["method"], config["num_speculative_tokens"]) == (method, 3)
        assert ("model" in config) == (uses == "model")


def test_a_draft_from_a_claim_is_mounted_and_the_rest_is_passed_on(render_model: RenderModel) -> None:
    speculative = {
        "method": "draft_model",
        "model": "pvc://a/small",
        "numTokens": 5,
        "config": {"draft_tensor_parallel_size": 1, "quantization": None},
    }
    rendered = render_model({"speculative": speculative}, external=CLAIMS)
    assert json.loads(added(rendered)[0].removeprefix("--speculative-config=")) == {
        "method": "draft_model",
        "model": "/claims/a/small",
        "num_speculative_tokens": 5,
        "draft_tensor_parallel_size": 1,
    }
    assert mounted(rendered)["/claims/a"]["persistentVolumeClaim"]["claimName"] == "a"


# KV offload


@pytest.mark.parametrize(
    ("body", "size"),
    [
        # The buffer and the 64 MiB that a pod has without it.
        ({"kvOffload": {"sizeGiB": 40}}, "41Gi"),
        ({"kvOffload": {"sizeGiB": 0.5}}, "1Gi"),
        # Of all GPUs together, beside 664 MiB of rings and 1 GiB for NCCL.
        ({"kvOffload": {"sizeGiB": 40}, "parallelism": {"tensor": 2}}, "42Gi"),
        # Of each engine.
        ({"kvOffload": {"sizeGiB": 10}, "parallelism": {"data": 3}}, "31Gi"),
        ({"kvOffload": {"sizeGiB": 40}, "accelerator": {"resource": "amd.com/gpu"}}, None),
        ({"kvOffload": {"sizeGiB": 40}, "sharedMemory": {"size": "64Gi"}}, "64Gi"),
    ],
    ids=json.dumps,
)
def test_shared_memory_holds_the_buffer_of_every_engine(
    render_model: RenderModel, body: dict[str, Any], size: str | None
) -> None:
    rendered = render_model({**body, "kvOffload": {"backend": "native", **body["kvOffload"]}})
    assert added(rendered) == [
        "--kv-offloading-backend=native",
        f"--kv-offloading-size={body['kvOffload']['sizeGiB']}",
    ]
    volume = mounted(rendered).get("/dev/shm")
    assert (volume and volume["emptyDir"]["sizeLimit"]) == size


def test_a_server_of_lmcache_is_named_as_the_engine_wants_it(render_model: RenderModel) -> None:
    rendered = render_model({"kvOffload": {"backend": "lmcache", "server": "lmcache.caches:5556"}})
    assert json.loads(added(rendered)[0].removeprefix("--kv-transfer-config=")) == {
        "kv_connector": "LMCacheMPConnector",
        "kv_role": "kv_both",
        "kv_connector_extra_config": {"lmcache.mp.host": "tcp://lmcache.caches", "lmcache.mp.port": 5556},
    }
    assert "/dev/shm" not in mounted(rendered)


# Warm-up


def test_the_start_ends_with_the_prompts(render_model: RenderModel) -> None:
    body = {
        "servedNames": ["llm", "alias"],
        "parallelism": {"data": 2},
        "startup": {"budgetSeconds": 603},
        "warmup": {"prompts": ["Be brief.", {"messages": []}], "timeoutSeconds": 90},
    }
    rendered = render_model(body)
    probe = engine(rendered)["startupProbe"]
    assert probe == {
        "exec": {"command": ["python3", "/etc/vllm-stack/warm_up.py"]},
        "periodSeconds": 5,
        "timeoutSeconds": 90,
        "failureThreshold": 121,
    }
    data = rendered.one("ConfigMap")["data"]
    assert mounted(rendered)["/etc/vllm-stack"]["configMap"] == {"name": rendered.one("ConfigMap").name}
    assert json.loads(data["warm_up.json"]) == {
        "url": "http://127.0.0.1:8000",
        "health": "/health",
        "model": "llm",
        "ranks": 2,
        "prompts": ["Be brief.", {"messages": []}],
    }
    assert data["warm_up.py"].startswith('"""Asks the engine of this pod every prompt')


def test_other_prompts_roll_the_pods(render_model: RenderModel) -> None:
    one, two = (render_model({"warmup": {"prompts": [text]}}) for text in ("a", "b"))
    assert (
        one.one("Deployment").spec["template"]["metadata"]
        != two.one("Deployment").spec["template"]["metadata"]
    )


def test_what_is_off_leaves_nothing_behind(render_model: RenderModel) -> None:
    rendered = render_model()
    assert added(rendered) == []
    assert list(mounted(rendered)) == ["/cache", "/tmp"]
    assert rendered.names() == {"Deployment/r-m", "Service/r-m", "ServiceAccount/r-engine", "Pod/r-test"}
    assert len(pod(rendered)["containers"]) == 1


@pytest.mark.parametrize("section", ["lora", "speculative", "kvOffload", "warmup", "tls"])
def test_a_whole_feature_can_be_null(render_model: RenderModel, section: str) -> None:
    assert added(render_model({section: None})) == []


def test_the_features_that_valuegen_writes_reach_the_engine(chart: Chart) -> None:
    asked = EngineSettings(
        enable_lora=True,
        max_lora_rank=32,
        kv_offloading_size=8,
        speculative_config=parse('{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}'),
    )
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("H100")], asked)
    args = engine(chart.render(render(made, made.ranked[0]).data))["args"]
    drafts = next(text for text in args if text.startswith("--speculative-config="))
    assert asked.speculative_config is not None
    assert json.loads(drafts.partition("=")[2]) == json.loads(asked.speculative_config.text)
    assert {"--enable-lora", "--max-lora-rank=32", "--kv-offloading-size=8"} <= set(args)
