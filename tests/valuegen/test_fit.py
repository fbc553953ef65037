"""fit() adds the parts up as vLLM does, promises with the safe end, and names changes that work."""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from valuegen import EngineSettings, FitResult, Gpu, Model, UsageError, fit
from valuegen.host import shared_memory
from valuegen.overhead import capture_sizes

MIB, GIB = 1024**2, 1024**3


def judged(model: str, gpu: str, version: str = "0.33", **settings: Any) -> FitResult:
    return fit(Model.load(model), Gpu.find(gpu), EngineSettings(**settings), vllm_version=version)


CONFIGURATIONS = [
    ("Qwen3-8B", "L40S", {}),
    ("Qwen3-8B", "H100", {"max_model_len": 8192}),
    ("Qwen3-32B", "L40S", {"tensor_parallel_size": 4}),
    ("Llama-3.1-70B-Instruct", "H100", {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}),
    ("gemma-3-1b-it", "T4", {"max_num_seqs": 64}),
    ("Llama-3.1-70B-Instruct-FP8", "H200", {"max_model_len": 32768}),
]


@pytest.mark.parametrize(("model", "gpu", "settings"), CONFIGURATIONS)
def test_the_parts_of_a_gpu_add_up_to_its_budget(model: str, gpu: str, settings: dict[str, Any]) -> None:
    document = judged(model, gpu, **settings).to_dict()
    assert document["verdict"] == "fits"
    assert len(document["ranks"]) == settings.get("pipeline_parallel_size", 1)
    for rank in document["ranks"]:
        parts = ("weights_bytes", "activation_bytes", "cuda_graph_bytes", "non_torch_bytes", "kv_cache_bytes")
        assert sum(rank[part] for part in parts) == rank["budget_bytes"]
        assert rank["budget_bytes"] == ceil(document["gpu"]["memory_bytes"] * 0.92)
        assert rank["num_blocks"] == rank["kv_cache_bytes"] // rank["bytes_per_block"]
    cache = document["kv_cache"]
    assert cache["max_concurrency"] == pytest.approx(
        cache["num_blocks"] / cache["blocks_per_request"], abs=1e-4
    )


@pytest.mark.parametrize(("model", "gpu", "settings"), CONFIGURATIONS)
def test_every_range_holds_its_number_and_every_number_has_a_provenance(
    model: str, gpu: str, settings: dict[str, Any]
) -> None:
    document = judged(model, gpu, **settings).to_dict()

    def at(path: str) -> Any:
        value: Any = document
        for part in path.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value

    for path, (low, high) in document["ranges"].items():
        assert low <= at(path) <= high, path
        assert document["provenance"][path]["kind"] == "calibrated", path
    for path, entry in document["provenance"].items():
        at(path)  # no path leads nowhere
        assert entry["kind"] in {"exact", "derived", "calibrated", "assumed"}
    numbers = {f"host.{name}" for name in document["host"]} | {
        f"kv_cache.{name}" for name in document["kv_cache"]
    }
    numbers |= {f"ranks.0.{name}" for name in document["ranks"][0] if name != "pipeline_stage"}
    assert numbers <= set(document["provenance"])


def test_a_model_without_a_cache_has_a_document_too() -> None:
    document = judged("bge-m3", "L4").to_dict()
    assert document["verdict"] == "fits"
    assert document["ranks"][0]["num_blocks"] == document["kv_cache"]["bytes_per_request"] == 0


def test_the_document_has_the_keys_of_schema_1() -> None:
    document = judged("Qwen3-8B", "L40S").to_dict()
    assert list(document) == [
        "schema",
        "vllm_version",
        "model",
        "gpu",
        "settings",
        "profile",
        "verdict",
        "reasons",
        "ranks",
        "kv_cache",
        "host",
        "scaling",
        "ranges",
        "provenance",
    ]
    assert document["schema"] == 1
    assert document["vllm_version"] == "0.33.0"
    assert list(document["model"]) == [
        "name",
        "architecture",
        "parameters",
        "max_model_len",
        "source",
        "checkpoint",
        "assumptions",
    ]
    assert list(document["gpu"]) == [
        "name",
        "product",
        "memory_bytes",
        "compute_capability",
        "resource",
        "assumptions",
    ]


def test_a_size_is_marked_as_assumed_throughout() -> None:
    document = judged("8B", "H100").to_dict()
    assert document["model"]["source"] == "size"
    assert document["provenance"]["ranks.0.weights_bytes"]["kind"] == "assumed"


def test_what_starts_only_with_luck_is_refused() -> None:
    """Between the safe and the likely end of the estimates the verdict is too-big."""
    likely = judged("Qwen3-8B", "L4", max_model_len=8192)
    assert likely.fits
    assert likely.capacity is not None
    assert likely.capacity_range is not None
    between = (likely.capacity_range[0].tokens + likely.capacity.tokens) // 2
    assert judged("Qwen3-8B", "L4", max_model_len=between).verdict == "too-big"


