"""`check` finds in a values file exactly what is wrong with it, and nothing in what `values` writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.checking import KEY, ROOT, checked, good

from valuegen import EngineSettings, Gpu, GpuOffer, Model, UsageError, fit, plan
from valuegen.autoscaling import Mode, Scaler
from valuegen.catalog.gpus import all_gpus
from valuegen.catalog.models import CatalogModel, all_models
from valuegen.checks import RULES
from valuegen.checks.schema import violations
from valuegen.profiles import PROFILES
from valuegen.values import render
from valuegen.weights import checkpoint_bytes

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"models.{KEY}"
MODES: list[Mode | None] = [None, "hpa", "keda", "wva"]


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """What `values` writes for a model, GPU and load that some plan carries."""
    model = Model.load(draw(st.sampled_from([entry.name for entry in all_models()])))
    asked = EngineSettings(
        max_model_len=draw(st.sampled_from([None, 2048, 4096, 5000])),
        max_num_seqs=draw(st.sampled_from([None, 1, 100, 256])),
        kv_cache_dtype=draw(st.sampled_from([None, "auto", "fp8"])),
        enforce_eager=draw(st.sampled_from([None, True, False])),
        enable_prefix_caching=draw(st.sampled_from([None, True, False])),
        tensor_parallel_size=draw(st.sampled_from([None, None, 1, 2, 8])),
        data_parallel_size=draw(st.sampled_from([None, None, 2])),
        gpu_memory_utilization=draw(st.sampled_from([None, 0.9])),
    )
    offers = [GpuOffer(draw(st.sampled_from(all_gpus())))]
    profile = draw(st.sampled_from([None, *PROFILES]))
    made = plan(model, offers, asked, concurrency=draw(st.integers(1, 500)), profile=profile)
    if not made.ranked:
        made = plan(model, concurrency=draw(st.integers(1, 500)), profile=profile)
    mode = draw(st.sampled_from(MODES))
    scaler = Scaler(mode) if mode else None
    return render(made, draw(st.sampled_from(made.ranked)), scaler=scaler).data


@settings(max_examples=60, deadline=None)
@given(plans())
def test_what_values_writes_passes_check_and_the_charts_schema(data: dict[str, Any]) -> None:
    report = checked(data)
    assert report.findings == ()
    assert list(violations(data)) == []
    assert all(result is not None and result.fits for result in report.models.values())


@pytest.mark.parametrize("entry", all_models(), ids=lambda entry: entry.name)
def test_every_model_of_the_catalogue_fits_somewhere_and_its_values_pass(entry: CatalogModel) -> None:
    model, gpu = Model.load(entry.name), Gpu.find("B300")
    room = 0.75 * gpu.memory_bytes  # beside it: buffers, and a cache
    size = next(size for size in (1, 2, 4, 8) if checkpoint_bytes(model.config) < size * room)
    made = plan(model, [gpu], EngineSettings(tensor_parallel_size=size, max_num_seqs=128), concurrency=1)
    assert made.ranked, made.rejected[0].rejected
    assert checked(render(made, made.ranked[0]).data).findings == ()


@pytest.mark.parametrize("name", ["A100-MIG-3g.40gb", "H200-MIG-1g.35gb", "MI210", "MI300X"])
def test_values_for_slices_and_amd_pass(name: str) -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find(name)], EngineSettings(max_num_seqs=64))
    report = checked(render(made, made.ranked[0]).data)
    assert report.findings == ()
    assert [result.gpu.name for result in report.models.values() if result] == [Gpu.find(name).name]


def scaled(limits: dict[str, Any] | None = None, **metrics: float) -> dict[str, Any]:
    """A model that KEDA scales by these metrics."""
    return {"replicas": None, "autoscaling": {"mode": "keda", "metrics": metrics, **(limits or {})}}


# What is changed in the good values -> the findings: id, level, path below the model, part of the text.
BROKEN: dict[str, tuple[dict[str, Any], list[tuple[str, str, str, str]]]] = {
    "a key that the chart does not have": (
        {"replicaCuont": 2},
        [("schema", "error", "replicaCuont", "did you mean replicas?")],
    ),
    "a value of another type": (
        {"replicas": "two"},
        [("schema", "error", "replicas", "'two' is not of type")],
    ),
    "weights on a volume": (
        {"source": {"uri": "pvc://claim/x"}},
        [("unknown-model", "unknown", "source.uri", "--model qwen3-8b=MODEL")],
    ),
    "no source": ({"source": {"uri": None}}, [("unknown-model", "error", "source.uri", "set hf://org/name")]),
    "a GPU that is not known": (
        {"accelerator": {"product": "NVIDIA-L40X"}},
        [("unknown-gpu", "unknown", "accelerator.product", "did you mean NVIDIA-L40?")],
    ),
    "no GPU product": (
        {"accelerator": {"product": ""}},
        [("unknown-gpu", "unknown", "accelerator.product", "valuegen gpus")],
    ),
    "a CPU": (
        {"accelerator": {"resource": ""}},
        [("unknown-gpu", "unknown", "accelerator.resource", "engines on CPU are not judged")],
    ),
    "a slice of a GPU that is not known": (
        {"accelerator": {"resource": "nvidia.com/mig-9g.99gb"}},
        [("unknown-gpu", "unknown", "accelerator.product", "NVIDIA-L40S-MIG-9g.99gb: no such GPU")],
    ),
    "a slice that is asked for as a whole GPU": (
        {
            "accelerator": {
                "product": "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb",
                "resource": "nvidia.com/mig-3g.40gb",
            },
            "parallelism": {"tensor": 1},
        },
        [
            (
                "accelerator-resource",
                "error",
                "accelerator.resource",
                "offer nvidia.com/gpu, not nvidia.com/mig",
            )
        ],
    ),
    "an AMD GPU under NVIDIA's names": (
        {"accelerator": {"product": "AMD_Instinct_MI300X_OAM"}},
        [
            ("accelerator-resource", "error", "accelerator.productLabel", "set amd.com/gpu.product-name"),
            (
                "accelerator-resource",
                "error",
                "accelerator.resource",
                "offer amd.com/gpu, not nvidia.com/gpu",
            ),
        ],
    ),
    "a tag without a version": (
        {"image": {"tag": "nightly"}},
        [("unknown-version", "unknown", "image.tag", "judged as vLLM 0.33.0")],
    ),
    "a digest without a tag": (
        {"image": {"digest": "sha256:" + "0" * 64}},
        [("unknown-version", "unknown", "image.digest", "set image.tag too")],
    ),
    "a vLLM that is too old": (
        {"image": {"tag": "v0.8.5"}},
        [("unknown-version", "unknown", "image.tag", "0.8.5: valuegen knows")],
    ),
    "memory that is not counted": (
        {"args": {"num-gpu-blocks-override": 100}},
        [("uncounted-flag", "unknown", "args.num-gpu-blocks-override", "is not counted")],
    ),
    "a GPU that is too small": (
        {"args": {"gpu-memory-utilization": 0.2}},
        [("does-not-fit", "error", "", "GiB are needed")],
    ),
    "sizes that vLLM refuses": (
        {"args": {"max-num-batched-tokens": 100}},
        [("refused", "error", "args.max-num-batched-tokens", "use args.max-num-batched-tokens 256 or more")],
    ),
    "a flag of an old vLLM": (
        {"extraArgs": ["--swap-space", "4"]},
        [("unknown-flag", "error", "extraArgs.0", "0.17.1 was the last; remove it; --kv-offloading-size")],
    ),
    "a flag of an old vLLM in args": (
        {"args": {"guided-decoding-backend": "xgrammar"}},
        [
            (
                "unknown-flag",
                "error",
                "args.guided-decoding-backend",
                "write --structured-outputs-config.backend",
            )
        ],
    ),
    "a misspelt flag": (
        {"extraArgs": ["--seed", "1", "--max-num-sequences=5"]},
        [("unknown-flag", "error", "extraArgs.2", "did you mean --max-num-seqs?")],
    ),
    "a switch in its negative form in args": (
        {"args": {"no-enable-prefix-caching": True}},
        [("unknown-flag", "error", "args.no-enable-prefix-caching", "write enable-prefix-caching: false")],
    ),
    "an abbreviated flag": (
        {"extraArgs": ["--enable-force=1", "--enable-force-inc"]},
        [
            ("flag-value", "error", "extraArgs.0", "is a switch and takes no value"),
            ("unknown-flag", "warning", "extraArgs.1", "write --enable-force-include-usage"),
        ],
    ),
    "a flag that may mean several": (
        {"extraArgs": ["--max-num-batch", "1", "--max-num", "5"]},
        [
            ("unknown-flag", "warning", "extraArgs.0", "write --max-num-batched-tokens"),
            ("refused", "error", "args.max-num-batched-tokens", "is less than"),
            ("contradiction", "warning", "extraArgs.0", "overrules args.max-num-batched-tokens"),
            ("unknown-flag", "error", "extraArgs.2", "may mean --max-num-active-seqs or"),
        ],
    ),
    "two words in one": (
        {"extraArgs": ["--seed 1"]},
        [("unknown-flag", "error", "extraArgs.0", "write --seed=1")],
    ),
    "a word of no flag": (
        {"extraArgs": ["--seed=1", "2"]},
        [("unknown-flag", "error", "extraArgs.1", "'2' belongs to no flag")],
    ),
    "a value that is none of a flag's": (
        {"extraArgs": ["--max-lora-rank", "24"]},
        [("flag-value", "error", "extraArgs.0", "use 1, 8, 16, 32")],
    ),
    "a flag without its value": (
        {"extraArgs": ["--seed", "--max-lora-rank=8"]},
        [("flag-value", "error", "extraArgs.0", "has no value")],
    ),
    "JSON that is none": (
        {"extraArgs": ["--eplb-config", "a=2"]},
        [("flag-value", "error", "extraArgs.0", "'a=2' is no JSON")],
    ),
    "a switch with a number": (
        {"args": {"enable-log-requests": 1}},
        [("flag-value", "error", "args.enable-log-requests", "is a switch, not 1")],
    ),
    "a length in words": (
        {"args": {"max-model-len": "long"}},
        [("flag-value", "error", "args.max-model-len", "'long' is no number")],
    ),
    "a port": ({"extraArgs": ["--port=9000"]}, [("owned-flag", "error", "extraArgs.0", "set service.port")]),
    "parallelism in args": (
        {"args": {"tensor-parallel-size": 2}},
        [("owned-flag", "error", "args.tensor-parallel-size", "set parallelism.tensor")],
    ),
    "parallelism said twice": (
        {"extraArgs": ["-tp", "4"]},
        [("contradiction", "error", "extraArgs.0", "-tp 4 contradicts parallelism.tensor: 2")],
    ),
    "experts said twice": (
        {"extraArgs": ["-ep"]},
        [("contradiction", "error", "extraArgs.0", "-ep contradicts parallelism.expert: false")],
    ),
    "a revision said twice": (
        {"extraArgs": ["--revision=main"]},
        [("contradiction", "error", "extraArgs.0", '--revision main contradicts source.revision: ""')],
    ),
    "a flag said twice": (
        {"extraArgs": ["--max-num-seqs=200"]},
        [("contradiction", "warning", "extraArgs.0", "overrules args.max-num-seqs, which says 256")],
    ),
    "a shorter drain said twice": (
        {"extraArgs": ["--shutdown-timeout=5"]},
        [("contradiction", "error", "extraArgs.0", "contradicts shutdown.drainSeconds: 210")],
    ),
    "a flag without the one it needs": (
        {"args": {"enable-auto-tool-choice": True}},
        [("flag-conflict", "error", "args.enable-auto-tool-choice", "set tool-call-parser")],
    ),
    "two flags that exclude each other": (
        {"args": {"enable-per-request-metrics": True, "disable-log-stats": True}},
        [
            (
                "flag-conflict",
                "error",
                "args.enable-per-request-metrics",
                "refuses it with --disable-log-stats",
            )
        ],
    ),
    "a key of a JSON flag and its short form": (
        {"extraArgs": ["--attention-backend=FLASH_ATTN", "--attention-config.backend", "FLASHINFER"]},
        [("flag-conflict", "error", "extraArgs.0", "--attention-config says backend too")],
    ),
    "numbers in the wrong order": (
        {"args": {"max-loras": 8, "max-cpu-loras": 4}},
        [("flag-conflict", "error", "args.max-loras", "8 is more than --max-cpu-loras 4")],
    ),
    "a threshold above the length": (
        {"args": {"long-prefill-token-threshold": 9000}},
        [("flag-conflict", "error", "args.long-prefill-token-threshold", "lower it to 8192")],
    ),
    "whole prompts in small batches": (
        {"args": {"enable-chunked-prefill": False}},
        [("flag-conflict", "error", "args.enable-chunked-prefill", "set max-num-batched-tokens to 8192")],
    ),
    "balanced experts without expert parallelism": (
        {"args": {"enable-elastic-ep": True}},
        [("flag-conflict", "error", "args.enable-elastic-ep", "set enable-eplb")],
    ),
    "another GPU count": (
        {"accelerator": {"count": 3}},
        [("gpu-count", "error", "accelerator.count", "parallelism, 2")],
    ),
    "GPUs in resources": (
        {"resources": {"limits": {"nvidia.com/gpu": 2}}},
        [("gpu-count", "error", "resources.limits.nvidia.com/gpu", "asks for the GPUs itself")],
    ),
    "nodes that do not share the GPUs equally": (
        {"parallelism": {"nodes": 4}},
        [("gpu-count", "error", "parallelism.nodes", "4 nodes cannot share 2 GPUs equally")],
    ),
    "an engine that is not known": (
        {"engine": "sglang", "args": {"context-length": 4096}},
        [("other-engine", "unknown", "engine", "sglang: only vLLM's flags and memory are known")],
    ),
    "another GPU count on two nodes": (
        {"parallelism": {"nodes": 2}, "accelerator": {"count": 2}},
        [("gpu-count", "error", "accelerator.count", "tensor x pipeline x data / nodes of parallelism, 1")],
    ),
    "more GPUs than a node has": (
        {"parallelism": {"pipeline": 6}, "sharedMemory": None, "resources": None},
        [("gpus-per-node", "warning", "parallelism", "12 x L40S")],
    ),
    "no room for the message rings": (
        {"sharedMemory": {"size": "512Mi"}},
        [("shared-memory", "error", "sharedMemory.size", "664 MiB")],
    ),
    "the runtime's own shared memory": (
        {"sharedMemory": {"size": "0"}},
        [("shared-memory", "error", "sharedMemory.size", "64 MiB of /dev/shm")],
    ),
    "no room for NCCL": (
        {"sharedMemory": {"size": "1Gi"}},
        [("shared-memory", "warning", "sharedMemory.size", "set 1688Mi")],
    ),
    "a low memory limit": (
        {"resources": {"requests": None, "limits": {"memory": "10Gi"}}},
        [("memory-limit", "warning", "resources.limits.memory", "10Gi is less than")],
    ),
    "a memory limit below shared memory": (
        {"resources": {"requests": None, "limits": {"memory": "1G"}}},
        [("memory-limit", "error", "resources.limits.memory", "1G is less than")],
    ),
    "a limit below its request": (
        {"resources": {"requests": {"cpu": "4"}, "limits": {"cpu": "500m"}}},
        [("memory-limit", "error", "resources.limits.cpu", "the API server refuses the pod")],
    ),
    "a cache below the checkpoint": (
        {"cache": {"size": "10Gi"}},
        [("cache-size", "error", "cache.size", "a checkpoint of 15.26 GiB")],
    ),
    "a cache that only holds the checkpoint": (
        {"cache": {"size": "16Gi"}},
        [("cache-size", "warning", "cache.size", "too little for compiled kernels")],
    ),
    "a budget shorter than the download": (
        {"startup": {"budgetSeconds": 120}},
        [("startup-budget", "error", "startup.budgetSeconds", "at 100 MB/s take 164 s")],
    ),
    "a budget without the engine's start": (
        {"startup": {"budgetSeconds": 300}},
        [("startup-budget", "warning", "startup.budgetSeconds", "set 464")],
    ),
    "an engine timeout below the budget": (
        {"env": {"VLLM_ENGINE_READY_TIMEOUT_S": 100}},
        [("startup-budget", "warning", "env.VLLM_ENGINE_READY_TIMEOUT_S", "remove it")],
    ),
    "a drain beyond the grace period": (
        {"extraArgs": ["--shutdown-timeout", "9999"]},
        [("grace-period", "error", "extraArgs.0", "killed after 255 s")],
    ),
    "no drain": (
        {"shutdown": {"drainSeconds": 0}},
        [("grace-period", "warning", "shutdown.drainSeconds", "clients of running requests hang")],
    ),
    "more running requests than a batch has rows": (
        scaled(runningRequests=250),
        [
            (
                "scaling-target",
                "error",
                "autoscaling.metrics.runningRequests",
                "at most 256 requests (max-num-seqs)",
            )
        ],
    ),
    "more running requests than the cache holds": (
        scaled(runningRequests=200),
        [
            (
                "scaling-target",
                "warning",
                "autoscaling.metrics.runningRequests",
                "may never add a pod: the KV cache",
            )
        ],
    ),
    "a cache that is never that full": (
        scaled(kvCacheUsage=0.95),
        [("scaling-target", "error", "autoscaling.metrics.kvCacheUsage", "set 0.909 or less")],
    ),
    "a GPU that is never that busy": (
        scaled(gpuUtilization=95),
        [("scaling-target", "error", "autoscaling.metrics.gpuUtilization", "set 90.9 or less")],
    ),
    "a latency beyond the histogram": (
        scaled(timeToFirstTokenSeconds=3000),
        [("scaling-target", "error", "autoscaling.metrics.timeToFirstTokenSeconds", "ends at 2560 s")],
    ),
    "more waiting requests than the engine accepts": (
        {**scaled(waitingRequests=50), "args": {"max-num-queued-reqs": 40}},
        [
            (
                "scaling-target",
                "error",
                "autoscaling.metrics.waitingRequests",
                "what exceeds 40 requests in all",
            )
        ],
    ),
    "no waiting requests": (
        scaled(waitingRequests=0),
        [("schema", "error", "autoscaling.metrics.waitingRequests", "minimum of 0")],
    ),
    "a whole cache": (
        scaled(kvCacheUsage=1),
        [("schema", "error", "autoscaling.metrics.kvCacheUsage", "maximum of 1")],
    ),
    "replicas beside a scaler": (
        {**scaled(waitingRequests=5), "replicas": 3},
        [("scaling-limits", "error", "replicas", "autoscaling.mode keda decides them")],
    ),
    "limits in the wrong order": (
        scaled({"minReplicas": 3, "maxReplicas": 2}, waitingRequests=5),
        [("scaling-limits", "error", "autoscaling.minReplicas", "3 is more than maxReplicas, 2")],
    ),
    "zero without a way back": (
        scaled({"minReplicas": 0}, waitingRequests=5),
        [("scaling-limits", "error", "autoscaling.minReplicas", "nothing could wake a model without pods")],
    ),
    "variants of one cost": (
        {"replicas": None, "autoscaling": {"mode": "wva"}, "variants": {"b": {"args": {"seed": 1}}}},
        [("variant-cost", "warning", "cost", "is not set for this variant: it counts as 2.00")],
    ),
}


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_exactly_what_is_found(
    change: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    found = checked(good(**change)).findings
    said = sorted((finding.id, finding.level, finding.path) for finding in found)
    assert said == sorted((rule, level, f"{HERE}.{path}".rstrip(".")) for rule, level, path, _ in expected)
    for rule, _, path, text in expected:
        assert any(
            finding.id == rule
            and finding.path == f"{HERE}.{path}".rstrip(".")
            and text in f"{finding.message}; {finding.fix}"
            for finding in found
        ), (text, found)


@pytest.mark.parametrize(
    ("keys", "flags"),
    [
        (
            {"lora": {"enabled": True, "maxRank": 64, "maxLoras": 4}},
            {"enable-lora": True, "max-lora-rank": 64, "max-loras": 4},
        ),
        (
            {"speculative": {"method": "draft_model", "model": "hf://Qwen/Qwen3-0.6B", "numTokens": 3}},
            {
                "speculative-config": {
                    "method": "draft_model",
                    "model": "Qwen/Qwen3-0.6B",
                    "num_speculative_tokens": 3,
                }
            },
        ),
        ({"kvOffload": {"backend": "native", "sizeGiB": 8}}, {"kv-offloading-size": 8}),
    ],
    ids=lambda given: next(iter(given)),
)
def test_the_charts_own_keys_count_like_the_flags_that_they_become(
    keys: dict[str, Any], flags: dict[str, Any]
) -> None:
    by_key, by_flag, plain = (checked(good(**body)).models[KEY] for body in (keys, {"args": flags}, {}))
    assert by_key is not None
    assert by_flag is not None
    assert by_key.to_dict() == by_flag.to_dict()
    assert plain is not None
    assert by_key.to_dict() != plain.to_dict()


@pytest.mark.parametrize(
    ("drafts", "said"),
    [
        ({"method": "eagle3", "model": "pvc://drafts/eagle", "numTokens": 3}, "pvc://drafts/eagle"),
        ({"method": "dflash", "model": "hf://org/draft", "numTokens": 3}, "is not counted here"),
    ],
    ids=["a draft in a claim", "a method that is not counted"],
)
def test_a_draft_that_cannot_be_counted_is_said_at_its_key(drafts: dict[str, Any], said: str) -> None:
    (found,) = checked(good(speculative=drafts)).findings
    assert (found.level, found.path.startswith(f"{HERE}.speculative")) == ("unknown", True)
    assert said in found.message


def test_every_rule_has_a_values_file_that_breaks_it() -> None:
    assert {rule for _, expected in BROKEN.values() for rule, *_ in expected} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.sentence.endswith(".")
        assert rule.fix


def test_a_rule_that_is_ignored_is_silent() -> None:
    bad = good(cache={"size": "1Gi"}, accelerator={"count": 3})
    assert [finding.id for finding in checked(bad, ignore=["cache-size"]).findings] == ["gpu-count"]
    with pytest.raises(UsageError, match=r"--ignore nope: no such rule"):
        checked(bad, ignore=["nope"])


def test_a_model_that_cannot_be_read_is_judged_by_the_name_it_is_given() -> None:
    hidden = good(source={"uri": "pvc://claim/x"})
    report = checked(hidden, models={KEY: "Qwen3-8B"})
    assert report.findings == ()
    result = report.models[KEY]
    assert result is not None
    expected = fit(
        Model.load("Qwen3-8B"),
        Gpu.find("L40S"),
        EngineSettings(
            tensor_parallel_size=2,
            max_model_len=8192,
            max_num_seqs=256,
            max_num_batched_tokens=2048,
            gpu_memory_utilization=0.92,
        ),
    )
    assert result.to_dict() == expected.to_dict()
    with pytest.raises(UsageError, match="--model other: the values have no such model"):
        checked(hidden, models={"other": "Qwen3-8B"})


def test_slower_storage_needs_a_longer_budget() -> None:
    assert checked(good(), bytes_per_second=10**9).findings == ()
    (finding,) = checked(good(), bytes_per_second=20 * 10**6).findings
    assert (finding.id, "20 MB/s" in finding.message) == ("startup-budget", True)


def test_every_gpu_of_a_list_is_judged() -> None:
    change = {
        "accelerator": {"product": ["NVIDIA-H200", "NVIDIA-H200-NVL", "NVIDIA-L4", "NVIDIA-A10G"]},
        "parallelism": {"tensor": 1},
        "args": {"max-num-seqs": 1024, "max-model-len": 40960},
    }
    report = checked(good(**change))
    result = report.models[KEY]
    assert result is not None
    assert not result.fits
    unfit = [finding.message for finding in report.findings if finding.id == "does-not-fit"]
    assert len(unfit) == 2
    assert "L4" in unfit[0]
    assert "A10G" in unfit[1]


def test_a_quantization_that_needs_a_flag_is_refused_without_it(tmp_path: Path) -> None:
    golden = ROOT / "tests/valuegen/golden/models/meta-llama__Llama-3.1-405B-Instruct-FP8.json"
    (tmp_path / "config.json").write_text(json.dumps(json.loads(golden.read_text())["config"]))
    made = plan(Model.load(str(tmp_path)), [GpuOffer(Gpu.find("H200"))])
    data = render(made, made.ranked[0], name="llama").data
    assert checked(data).findings == ()
    del data["models"]["llama"]["args"]["allow-deprecated-quantization"]
    (finding,) = checked(data).findings
    assert (finding.id, finding.path) == ("refused", "models.llama.args.allow-deprecated-quantization")
