"""What vLLM refuses is refused, with the numbers and the nearest sizes that work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.valuegen.models import model, on_h100

from valuegen.limits import METHOD_CAPABILITY
from valuegen.parallel import refusals
from valuegen.quantization_readers import READERS
from valuegen.split import pipeline_layers

QWEN_7B = "Qwen/Qwen2.5-7B-Instruct"
LLAMA_8B = "meta-llama/Meta-Llama-3.1-8B"

REFUSED: list[tuple[str, dict[str, Any], str, str, str]] = [
    (
        QWEN_7B,
        {"tensor_parallel_size": 8},
        "heads",
        "--tensor-parallel-size 8 does not divide the 28 attention heads",
        "use --tensor-parallel-size 1, 2 or 4",
    ),
    (
        "microsoft/phi-4",
        {"tensor_parallel_size": 4},
        "kv-heads",
        "--tensor-parallel-size 4 neither divides the 10 key/value heads nor is a multiple of them",
        "use --tensor-parallel-size 1 or 2",
    ),
    (
        "synthetic/Qwen2.5-72B-AWQ-unpadded29568",
        {"tensor_parallel_size": 2},
        "quantization-alignment",
        "--tensor-parallel-size 2: model.layers.*.mlp.down_proj has 14784 inputs per GPU, "
        "no multiple of the quantization group of 128",
        "use --tensor-parallel-size 1",
    ),
    (
        LLAMA_8B,
        {"pipeline_parallel_size": 33},
        "pipeline",
        "--pipeline-parallel-size 33 exceeds the 32 layers",
        "use --pipeline-parallel-size 32 or less",
    ),
    (
        LLAMA_8B,
        {"tensor_parallel_size": 8, "decode_context_parallel_size": 2},
        "decode-context",
        "--decode-context-parallel-size 2 needs --tensor-parallel-size above the 8 key/value heads; it is 8",
        "use --decode-context-parallel-size 1 or --tensor-parallel-size 16",
    ),
    (
        LLAMA_8B,
        {"tensor_parallel_size": 16, "decode_context_parallel_size": 4},
        "decode-context",
        "--decode-context-parallel-size 4 exceeds 2, which is --tensor-parallel-size 16 "
        "over 8 key/value heads",
        "use --decode-context-parallel-size 1 or 2",
    ),
    (
        LLAMA_8B,
        {"max_model_len": 131073},
        "max-model-len",
        "--max-model-len 131073 exceeds the model's 131072",
        "use --max-model-len 131072 or less",
    ),
    (
        LLAMA_8B,
        {"max_num_batched_tokens": 100, "max_num_seqs": 200},
        "max-num-batched-tokens",
        "--max-num-batched-tokens 100 is less than --max-num-seqs 200",
        "use --max-num-batched-tokens 200 or more",
    ),
    (
        LLAMA_8B,
        {"enable_expert_parallel": True},
        "expert-parallel",
        "--enable-expert-parallel needs a model with experts; this one has none",
        "leave --enable-expert-parallel out",
    ),
    (
        LLAMA_8B,
        {"block_size": 24},
        "block-size",
        "--block-size 24 is no multiple of 16",
        "use --block-size 16",
    ),
    (
        LLAMA_8B,
        {"kv_cache_dtype": "int3"},
        "kv-cache-dtype",
        "--kv-cache-dtype int3 is not supported here",
        "use --kv-cache-dtype auto, bfloat16, float16, fp8, fp8_e4m3, fp8_e5m2, int4_per_token_head, "
        "int8_per_token_head or fp8_per_token_head",
    ),
    (
        "google/gemma-2-2b",
        {"dtype": "float16"},
        "dtype",
        "--dtype float16 is numerically unstable with Gemma2ForCausalLM",
        "use --dtype bfloat16 or float32",
    ),
    (
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8",
        {"quantization": "fp8"},
        "quantization-mismatch",
        "--quantization fp8 does not match the checkpoint, which is compressed-tensors",
        "leave --quantization out, or use the checkpoint that is not quantized",
    ),
    (
        LLAMA_8B,
        {"quantization": "awq"},
        "quantization",
        "--quantization awq does not quantize a bfloat16 checkpoint here",
        "use --quantization fp8, or a checkpoint that is quantized",
    ),
    (
        "synthetic/Qwen2.5-7B-GPTQ-Int4-desc_act",
        {},
        "gptq-activation-order",
        "the checkpoint uses GPTQ activation order (desc_act is true), which vLLM 0.33 no longer reads",
        "use a checkpoint with desc_act false or static activation order",
    ),
    (
        LLAMA_8B,
        {"tensor_parallel_size": 0},
        "not-positive",
        "--tensor-parallel-size is 0; it must be at least 1",
        "set --tensor-parallel-size to 1 or more",
    ),
    (
        LLAMA_8B,
        {"gpu_memory_utilization": 1.5},
        "gpu-memory-utilization",
        "--gpu-memory-utilization is 1.5; it must be in (0, 1]",
        "set --gpu-memory-utilization to 0.92, vLLM's default",
    ),
]


@pytest.mark.parametrize(
    ("name", "asked", "code", "message", "fix"), REFUSED, ids=[f"{row[2]}-{row[0]}" for row in REFUSED]
)
def test_a_refusal_names_the_numbers_and_what_would_work(
    name: str, asked: dict[str, Any], code: str, message: str, fix: str
) -> None:
    config = model(name)
    (reason,) = refusals(config, on_h100(config, **asked))
    assert (reason.code, reason.message, reason.fix) == (code, message, fix)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 8, 10])
def test_the_sizes_that_a_refusal_suggests_are_accepted(size: int) -> None:
    config = model("Qwen/Qwen3-14B-FP8")
    (reason,) = refusals(config, on_h100(config, tensor_parallel_size=16))
    accepted = refusals(config, on_h100(config, tensor_parallel_size=size)) == []
    assert accepted == (str(size) in re.findall(r"\d+", reason.fix))


@pytest.mark.parametrize(
    ("name", "asked", "capability", "code"),
    [
        (LLAMA_8B, {"dtype": "bfloat16"}, (7, 5), "gpu-dtype"),
        (LLAMA_8B, {"dtype": "bfloat16"}, (8, 0), None),
        (LLAMA_8B, {"dtype": "float16"}, (7, 5), None),
        ("nvidia/Llama-3.1-70B-Instruct-FP8", {"dtype": "float16"}, (7, 5), "gpu-quantization"),
        ("nvidia/Llama-3.1-70B-Instruct-FP8", {}, (8, 0), None),
        ("Qwen/Qwen3-8B-FP8", {"dtype": "float16"}, (7, 5), None),  # Marlin runs it
        ("Qwen/Qwen3-8B-FP8", {"dtype": "float32"}, (9, 0), "dtype"),
    ],
)
def test_what_the_gpu_cannot_do_is_refused(
    name: str, asked: dict[str, Any], capability: tuple[int, int], code: str | None
) -> None:
    config = model(name)
    found = refusals(config, on_h100(config, **asked), compute_capability=capability)
    assert [reason.code for reason in found] == ([] if code is None else [code])
    assert all(reason.message and reason.fix for reason in found)


def test_every_method_has_a_least_compute_capability() -> None:
    # mxfp8 is read as ModelOpt's; the other two depend on more than the method's name.
    assert set(METHOD_CAPABILITY) == {*READERS, "deepseek_v4_fp8", "mxfp4"} - {"mxfp8"}


def test_every_broken_rule_is_reported_at_once() -> None:
    config = model(QWEN_7B)
    found = refusals(config, on_h100(config, tensor_parallel_size=8, max_model_len=40000, block_size=8))
    assert [reason.code for reason in found] == ["heads", "max-model-len", "block-size"]


def test_block_fp8_refuses_a_share_that_is_no_multiple_of_a_block() -> None:
    config = model("Qwen/Qwen3-8B-FP8", intermediate_size=12288 + 64)
    assert not refusals(config, on_h100(config))  # merged outputs may end within a block
    (reason,) = refusals(config, on_h100(config, tensor_parallel_size=2))
    assert reason.message == (
        "--tensor-parallel-size 2: model.layers.*.mlp.down_proj has 6176 inputs per GPU, "
        "no multiple of the FP8 block of 128"
    )
    assert reason.fix == "use --tensor-parallel-size 1"


def test_decode_context_parallelism_refuses_a_sliding_window() -> None:
    config = model("mistralai/Mistral-7B-v0.1")
    asked = {"tensor_parallel_size": 16, "decode_context_parallel_size": 2}
    assert [reason.code for reason in refusals(config, on_h100(config, **asked))] == ["decode-context-window"]


@pytest.mark.parametrize(
    ("layers", "stages", "counts"),
    [
        (32, 1, [32]),
        (32, 2, [16, 16]),
        (61, 2, [31, 30]),  # the last stage has the head and stays light
        (61, 4, [15, 15, 16, 15]),  # so does the first, which has the embedding
        (62, 4, [15, 16, 16, 15]),
        (63, 4, [16, 16, 16, 15]),
    ],
)
def test_layers_that_do_not_divide_go_to_the_middle_stages(
    layers: int, stages: int, counts: list[int]
) -> None:
    split = pipeline_layers(layers, stages)
    assert [len(stage) for stage in split] == counts
    assert [layer for stage in split for layer in stage] == list(range(layers))
