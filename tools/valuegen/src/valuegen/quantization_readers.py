"""The quantization section of a checkpoint -> Quantization, one reader per method.

Source: vLLM 0.33.0 transformers_utils/model_arch_config_convertor.py (where the section stands) and each
method's from_config in model_executor/layers/quantization.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import quantization_compressed, quantization_modelopt, schemes
from valuegen.errors import Reason
from valuegen.expert_schemes import (
    GPT_OSS_MXFP4,
    MXFP4,
    EightBitExperts,
    Nvfp4Experts,
    Wna16Experts,
)
from valuegen.quantization import Quantization, Rule
from valuegen.schemes import PLAIN, EightBit, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valuegen.expert_schemes import ExpertScheme
    from valuegen.keys import Keys

# What a method adds to every attention layer for a quantized cache.
KV_SCALES = tuple(Stored(f"{name}_scale", (), "model") for name in ("k", "v", "q", "prob"))


def read(keys: Keys, hf_quant_config: Keys | None) -> Quantization | None:
    """The quantization of config.json, else of ModelOpt's hf_quant_config.json; None when there is none."""
    for name in ("quantization_config", "compression_config"):
        if keys.has(name):
            return _from_section(keys.section(name), keys)
    if keys.has("text_config") and keys.section("text_config").has("quantization_config"):
        return _from_section(keys.section("text_config").section("quantization_config"), keys)
    return _from_section(hf_quant_config, keys) if hf_quant_config is not None else None


def _from_section(section: Keys, root: Keys) -> Quantization | None:
    method = section.text("quant_method", "").lower().replace("compressed_tensors", "compressed-tensors")
    producer = section.section("producer").text("name", "") if section.has("producer") else ""
    if producer == "modelopt" and section.has("quantization"):
        method = "modelopt"
    if not method:
        return None  # vLLM, too, ignores a section without a method
    model_type = root.text("model_type", "")
    if method == "mxfp4":
        return _mxfp4(GPT_OSS_MXFP4 if model_type == "gpt_oss" else MXFP4)
    if method == "fp8" and model_type == "deepseek_v4":
        return _deepseek_v4(section, root)
    if _is_kimi_k3(root) and section.text("format", "") == "mxfp4-pack-quantized":
        return _mxfp4(MXFP4)
    if method not in READERS:
        known = ", ".join(sorted({"mxfp4", *READERS}))
        raise section.fail("quant_method", f"is {method!r}; known are {known}", "choose another checkpoint")
    return READERS[method](section)


def _is_kimi_k3(root: Keys) -> bool:
    """vLLM reads its experts as MXFP4 whatever library wrote them (models/config.py)."""
    return root.strings("architectures")[:1] == ("KimiK3ForConditionalGeneration",)


def _mxfp4(experts: ExpertScheme) -> Quantization:
    """MXFP4 quantizes routed experts only, and all of them (mxfp4.py)."""
    return Quantization("mxfp4", (Rule(("Linear",), PLAIN, experts),))


def _deepseek_v4(section: Keys, root: Keys) -> Quantization:
    """Block FP8 beside experts of another kind (models/deepseek_v4/quant_config.py)."""
    plain = _fp8(section)
    expert_dtype = root.text("expert_dtype", "fp4")
    root.one_of("expert_dtype", expert_dtype, ("fp4", "fp8"))
    rule = plain.rules[0]
    if expert_dtype == "fp4" and isinstance(rule.scheme, EightBit):
        is_nvfp4 = section.text("moe_quant_algo", "").upper() == "NVFP4"
        experts: ExpertScheme = Nvfp4Experts() if is_nvfp4 else MXFP4
        rule = replace(rule, scheme=replace(rule.scheme, scale_dtype="float8_e8m0fnu"), experts=experts)
    return replace(plain, method="deepseek_v4_fp8", rules=(rule,))


