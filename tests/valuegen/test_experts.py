"""Routed experts: who holds what, how it is stored, what is refused; the golden test has vLLM's sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import GIB, model, on_h100

from valuegen import parallel, quantization_readers, split, weights
from valuegen.architectures.base import Experts, Linear, Part, Place
from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings, resolve
from valuegen.keys import Keys
from valuegen.split import Ranks

QWEN = "Qwen/Qwen3-30B-A3B"
QWEN_FP8 = "Qwen/Qwen3-30B-A3B-FP8"
GPT_OSS = "openai/gpt-oss-120b"
MIXTRAL = "mistralai/Mixtral-8x7B-v0.1"


def tensors(config: ModelConfig, **settings: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """What the first stage holds in a layer: name without the layer -> (shape, dtype)."""
    return {
        tensor.name.split("*.", 1)[-1].replace("experts.routed_experts.", ""): (tensor.shape, tensor.dtype)
        for tensor in weights.rank_tensors(config, on_h100(config, **settings), 0)
    }


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [  # as vLLM 0.33.0 creates them
        (
            QWEN,
            {"tensor_parallel_size": 8, "enable_expert_parallel": True},
            {
                "mlp._expert_map": ((128,), "int32"),
                "mlp.w13_weight": ((16, 1536, 2048), "bfloat16"),
                "mlp.w2_weight": ((16, 2048, 768), "bfloat16"),
                "mlp.gate.weight": ((128, 2048), "bfloat16"),
            },
        ),
        (  # a width of 96 per GPU: the blocks become 32 x 32
            QWEN_FP8,
            {"tensor_parallel_size": 8},
            {
                "mlp.w13_weight": ((128, 192, 2048), "float8_e4m3fn"),
                "mlp.w13_weight_scale_inv": ((128, 6, 64), "float32"),
                "mlp.w2_weight_scale_inv": ((128, 64, 3), "float32"),
            },
        ),
        (
            "synthetic/Qwen3-30B-A3B-AWQ",
            {"tensor_parallel_size": 2},
            {
                "mlp.w13_qweight": ((128, 2048, 96), "int32"),
                "mlp.w13_qzeros": ((128, 16, 96), "int32"),
                "mlp.w2_scales": ((128, 3, 2048), "bfloat16"),
            },
        ),
        (  # Marlin does not take a width of 96: the generic kernel does, with groups of 32
            "synthetic/Qwen3-30B-A3B-AWQ",
            {"tensor_parallel_size": 8},
            {
                "mlp.w13_qweight": ((128, 192, 1024), "uint8"),
                "mlp.w13_qzeros": ((128, 96, 64), "uint8"),
                "mlp.w2_scales": ((128, 2048, 3), "bfloat16"),
            },
        ),
        (
            "synthetic/Qwen3-30B-A3B-GPTQ-Int4",
            {"tensor_parallel_size": 2},
            {
                "mlp.w13_bias": ((128, 768), "bfloat16"),
                "mlp.w13_qweight": ((128, 256, 768), "int32"),
                "mlp.gate.qweight": ((256, 128), "int32"),
            },
        ),
        (
            "synthetic/Qwen3-30B-A3B-w4a16",
            {"tensor_parallel_size": 2},
            {
                "mlp.w13_weight_packed": ((128, 768, 256), "int32"),
                "mlp.w13_weight_shape": ((128, 2), "bfloat16"),
                "mlp.w2_weight_scale": ((128, 2048, 3), "bfloat16"),
            },
        ),
        (
            "synthetic/Qwen3-30B-A3B-FP8-dynamic",
            {"tensor_parallel_size": 2},
            {"mlp.w13_weight_scale": ((128, 768, 1), "float32")},
        ),
        (
            "nvidia/Qwen3-235B-A22B-NVFP4",
            {"tensor_parallel_size": 2},
            {
                "mlp.w13_weight": ((128, 1536, 2048), "uint8"),
                "mlp.w13_weight_scale": ((128, 1536, 256), "float8_e4m3fn"),
                "mlp.w13_weight_scale_2": ((128, 2), "float32"),
                "mlp.w2_input_scale": ((128,), "float32"),
            },
        ),
        (  # 2880 / 8 = 360, padded to 384 for the Triton kernel
            GPT_OSS,
            {"tensor_parallel_size": 8},
            {
                "mlp.w13_weight": ((128, 768, 1440), "uint8"),
                "mlp.w2_weight_scale": ((128, 2880, 12), "uint8"),
                "mlp.w2_bias": ((128, 2880), "bfloat16"),
                "attn.sinks": ((8,), "bfloat16"),
            },
        ),
        (
            "MiniMaxAI/MiniMax-M2.5",
            {"tensor_parallel_size": 16},
            {
                "block_sparse_moe.gate.weight": ((256, 3072), "float32"),
                "self_attn.q_norm.weight": ((384,), "bfloat16"),
                "self_attn.k_norm.weight": ((128,), "bfloat16"),  # 8 heads, each on two GPUs
            },
        ),
    ],
)
def test_a_gpu_holds_experts_as_vllm_creates_them(
    name: str, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    held = tensors(model(name), **settings)
    assert {key: held[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("settings", "shape"),
    [  # 128 experts of width 768
        ({"tensor_parallel_size": 4}, (128, 2 * 192, 2048)),
        ({"tensor_parallel_size": 2, "data_parallel_size": 2}, (128, 2 * 192, 2048)),
        ({"data_parallel_size": 4}, (128, 2 * 192, 2048)),
        (
            {"tensor_parallel_size": 2, "data_parallel_size": 2, "enable_expert_parallel": True},
            (32, 1536, 2048),
        ),
        ({"data_parallel_size": 48, "enable_expert_parallel": True}, (3, 1536, 2048)),  # the first ranks
        ({"enable_expert_parallel": True}, (128, 1536, 2048)),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, (128, 2 * 384, 2048)),
    ],
)
def test_tensor_and_data_parallel_gpus_divide_the_experts_together(
    settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    held = tensors(model(QWEN), **settings)
    assert held["mlp.w13_weight"][0] == shape
    # Data parallel replicas each have their own attention.
    heads = 32 // settings.get("tensor_parallel_size", 1)
    assert held["self_attn.o_proj.weight"][0] == (2048, heads * 128)


def test_one_gpu_has_no_map_of_experts() -> None:
    assert "mlp._expert_map" not in tensors(model(QWEN), enable_expert_parallel=True)


def test_shared_experts_are_whole_where_the_tokens_are_divided() -> None:
    shared = Linear("shared", Place(), 64, (Part(128, 128),), "column", sequence_parallel=True)
    other = replace(shared, sequence_parallel=False)
    both = Ranks(tensor=4, data=2, expert_parallel=True)
    assert (both.dividing(shared), both.dividing(other)) == (1, 4)
    assert Ranks(tensor=4, data=2).dividing(shared) == 4
    assert Ranks(tensor=4, expert_parallel=True).dividing(shared) == 4


@pytest.mark.parametrize(
    ("name", "settings", "code", "message", "fix"),
    [
        (
            QWEN_FP8,
            {"tensor_parallel_size": 16},
            "quantization-alignment",
            "--tensor-parallel-size 16: model.layers.*.mlp.experts has a width of 48 per GPU, "
            "no multiple of the FP8 block of 128",
            "use --tensor-parallel-size 1, 2, 4 or 8, or add --enable-expert-parallel",
        ),
        (
            "synthetic/Qwen3-30B-A3B-AWQ",
            {"tensor_parallel_size": 16},
            "quantization-alignment",
            "which no quantization group of 32 or more divides",
            "add --enable-expert-parallel",
        ),
        (
            "synthetic/Qwen3-30B-A3B-w4a16",
            {"tensor_parallel_size": 4},
            "quantization-alignment",
            "no multiple of the quantization group of 128",
            "use --tensor-parallel-size 1 or 2, or add --enable-expert-parallel",
        ),
        (
            MIXTRAL,
            {"data_parallel_size": 3},
            "split",
            "--tensor-parallel-size 1 times --data-parallel-size 3 does not divide the width 14336 of "
            "model.layers.*.block_sparse_moe.experts",
            "add --enable-expert-parallel",
        ),
        (
            GPT_OSS,
            {"tensor_parallel_size": 16},
            "split",
            "--tensor-parallel-size 16 does not divide the 8 of model.layers.*.attn.qkv_proj",
            "use --tensor-parallel-size 1, 2, 4 or 8",
        ),
        (
            GPT_OSS,
            {"pipeline_parallel_size": 7},
            "experts",
            "the 7 GPUs of all stages and replicas do not divide the experts' width of 2880",
            "use a --pipeline-parallel-size",
        ),
        (GPT_OSS, {"dtype": "float16"}, "dtype", "does not work with mxfp4 weights", "use --dtype bfloat16"),
    ],
)
def test_a_division_that_vllm_refuses_is_refused(
    name: str, settings: dict[str, Any], code: str, message: str, fix: str
) -> None:
    config = model(name)
    (reason,) = parallel.refusals(config, on_h100(config, **settings))
    assert reason.code == code
    assert message in reason.message
    assert fix in reason.fix


def test_more_tensor_parallel_gpus_than_experts_are_refused_where_the_models_file_does() -> None:
    config = model(QWEN, num_experts=8)
    asked = on_h100(config, tensor_parallel_size=16, enable_expert_parallel=True)
    assert [reason.code for reason in parallel.refusals(config, asked)] == ["experts"]
    mixtral = model(MIXTRAL)
    asked = on_h100(mixtral, tensor_parallel_size=16, enable_expert_parallel=True)
    assert not parallel.refusals(mixtral, asked)


def test_8_bit_experts_that_vllm_does_not_read_are_refused() -> None:
    group = {
        "targets": ["Linear"],
        "weights": {"num_bits": 8, "type": "int", "strategy": "tensor"},
        "input_activations": {"dynamic": True},
    }
    section = {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}
    config = model(QWEN, quantization_config=section)
    (reason,) = parallel.refusals(config, on_h100(config))
    assert "INT8 per channel" in reason.message


def test_experts_whose_matrices_differ_are_refused() -> None:
    def group(bits: int, target: str) -> dict[str, Any]:
        scheme = {"num_bits": bits, "type": "int", "strategy": "group", "group_size": 128}
        return {"targets": [target], "format": "pack-quantized", "weights": scheme}

    groups = {"a": group(4, "re:.*down_proj"), "b": group(8, "Linear")}
    section = {"quant_method": "compressed-tensors", "ignore": ["re:.*gate$"], "config_groups": groups}
    config = model(QWEN, quantization_config=section)
    (reason,) = parallel.refusals(config, on_h100(config))
    assert "matrices stored in different ways" in reason.message


def test_an_ignored_block_of_experts_stays_at_16_bit() -> None:
    section = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "ignored_layers": ["model.layers.3.mlp.experts", "model.layers.3.self_attn.o_proj"],
    }
    config = model(QWEN, quantization_config=section)
    held = weights.rank_tensors(config, on_h100(config), 0)
    counts = {tensor.dtype: tensor.count for tensor in held if tensor.name.endswith("w13_weight")}
    assert counts == {"float8_e4m3fn": 47, "bfloat16": 1}


def test_a_mixture_of_modelopt_gives_every_module_its_own_scheme() -> None:
    named = {
        "model.layers.*.self_attn.q_proj": "FP8",
        "model.layers.*.self_attn.k_proj": "FP8",
        "model.layers.*.self_attn.v_proj": "FP8",
        "model.layers.*.mlp.experts.0.up_proj": "W4A16_NVFP4",
    }
    layers = {
        name.replace("*", str(layer)): {"quant_algo": algorithm}
        for layer in range(48)
        for name, algorithm in named.items()
    }
    layers["lm_head"] = {"quant_algo": "W4A16_NVFP4"}
    section = {
        "quant_method": "modelopt",
        "quant_algo": "MIXED_PRECISION",
        "ignore": [],
        "quantized_layers": layers,
    }
    config = model(QWEN, quantization_config=section)
    held = tensors(config)
    assert held["self_attn.qkv_proj.weight"][1] == "float8_e4m3fn"
    assert held["self_attn.o_proj.weight"][1] == "bfloat16"
    assert held["mlp.gate.weight"][1] == "bfloat16"
    assert held["mlp.w2_weight"] == ((128, 2048, 384), "uint8")
    assert held["lm_head.weight"] == ((151936, 1024), "uint8")
    assert held["lm_head.input_scale"] == ((1,), "bfloat16")
    assert config.quantization is not None
    assert config.quantization.kv_scales == ()


@pytest.mark.parametrize(
    ("root", "section", "shapes"),
    [
        (
            {"model_type": "deepseek_v4"},
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            {"w13_weight": (8, 384, 256), "w13_weight_scale": (8, 384, 16)},
        ),
        (
            {"model_type": "deepseek_v4"},
            {"quant_method": "fp8", "weight_block_size": [128, 128], "moe_quant_algo": "NVFP4"},
            {"w13_weight": (8, 384, 256), "w13_weight_scale": (8, 384, 32)},
        ),
        (
            {"model_type": "deepseek_v4", "expert_dtype": "fp8"},
            {"quant_method": "fp8", "weight_block_size": [64, 64]},
            {"w13_weight": (8, 384, 512), "w13_weight_scale_inv": (8, 6, 8)},
        ),
        (
            {"architectures": ["KimiK3ForConditionalGeneration"]},
            {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"},
            {"w2_weight": (8, 512, 96), "w2_weight_scale": (8, 512, 6)},
        ),
        (
            {"model_type": "gpt_oss"},
            {"quant_method": "mxfp4"},
            {"w2_weight": (8, 512, 96), "w2_weight_scale": (8, 512, 6)},
        ),
    ],
)
def test_experts_of_a_kind_of_their_own_beside_other_layers(
    root: dict[str, Any], section: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> None:
    keys = Keys({**root, "quantization_config": section}, model="any")
    quantization = quantization_readers.read(keys, None)
    assert quantization is not None
    experts = Experts("model.layers.*.mlp.experts", Place(layers=(0,)), 8, 512, 192)
    scheme = quantization.expert_scheme(experts, 0)
    stored = {
        tensor.suffix: tensor.shape
        for tensor in scheme.tensors(split.expert_shard(experts, Ranks()), "bfloat16")
    }
    assert {name: stored[name] for name in shapes} == shapes


@pytest.mark.parametrize(
    ("name", "capability", "w13"),
    [  # on one of 8 GPUs: gpt-oss has 2880 / 8 = 360, Qwen3-30B 768 / 8 = 96
        (GPT_OSS, (8, 0), (128, 768, 1536)),
        (GPT_OSS, (9, 0), (128, 768, 1440)),
        (GPT_OSS, (10, 0), (128, 768, 1536)),
        (GPT_OSS, (12, 0), (128, 768, 1536)),
        (QWEN, (8, 0), (128, 192, 2048)),
        (QWEN, (10, 0), (128, 256, 2048)),
        (QWEN_FP8, (10, 0), (128, 192, 2048)),
    ],
)
def test_the_kernels_of_a_gpu_decide_the_padding(
    name: str, capability: tuple[int, int], w13: tuple[int, ...]
) -> None:
    config = model(name)
    settings = resolve(
        config,
        EngineSettings(tensor_parallel_size=8),
        gpu_memory_bytes=80 * GIB,
        gpu_name="any",
        compute_capability=capability,
    )
    held = {tensor.name: tensor.shape for tensor in weights.rank_tensors(config, settings, 0)}
    assert held["model.layers.*.mlp.experts.routed_experts.w13_weight"] == w13


def test_loaded_runtime_fp8_keeps_a_byte_of_each_weight_of_the_experts() -> None:
    config = model(QWEN)
    settings = on_h100(config, quantization="fp8")
    created = weights.rank_weights_bytes(config, settings, 0)
    loaded = weights.loaded_weights_bytes(config, settings, 0)
    quantized = 48 * (128 * 3 * 768 * 2048 + (32 + 4 + 4) * 128 * 2048 + 32 * 128 * 2048 + 128 * 2048)
    scales = 4 * 48 * (2 * 128 + 3 + 1 + 1)
    assert created - loaded == quantized - scales


ERNIE: dict[str, Any] = {
    "architectures": ["Ernie4_5_MoeForCausalLM"],
    "hidden_size": 2560,
    "intermediate_size": 12288,
    "num_hidden_layers": 28,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 103424,
    "moe_num_experts": 64,
    "moe_num_shared_experts": 2,
    "moe_intermediate_size": 1536,
    "moe_layer_start_index": 1,
    "moe_layer_end_index": -1,
    "tie_word_embeddings": True,
}
GRANITE: dict[str, Any] = {
    "architectures": ["GraniteMoeForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 512,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 49155,
    "num_local_experts": 32,
    "tie_word_embeddings": True,
}
LING: dict[str, Any] = {
    "architectures": ["BailingMoeForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 126464,
    "max_position_embeddings": 16384,
    "num_experts": 64,
    "num_shared_experts": 2,
}


@pytest.mark.parametrize(
    ("config", "parameters"),
    [  # as the model cards state them
        (ERNIE, "21.8"),  # ERNIE-4.5-21B-A3B
        (GRANITE, "1.3"),  # granite-3.1-1b-a400m
        (LING, "16.8"),  # Ling-lite
    ],
)
def test_families_outside_the_golden_data_have_as_many_parameters_as_published(
    config: dict[str, Any], parameters: str
) -> None:
    described = ModelConfig.from_dict(config, name="any")
    assert f"{weights.parameter_count(described) / 1e9:.1f}" == parameters
    assert not parallel.refusals(described, on_h100(described, tensor_parallel_size=4))


SECTIONS: list[dict[str, Any] | None] = [
    None,
    {"quant_method": "fp8"},
    {"quant_method": "fp8", "weight_block_size": [128, 128]},
    {"quant_method": "awq", "bits": 4, "group_size": 64},
    {"quant_method": "modelopt", "quant_algo": "NVFP4"},
]


@st.composite
def mixtures(draw: st.DrawFn) -> ModelConfig:
    """A Mixtral of any shape."""
    config = {
        "architectures": ["MixtralForCausalLM"],
        "hidden_size": 128 * draw(st.integers(1, 32)),
        "head_dim": 128,
        "num_attention_heads": 16,
        "num_key_value_heads": draw(st.sampled_from([1, 2, 4, 8, 16])),
        "num_hidden_layers": draw(st.integers(1, 8)),
        "num_local_experts": draw(st.integers(1, 96)),
        "intermediate_size": 32 * draw(st.integers(1, 128)),
        "vocab_size": 64000,
        "torch_dtype": "bfloat16",
        "quantization_config": draw(st.sampled_from(SECTIONS)),
    }
    return ModelConfig.from_dict(config, name="any")


@given(mixtures(), st.booleans(), st.sampled_from([1, 2]))
def test_more_gpus_never_make_a_rank_heavier(config: ModelConfig, expert_parallel: bool, data: int) -> None:
    engines = [
        on_h100(
            config,
            tensor_parallel_size=size,
            data_parallel_size=data,
            enable_expert_parallel=expert_parallel,
        )
        for size in (1, 2, 4, 8, 16)
        if not parallel.problems_of(config, Ranks(size, data, expert_parallel))
    ]
    # Scales may grow: narrow shares take finer blocks and groups.
    held = [
        sum(
            tensor.bytes
            for tensor in weights.rank_tensors(config, engine, 0)
            if not tensor.name.endswith(("_expert_map", "_scale_inv", "scales", "qzeros"))
        )
        for engine in engines
    ]
    assert held == sorted(held, reverse=True)


@given(mixtures(), st.sampled_from([2, 4, 8, 16]))
def test_expert_parallel_ranks_hold_every_expert_once_at_least(config: ModelConfig, gpus: int) -> None:
    held = tensors(config, tensor_parallel_size=gpus, enable_expert_parallel=True)
    weight = (
        "block_sparse_moe.w2_weight"
        if "block_sparse_moe.w2_weight" in held
        else "block_sparse_moe.w2_qweight"
    )
    experts = held["block_sparse_moe._expert_map"][0][0]
    assert experts <= held[weight][0][0] * gpus < experts + gpus