TOO_BIG = [
    ("Qwen3-8B", "L4", {}, "kv-cache-too-small"),
    ("Qwen3-32B", "L40S", {}, "weights-too-large"),
    ("Llama-3.1-70B-Instruct", "T4", {}, "weights-too-large"),
    ("Llama-3.1-70B-Instruct", "H100", {"tensor_parallel_size": 2}, "weights-too-large"),
    ("Qwen3-8B", "H100", {"kv_cache_memory_bytes": 200 * GIB}, "kv-cache-memory-too-large"),
    ("Qwen3-8B", "H100", {"kv_cache_memory_bytes": GIB}, "kv-cache-too-small"),
    ("Qwen3-8B", "H100", {"gpu_memory_utilization": 1.0}, "no-room-for-context"),
]


@pytest.mark.parametrize(("model", "gpu", "settings", "code"), TOO_BIG)
def test_what_is_too_big_says_why_and_names_changes_that_work(
    model: str, gpu: str, settings: dict[str, Any], code: str
) -> None:
    result = judged(model, gpu, **settings)
    assert result.verdict == "too-big"
    (reason,) = result.reasons
    assert reason.code == code
    changes = reason.fix.split(", or ")
    for change in changes:
        changed, flags = gpu, dict(settings)
        for flag, value in re.findall(r"--([a-z-]+) (?:to )?(\S+)", change):
            if flag == "gpu":
                changed = value
            else:
                name = flag.replace("-", "_")
                flags[name] = value if name == "kv_cache_dtype" else int(value)
        if "lower it to" in change:
            flags["gpu_memory_utilization"] = float(change.rpartition(" ")[2])
        assert (changed, flags) != (gpu, settings), f"{change} changes nothing"
        assert judged(model, changed, **flags).fits, change


def test_a_shorter_context_is_the_longest_that_fits() -> None:
    result = judged("Qwen3-8B", "L4")
    found = re.search(r"--max-model-len to (\d+)", result.reasons[0].fix)
    assert found is not None
    length = int(found[1])
    assert judged("Qwen3-8B", "L4", max_model_len=length).fits
    assert not judged("Qwen3-8B", "L4", max_model_len=length + 16).fits


@pytest.mark.parametrize(("gpu", "longest"), [("L4", False), ("H100", True)])
def test_an_automatic_context_is_the_longest_that_starts(gpu: str, longest: bool) -> None:
    result = judged("Qwen3-8B", gpu, max_model_len=-1)
    assert result.fits
    assert (result.settings.max_model_len == 40960) == longest
    if not longest:
        assert not judged("Qwen3-8B", gpu, max_model_len=result.settings.max_model_len + 16).fits


def test_an_automatic_context_does_not_help_where_the_weights_do_not_fit() -> None:
    assert judged("Llama-3.1-70B-Instruct", "T4", max_model_len=-1).verdict == "too-big"


def test_what_vllm_refuses_is_invalid_and_has_no_numbers() -> None:
    document = judged("Qwen3-8B", "H100", tensor_parallel_size=3).to_dict()
    assert document["verdict"] == "invalid"
    assert document["reasons"]
    assert (document["ranks"], document["kv_cache"], document["host"]) == ([], None, None)


def test_versions_before_0_21_take_no_graphs_from_the_budget() -> None:
    old, new = judged("Qwen3-8B", "H100", "0.19"), judged("Qwen3-8B", "H100", "0.21.0")
    assert old.ranks[0].cuda_graphs.high == 0
    assert new.ranks[0].cuda_graphs.low > 0
    assert judged("Qwen3-8B", "H100", "0.33", enforce_eager=True).ranks[0].cuda_graphs.high == 0


@pytest.mark.parametrize("version", ["0.9.2", "0.34", "1.0", "latest", ""])
def test_a_version_that_nothing_is_known_of_is_refused(version: str) -> None:
    with pytest.raises(UsageError, match=re.escape("0.10 to 0.33")):
        judged("Qwen3-8B", "H100", version)


@pytest.mark.parametrize(
    ("gpu", "seqs", "batch", "sizes"),
    [
        ("H100", 1024, 8192, 51),
        ("L4", 128, 2048, 35),
        ("B200", 1024, 16384, 83),
        ("H100", 2, 8192, 3),
        ("H100", 64, 8192, 19),
    ],
)
def test_captured_batch_sizes_are_counted_as_vllm_lists_them(
    gpu: str, seqs: int, batch: int, sizes: int
) -> None:
    result = judged("Qwen3-8B", gpu)
    settings = replace(result.settings, max_num_seqs=seqs, max_num_batched_tokens=batch)
    assert len(capture_sizes(result.model.config.shape, settings, Gpu.find(gpu))) == sizes


@pytest.mark.parametrize(("tensor", "mib"), [(1, 1024), (2, 1024 + 664), (4, 1024 + 1144), (8, 1024 + 2104)])
def test_shared_memory_is_the_message_rings_and_a_gibibyte(tensor: int, mib: int) -> None:
    settings = replace(judged("Qwen3-8B", "H100").settings, tensor_parallel_size=tensor)
    assert shared_memory(settings) == mib * MIB
