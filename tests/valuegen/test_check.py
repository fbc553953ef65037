"""`check` finds in a values file exactly what is wrong with it, and nothing in what `values` writes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from valuegen import EngineSettings, Gpu, GpuOffer, Model, ModelError, UsageError, fit, plan
from valuegen.catalog.gpus import all_gpus
from valuegen.catalog.models import all_models
from valuegen.check import CheckReport, check
from valuegen.checks import RULES
from valuegen.checks.schema import violations
from valuegen.values import render
from valuegen.valuesfile import Place, Values, overlay, read

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
KEY = "qwen3-8b"
HERE = f"models.{KEY}"


def written(model: str, gpu: str, *, concurrency: int = 16, **options: Any) -> dict[str, Any]:
    """What `valuegen values` writes, as data."""
    made = plan(
        Model.load(model), [GpuOffer(Gpu.find(gpu))], EngineSettings(**options), concurrency=concurrency
    )
    return render(made, made.ranked[0]).data


def checked(data: dict[str, Any], **options: Any) -> CheckReport:
    """The report on values that stand in no file."""
    return check(Values(data, {}, Place("values.yaml", 1)), **options)


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """Qwen3-8B on two L40S, with every figure written out."""
    return written("Qwen3-8B", "L40S", tensor_parallel_size=2)


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
    made = plan(model, offers, asked, concurrency=draw(st.integers(1, 500)))
    if not made.ranked:
        made = plan(model, concurrency=draw(st.integers(1, 500)))
    return render(made, draw(st.sampled_from(made.ranked))).data


@settings(max_examples=60, deadline=None)
@given(plans())
def test_what_values_writes_passes_check_and_the_charts_schema(data: dict[str, Any]) -> None:
    report = checked(data)
    assert report.findings == ()
    assert list(violations(data)) == []
    assert all(result is not None and result.fits for result in report.models.values())


def test_every_model_of_the_catalogue_passes_on_its_cheapest_gpus() -> None:
    for entry in all_models():
        made = plan(Model.load(entry.name))
        assert checked(render(made, made.ranked[0]).data).findings == (), entry.name


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
        [("unknown-model", "unknown", "source.uri", "--model KEY=MODEL")],
    ),
    "no source": ({"source": {"uri": None}}, [("unknown-model", "error", "source.uri", "set hf://org/name")]),
    "a GPU that is not known": (
        {"accelerator": {"product": "NVIDIA-L40X"}},
        [("unknown-gpu", "unknown", "accelerator.product", "did you mean NVIDIA-L40S?")],
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
    "several nodes": (
        {"parallelism": {"nodes": 2}},
        [("gpu-count", "error", "parallelism.nodes", "one node per replica")],
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
}


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_exactly_what_is_found(
    good: dict[str, Any], change: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    found = checked(overlay(good, {"models": {KEY: change}})).findings
    said = sorted((finding.id, finding.level, finding.path) for finding in found)
    assert said == sorted((rule, level, f"{HERE}.{path}".rstrip(".")) for rule, level, path, _ in expected)
    for rule, _, path, text in expected:
        assert any(
            finding.id == rule
            and finding.path == f"{HERE}.{path}".rstrip(".")
            and text in f"{finding.message}; {finding.fix}"
            for finding in found
        ), (text, found)


def test_every_rule_has_a_values_file_that_breaks_it() -> None:
    assert {rule for _, expected in BROKEN.values() for rule, *_ in expected} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.sentence.endswith(".")
        assert rule.fix


def test_a_rule_that_is_ignored_is_silent(good: dict[str, Any]) -> None:
    bad = overlay(good, {"models": {KEY: {"cache": {"size": "1Gi"}, "accelerator": {"count": 3}}}})
    assert [finding.id for finding in checked(bad, ignore=["cache-size"]).findings] == ["gpu-count"]
    with pytest.raises(UsageError, match=r"--ignore nope: no such rule"):
        checked(bad, ignore=["nope"])


def test_a_model_that_cannot_be_read_is_judged_by_the_name_it_is_given(good: dict[str, Any]) -> None:
    hidden = overlay(good, {"models": {KEY: {"source": {"uri": "pvc://claim/x"}}}})
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


def test_slower_storage_needs_a_longer_budget(good: dict[str, Any]) -> None:
    assert checked(good, bytes_per_second=10**9).findings == ()
    (finding,) = checked(good, bytes_per_second=20 * 10**6).findings
    assert (finding.id, "20 MB/s" in finding.message) == ("startup-budget", True)


def test_every_gpu_of_a_list_is_judged(good: dict[str, Any]) -> None:
    change = {
        "accelerator": {"product": ["NVIDIA-H200", "NVIDIA-H200-NVL", "NVIDIA-L4", "NVIDIA-A10G"]},
        "parallelism": {"tensor": 1},
        "args": {"max-num-seqs": 1024, "max-model-len": 40960},
    }
    report = checked(overlay(good, {"models": {KEY: change}}))
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


# Resolution ---------------------------------------------------------------------------------------

SEVERAL = """\
x-drain: &drain
  drainSeconds: 0