def _fp8(section: Keys) -> Quantization:
    block = section.integers("weight_block_size")
    activations = section.text("activation_scheme", "dynamic")
    section.one_of("activation_scheme", activations, ("dynamic", "static"))
    if block and len(block) != 2:
        raise section.fail("weight_block_size", f"has {len(block)} entries; it must have 2")
    scheme = (
        EightBit(
            "float8_e4m3fn",
            "block",
            "weight_scale_inv",
            (block[0], block[1]),
            aligned_outputs="unmerged",  # linear.py: _maybe_allow_fp8_block_shape_mismatch
        )
        if block
        else EightBit(
            "float8_e4m3fn", "tensor", input_scales="per-part" if activations == "static" else "none"
        )
    )
    experts = EightBitExperts(
        scheme.dtype,
        "block" if block else "tensor",
        scheme.scale_name,
        scheme.block,
        refines=True,
        static_input=scheme.input_scales != "none",
    )
    ignored = section.strings("ignored_layers") or section.strings("modules_to_not_convert")
    return Quantization("fp8", (Rule(("Linear",), scheme, experts),), ignored, kv_scales=KV_SCALES)


def _fbgemm(section: Keys) -> Quantization:
    scheme = EightBit("float8_e4m3fn", "channel", input_upper_bound=True)
    return Quantization("fbgemm_fp8", (Rule(("Linear",), scheme),), section.strings("modules_to_not_convert"))


def _awq(section: Keys) -> Quantization:
    bits = section.positive("bits", section.positive("w_bit", 4))
    if bits != 4:
        raise section.fail("bits", f"is {bits}; vLLM 0.33 reads AWQ with 4 bits", "choose another checkpoint")
    _head_at_16_bit(section)
    group = _group(section, "group_size", "q_group_size")
    experts = Wna16Experts(bits, group, "outputs", zero_points=section.flag("zero_point", default=True))
    rule = Rule(("Linear",), schemes.Awq(bits, group), experts)
    return Quantization("awq", (rule,), section.strings("modules_to_not_convert"), match="substring")


def _gptq(section: Keys) -> Quantization:
    bits = section.positive("bits")
    if bits not in (4, 8) or not section.flag("sym", default=True):
        raise section.fail(
            "bits", f"is {bits}; vLLM 0.33 reads symmetric GPTQ with 4 or 8 bits", "choose another checkpoint"
        )
    if section.has("dynamic") and section.entries("dynamic"):
        raise section.fail("dynamic", "overrides single layers, which is not supported here")
    _head_at_16_bit(section)
    group = _group(section, "group_size")
    refusal = None
    if section.flag("desc_act", default=False) and group > 0:
        refusal = Reason(
            "gptq-activation-order",
            "the checkpoint uses GPTQ activation order (desc_act is true), which vLLM 0.33 no longer reads",
            "use a checkpoint with desc_act false or static activation order",
        )
    experts = Wna16Experts(bits, group, "inputs", zero_points=False)
    return Quantization("gptq", (Rule(("Linear",), schemes.Gptq(bits, group), experts),), refusal=refusal)


READERS: Mapping[str, Callable[[Keys], Quantization]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "awq": _awq,
    "gptq": _gptq,
    "modelopt": quantization_modelopt.read,
    "modelopt_fp4": quantization_modelopt.read,
    "modelopt_mixed": quantization_modelopt.read,
    "modelopt_mxfp8": quantization_modelopt.read,
    "mxfp8": quantization_modelopt.read_mxfp8,
    "compressed-tensors": quantization_compressed.read,
}


def _group(section: Keys, *names: str) -> int:
    """A group size; -1 is one group over all inputs."""
    for name in names:
        if section.has(name):
            return -1 if section.raw(name) == -1 else section.positive(name)
    raise section.fail(names[0], "is missing; it must be a positive integer or -1")


def _head_at_16_bit(section: Keys) -> None:
    if section.flag("lm_head", default=False):
        raise section.fail(
            "lm_head", "is true; a quantized head is not supported here", "choose another checkpoint"
        )
