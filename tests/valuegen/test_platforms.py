"""MIG slices, AMD GPUs and GPUs that vLLM's images no longer run on: what is refused, by name."""

from __future__ import annotations

import pytest

from valuegen import EngineSettings, Gpu, Model, fit, weights
from valuegen.advice import nearest_changes

from .models import GIB

# model, GPU, settings, version -> code and part of the message
REFUSED = {
    "a split over slices": (
        ("Qwen3-0.6B", "A100-MIG-1g.10gb", {"tensor_parallel_size": 2}, "0.33"),
        [("mig-slice", "--tensor-parallel-size 2: A100-SXM4-80GB-MIG-1g.10gb is a MIG slice")],
    ),
    "stages on slices": (
        ("Qwen3-0.6B", "H200-MIG-1g.18gb", {"pipeline_parallel_size": 2}, "0.33"),
        [("mig-slice", "--pipeline-parallel-size 2: H200-MIG-1g.18gb is a MIG slice")],
    ),
    "copies on slices": (
        ("Qwen3-0.6B", "H100-MIG-2g.20gb", {"data_parallel_size": 3}, "0.33"),
        [("mig-slice", "--data-parallel-size 3: H100-80GB-MIG-2g.20gb is a MIG slice")],
    ),
    "Volta on today's vLLM": (
        ("Qwen3-0.6B", "V100", {"dtype": "float16"}, "0.20"),
        [("gpu-too-old", "vLLM 0.20 is built for compute capability 7.5 or later; V100-SXM2-16GB has 7.0")],
    ),
    "FP8 on CDNA 2": (
        ("Qwen3-8B-FP8", "MI250X", {}, "0.33"),
        [("gpu-quantization", "fp8 needs gfx942 or later; the GPU has gfx90a")],
    ),
    "online FP8 on AMD": (
        ("Qwen3-8B", "MI300X", {"quantization": "fp8"}, "0.33"),
        [("gpu-rocm", "--quantization fp8: how vLLM holds that on AMD GPUs is not counted here")],
    ),
    "ModelOpt on AMD": (
        ("Llama-3.1-70B-Instruct-FP8", "MI300X", {}, "0.33"),
        [("gpu-rocm", "modelopt weights: how vLLM holds that on AMD GPUs is not counted here")],
    ),
}


@pytest.mark.parametrize(("asked", "told"), REFUSED.values(), ids=REFUSED)
def test_what_a_kind_of_gpu_cannot_do_is_refused_by_name(
    asked: tuple[str, str, dict[str, int], str], told: list[tuple[str, str]]
) -> None:
    model, gpu, settings, version = asked
    result = fit(Model.load(model), Gpu.find(gpu), EngineSettings(**settings), vllm_version=version)  # type: ignore[arg-type]
    assert result.verdict == "invalid"
    assert len(result.reasons) == len(told)
    for reason, (code, message) in zip(result.reasons, told, strict=True):
        assert reason.code == code
        assert message in reason.message
        assert reason.fix


def test_volta_runs_the_last_vllm_that_was_built_for_it() -> None:
    settings = EngineSettings(dtype="float16", max_model_len=8192)
    assert fit(Model.load("Qwen3-0.6B"), Gpu.find("V100"), settings, vllm_version="0.19").fits


def test_a_slice_gets_the_next_larger_slice_then_its_gpu_and_never_a_split_over_slices() -> None:
    model, settings = Model.load("Qwen3-8B"), EngineSettings(max_model_len=8192)
    changes = nearest_changes(fit(model, Gpu.find("A100-MIG-1g.10gb"), settings), settings)
    assert changes[0] == "use --gpu A100-SXM4-80GB-MIG-3g.40gb"
    whole = nearest_changes(fit(model, Gpu.find("T4"), settings), settings)
    assert whole
    assert not [change for change in whole if "MIG" in change]


def test_on_slices_and_amd_what_was_measured_elsewhere_is_assumed() -> None:
    settings = EngineSettings(max_model_len=8192)
    for name, weights_kind in (("H100-MIG-3g.40gb", "exact"), ("MI300X", "assumed")):
        document = fit(Model.load("Qwen3-8B"), Gpu.find(name), settings).to_dict()
        kinds = {path: entry["kind"] for path, entry in document["provenance"].items()}
        assert kinds["ranks.0.activation_bytes"] == kinds["kv_cache.tokens"] == "assumed"
        assert kinds["ranks.0.weights_bytes"] == weights_kind
        assert document["gpu"]["assumptions"]
    document = fit(Model.load("Qwen3-8B"), Gpu.find("H100"), settings).to_dict()
    assert document["provenance"]["ranks.0.activation_bytes"]["kind"] == "calibrated"
    assert document["gpu"]["assumptions"] == []
    assert document["gpu"]["resource"] == "nvidia.com/gpu"


def test_fp8_rows_are_padded_on_amd() -> None:
    model, settings = Model.load("Qwen3-8B-FP8"), EngineSettings(max_model_len=8192)
    cuda, rocm = (fit(model, Gpu.find(name), settings).ranks[0].weights_bytes for name in ("H100", "MI300X"))
    # Every projection has rows of 4096 or 12288 bytes, each followed by 256.
    layer = (4096 + 2 * 1024) + 4096 + 2 * 12288 + 4096
    assert rocm - cuda == 36 * layer * 256
    assert weights.parameter_count(model.config) < GIB * 8