defaults:
  accelerator: {product: NVIDIA-L40S}
  startup:
    budgetSeconds: 100
models:
  a:
    source: {uri: hf://Qwen/Qwen3-8B}
    args: {max-model-len: 4096}
    shutdown:
      <<: *drain
      preStopSeconds: 5
    variants:
      big:
        accelerator:
          product: NVIDIA-H100-80GB-HBM3
        startup: {budgetSeconds: 600}
      gone: {enabled: false}
  b:
    enabled: no
    source: {uri: hf://no/such}
  c: null
"""


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_finding_stands_where_its_value_is_written_and_is_told_once(in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(SEVERAL)
    report = check(read([Path("values.yaml")]))
    assert list(report.models) == ["a", "a/big"]
    assert [(finding.id, finding.path, finding.line) for finding in report.findings] == [
        ("grace-period", "models.a.shutdown.drainSeconds", 2),
        ("startup-budget", "defaults.startup.budgetSeconds", 6),
    ]


def test_several_files_are_merged_as_helm_does(in_folder: Path) -> None:
    (in_folder / "a.yaml").write_text(SEVERAL)
    (in_folder / "b.yaml").write_text(
        "models:\n  a:\n    # comment\n    shutdown: null\n    cache: {size: 1Gi}\n"
    )
    report = check(read([Path("a.yaml"), Path("b.yaml")]))
    assert [(finding.id, finding.file, finding.line) for finding in report.findings] == [
        ("startup-budget", "a.yaml", 6),
        ("grace-period", "b.yaml", 4),
        ("cache-size", "b.yaml", 5),
    ]


def test_a_value_that_is_not_written_is_found_at_its_model(in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(
        "models:\n  ok:\n    source: {uri: hf://Qwen/Qwen3-8B}\n"
        "    accelerator: {product: NVIDIA-L40S}\n  q:\n    source: {uri: hf://Qwen/Qwen2.5-72B-Instruct}\n"
        "    accelerator: {product: NVIDIA-H200}\n    parallelism: {tensor: 4}\n"
    )
    (finding,) = check(read([Path("values.yaml")])).findings
    assert (finding.id, finding.path, finding.line) == ("startup-budget", "models.q.startup.budgetSeconds", 5)


def test_models_beside_a_broken_one_are_judged(good: dict[str, Any]) -> None:
    bad = overlay(good, {"models": {"other": {"replicas": "x", "source": 3}}})
    report = checked(bad)
    assert {finding.id for finding in report.findings} == {"schema"}
    assert report.models["other"] is None
    assert report.models[KEY] is not None
    broken_defaults = checked(overlay(good, {"defaults": {"replicas": "x"}}))
    assert broken_defaults.models == {KEY: None}


def unreachable(repo_id: str, *_: Any, **__: Any) -> None:
    """The Hub, from a machine without a network."""
    raise ModelError(f"{repo_id}: the Hugging Face Hub cannot be reached", "")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "charts/vllm-stack/ci").glob("*-values.yaml")), ids=lambda p: p.stem
)
def test_the_charts_scenarios_are_written_as_check_wants_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether each fits its GPUs is another question, which the GPU-less tests of the chart do not ask."""
    monkeypatch.setattr("valuegen.hub.fetch", unreachable)
    report = check(read([path]), ignore=["does-not-fit", "startup-budget"])
    assert {finding.level for finding in report.findings} <= {"unknown"}, report.findings


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_values(draw: st.DrawFn) -> dict[str, Any]:
    """The values of a scenario of the chart with something else in one place."""
    paths = sorted((ROOT / "charts/vllm-stack/ci").glob("*-values.yaml"))
    data: dict[str, Any] = copy.deepcopy(read([draw(st.sampled_from(paths))]).data)
    node: Any = data
    for _ in range(draw(st.integers(0, 4))):
        below = [value for value in (node.values() if isinstance(node, dict) else node) if value]
        below = [value for value in below if isinstance(value, dict | list)]
        if not below:
            break
        node = draw(st.sampled_from(below))
    wild = draw(YAML_VALUES)
    if isinstance(node, list):
        node.insert(draw(st.integers(0, len(node))), wild)
    else:
        flags = ["max-model-len", "max-num-seqs", "gpu-memory-utilization", "block-size", "dtype"]
        node[draw(st.sampled_from([*node, *flags]) | st.text(max_size=6))] = wild
    return data


@settings(max_examples=100, deadline=None)
@given(changed_values())
def test_whatever_stands_in_values_check_comes_to_an_end(data: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("valuegen.hub.fetch", unreachable)
        report = checked(data)
    assert set(json.loads(json.dumps(report.to_dict()))) == {"schema", "findings", "models"}
    for finding in report.findings:
        assert finding.message
        assert finding.fix


DATES = "models:\n  q:\n    source: {uri: hf://Qwen/Qwen3-8B}\n    accelerator: {product: NVIDIA-L40S}\n"


def test_dates_and_words_for_true_are_read_as_helm_reads_them(in_folder: Path) -> None:
    more = "    rollout: {restartedAt: 2026-11-20T10:00:00Z}\n    disruption: {enabled: off}\n"
    (in_folder / "values.yaml").write_text(DATES + more)
    values = read([Path("values.yaml")])
    assert values.data["models"]["q"]["rollout"] == {"restartedAt": "2026-11-20T10:00:00Z"}
    assert values.data["models"]["q"]["disruption"] == {"enabled": False}
    assert check(values).findings == ()


# What is printed ----------------------------------------------------------------------------------


def test_json_is_what_the_library_returns(valuegen: Callable[..., Any], in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(SEVERAL)
    for option in (["--json"], ["--format", "json"]):
        outcome = valuegen("check", "values.yaml", *option)
        document = json.loads(outcome.stdout)
        assert outcome.code == 3
        assert document == json.loads(json.dumps(check(read([Path("values.yaml")])).to_dict()))
        assert list(document) == ["schema", "findings", "models"]
        assert [list(finding) for finding in document["findings"]] == [
            ["id", "level", "path", "message", "fix"]
        ] * 2
        assert document["models"]["a"]["verdict"] == "fits"


def test_a_file_without_findings_exits_with_0(valuegen: Callable[..., Any], in_folder: Path) -> None:
    assert valuegen("values", "Qwen3-8B", "--gpu", "L40S", "-o", "values.yaml").code == 0
    outcome = valuegen("check", "values.yaml")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("qwen3-8b: fits on 1 x L40S, ")
    assert valuegen("check", "values.yaml", "--format", "annotations").stdout == ""
    (in_folder / "empty.yaml").write_text("")
    assert valuegen("check", "empty.yaml").stdout == "no models\n"


def test_text_names_place_rule_and_next_step_in_80_columns(
    valuegen: Callable[..., Any], in_folder: Path, good: dict[str, Any]
) -> None:
    changes = {
        f"m{number}": overlay(good["models"][KEY], change)
        for number, (change, _) in enumerate(BROKEN.values())
    }
    (in_folder / "values.yaml").write_text(yaml.safe_dump({"models": changes}))
    outcome = valuegen("check", "values.yaml")
    assert outcome.code == 3
    assert outcome.stderr.startswith("valuegen: values.yaml: ")
    assert outcome.stderr.count("\n") == 1
    for line in outcome.stdout.splitlines():
        assert len(line) <= 80, line
        assert line == line.rstrip()
    findings = check(read([Path("values.yaml")])).findings
    assert len(findings) >= len(BROKEN)
    plain = " ".join(outcome.stdout.split())
    for finding in findings:
        assert f"values.yaml:{finding.line} {finding.path} " in plain
        assert " ".join(f"{finding.message} [{finding.id}] Next: {finding.fix}".split()) in plain


def test_sarif_has_a_rule_per_id_and_a_line_per_result(valuegen: Callable[..., Any], in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(SEVERAL)
    (run,) = json.loads(valuegen("check", "values.yaml", "--format", "sarif").stdout)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [rule.id for rule in RULES]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places] == [
        ("values.yaml", 2),
        ("values.yaml", 6),
    ]
    assert {result["ruleId"] for result in run["results"]} <= set(rules)
    assert {result["level"] for result in run["results"]} == {"warning", "error"}


def test_annotations_are_one_escaped_workflow_command_per_finding(
    valuegen: Callable[..., Any], in_folder: Path
) -> None:
    (in_folder / "a,b:c.yaml").write_text(SEVERAL.replace("hf://Qwen/Qwen3-8B", "pvc://claim/100%"))
    lines = valuegen("check", "a,b:c.yaml", "--format", "annotations").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::warning file=a%2Cb%3Ac.yaml,line=2,title=grace-period::models.a.shutdown.")
    assert lines[1].startswith("::notice file=a%2Cb%3Ac.yaml,line=9,title=unknown-model::")
    assert "pvc://claim/100%25" in lines[1]


@pytest.mark.parametrize("form", ["text", "sarif", "annotations"])
def test_two_forms_at_once_are_refused(valuegen: Callable[..., Any], form: str) -> None:
    outcome = valuegen("check", "values.yaml", "--json", "--format", form)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "exclude each other" in outcome.stderr
