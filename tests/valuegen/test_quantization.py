"""How each method stores a layer, and which layers it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.valuegen.models import document, model, on_h100

from valuegen import weights
from valuegen.config import ModelConfig
from valuegen.errors import ModelError

LLAMA = "meta-llama/Meta-Llama-3.1-8B"


def stored(quantization: dict[str, Any], name: str = "self_attn.qkv_proj") -> dict[str, tuple[Any, ...]]:
    """What one kind of layer is stored as on one of two GPUs: suffix -> (shape, dtype, count)."""
    config = model(LLAMA, quantization_config=quantization)
    prefix = f"model.layers.*.{name}."
    return {
        f"{tensor.name.removeprefix(prefix)} {tensor.dtype}": (tensor.shape, tensor.count)
        for tensor in weights.rank_tensors(config, on_h100(config, tensor_parallel_size=2), 0)
        if tensor.name.startswith(prefix)
    }


def compressed(weights: dict[str, Any], activations: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, **more}


# qkv_proj of Llama-3.1-8B on one of two GPUs: 4096 inputs, 2048 + 512 + 512 outputs.
@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        (
            {"quant_method": "fp8", "activation_scheme": "static"},
            {
                "weight float8_e4m3fn": ((3072, 4096), 32),
                "weight_scale float32": ((3,), 32),
                "input_scale float32": ((3,), 32),
            },
        ),
        (
            {"quant_method": "fp8", "weight_block_size": [128, 128]},
            {
                "weight float8_e4m3fn": ((3072, 4096), 32),
                "weight_scale_inv float32": ((24, 32), 32),
            },
        ),
        (
            compressed(
                {"num_bits": 8, "type": "int", "strategy": "tensor"}, {"dynamic": False, "symmetric": False}
            ),
            {
                "weight int8": ((3072, 4096), 32),
                "weight_scale float32": ((3,), 32),
                "input_scale float32": ((1,), 32),
                "input_zero_point int8": ((1,), 32),
            },
        ),
        (
            compressed(
                {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64, "symmetric": False},
                None,
                format="pack-quantized",
            ),
            {
                "weight_packed int32": ((3072, 512), 32),
                "weight_scale bfloat16": ((3072, 64), 32),
                "weight_shape int64": ((2,), 32),
                "weight_zero_point int32": ((384, 64), 32),
            },
        ),
        (
            compressed({"num_bits": 8, "type": "float", "strategy": "channel"}, None),
            {"weight float8_e4m3fn": ((3072, 4096), 32), "weight_scale float32": ((3072, 1), 32)},
        ),
        (
            {"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": True, "desc_act": True},
            {
                "qweight int32": ((512, 3072), 32),
                "scales bfloat16": ((1, 3072), 32),
                "qzeros int32": ((1, 384), 32),
            },
        ),
        (
            {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16},
            {
                "weight uint8": ((3072, 2048), 32),
                "weight_scale float8_e4m3fn": ((3072, 256), 32),
                "weight_scale_2 float32": ((3,), 32),
                "input_scale float32": ((3,), 32),
            },
        ),
    ],
    ids=["fp8-static", "fp8-block", "w8a8-asymmetric", "w4a16-asymmetric", "w8a16", "gptq-channel", "nvfp4"],
)
def test_a_layer_is_stored_as_its_method_says(
    quantization: dict[str, Any], expected: dict[str, tuple[Any, ...]]
) -> None:
    assert stored(quantization) == expected


FP8 = {"quant_method": "fp8"}
QKV = [f"model.layers.0.self_attn.{name}_proj" for name in "qkv"]


@pytest.mark.parametrize(
    ("quantization", "layers_at_16_bit"),
    [
        (FP8, 0),
        (FP8 | {"ignored_layers": QKV}, 1),
        (FP8 | {"modules_to_not_convert": QKV}, 1),
        (FP8 | {"ignored_layers": ["model.layers.0.self_attn.o_proj"]}, 0),  # another layer's name
        (FP8 | {"ignored_layers": ["self_attn"]}, 0),  # names are exact
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": ["self_attn"]}, 32),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["model.layers.1*"]}, 11),
        (
            compressed(
                {"num_bits": 8, "type": "int", "strategy": "channel"}, {}, ignore=[r"re:.*\.[12]\.self.*"]
            ),
            2,
        ),
    ],
)
def test_ignored_layers_are_found_as_the_method_spells_them(
    quantization: dict[str, Any], layers_at_16_bit: int
) -> None:
    plain = stored(quantization).get("weight bfloat16", ((), 0))
    assert plain[1] == layers_at_16_bit


@pytest.mark.parametrize("order", [("mlp", "rest"), ("rest", "mlp")])
def test_groups_of_layers_can_have_their_own_scheme(order: tuple[str, str]) -> None:
    groups = {
        "mlp": {
            "targets": ["re:.*mlp.*"],
            "weights": {"num_bits": 8, "type": "float", "strategy": "channel"},
        },
        "rest": {
            "targets": ["Linear"],
            "format": "pack-quantized",
            "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128},
        },
    }
    quantization = {
        "quant_method": "compressed-tensors",
        "config_groups": {name: groups[name] for name in order},
    }
    assert "weight float8_e4m3fn" in stored(quantization, "mlp.down_proj")
    assert "weight_packed int32" in stored(quantization, "self_attn.o_proj")


@pytest.mark.parametrize(
    ("quantization", "complaint"),
    [
        ({"quant_method": "gptq", "bits": 3}, "bits is 3; vLLM 0.33 reads symmetric GPTQ with 4 or 8 bits"),
        ({"quant_method": "awq", "bits": 8}, "bits is 8; vLLM 0.33 reads AWQ with 4 bits"),
        ({"quant_method": "awq", "bits": 4}, "group_size is missing; it must be a positive integer or -1"),
        ({"quant_method": "gptq", "bits": 4, "lm_head": True}, "lm_head is true"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"-:a": {}}}, "dynamic overrides single layers"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8"}, "quant_algo is 'W4A8'; known are FP8"),
        (compressed({"num_bits": 3}, None), "config_groups.group_0.weights.num_bits is 3"),
        (compressed({"num_bits": 8}, {}, ignore=["re:("]), "ignore holds 're:('"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size has 1 entries"),
    ],
)
def test_a_method_that_cannot_be_computed_is_refused_by_its_key(
    quantization: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ModelError, match="quantization_config") as error:
        model(LLAMA, quantization_config=quantization)
    assert complaint in error.value.message


def test_a_section_without_a_method_is_no_quantization_as_in_vllm() -> None:
    assert model(LLAMA, quantization_config={"bits": 4}).quantization is None


def test_modelopt_is_read_from_its_own_file() -> None:
    file = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    config = ModelConfig.from_dict(document(LLAMA), name="any", hf_quant_config=file)
    assert config.quantization is not None
    assert config.quantization.method == "modelopt"
    assert on_h100(config).kv_cache_dtype == "fp8_e4m3"
    with pytest.raises(ModelError, match=r"hf_quant_config.json key quantization\.quant_algo is missing"):
        ModelConfig.from_dict(document(LLAMA), name="any", hf_quant_config={**file, "quantization": {}})


@pytest.mark.parametrize(
    ("name", "asked", "accepted"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct-AWQ", "awq_marlin", True),
        ("Qwen/Qwen2.5-0.5B-Instruct-AWQ", "fp8", False),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "gptq_marlin", True),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "awq", False),
        ("Qwen/Qwen3-8B-FP8", "fp8", True),
    ],
)
def test_the_method_asked_for_must_be_the_checkpoints(name: str, asked: str, accepted: bool) -> None:
    quantization = model(name).quantization
    assert quantization is not None
    assert quantization.accepts(asked) is accepted


def test_a_deprecated_method_is_marked() -> None:
    marked = [
        name
        for name in ("meta-llama/Llama-3.1-405B-Instruct-FP8", "Qwen/Qwen3-8B-FP8")
        if (quantization := model(name).quantization) is not None and quantization.needs_deprecated_flag
    ]
    assert marked == ["meta-llama/Llama-3.1-405B-Instruct-FP8"]
