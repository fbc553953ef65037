"""The quantization section of a checkpoint -> Quantization, one reader per method.

Source: vLLM 0.33.0 transformers_utils/model_arch_config_convertor.py (where the section stands) and each
method's from_config in model_executor/layers/quantization.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen import schemes
from valuegen.errors import Reason
from valuegen.expert_schemes import (
    PLAIN_EXPERTS,
    EightBitExperts,
    Nvfp4Experts,
    RefusedExperts,
    WeightOnlyExperts,
    Wna16Experts,
)
from valuegen.quantization import Quantization, Rule
from valuegen.schemes import EightBit, Scheme, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valuegen.expert_schemes import ExpertScheme
    from valuegen.keys import Keys

# What a method adds to every attention layer for a quantized cache.
KV_SCALES = tuple(Stored(f"{name}_scale", (), "model") for name in ("k", "v", "q", "prob"))
COMPRESSED_KV_SCALES = tuple(
    Stored(f"{name}_{part}", (1,), dtype)
    for name in ("k", "v", "q")
    for part, dtype in (("scale", "float32"), ("zero_point", "model"))
)


def read(keys: Keys, hf_quant_config: Keys | None) -> Quantization | None:
    """The quantization of config.json, else of ModelOpt's hf_quant_config.json; None when there is none."""
    for name in ("quantization_config", "compression_config"):
        if keys.has(name):
            return _from_section(keys.section(name))
    if keys.has("text_config") and keys.section("text_config").has("quantization_config"):
        return _from_section(keys.section("text_config").section("quantization_config"))
    return _from_section(hf_quant_config) if hf_quant_config is not None else None


def _from_section(section: Keys) -> Quantization | None:
    method = section.text("quant_method", "").lower().replace("compressed_tensors", "compressed-tensors")
    if section.has("producer") and section.section("producer").text("name", "") == "modelopt":
        method = "modelopt"
    if not method:
        return None  # vLLM, too, ignores a section without a method
    if method not in READERS:
        known = ", ".join(sorted(READERS))
        raise section.fail("quant_method", f"is {method!r}; known are {known}", "choose another checkpoint")
    return READERS[method](section)


def _fp8(section: Keys) -> Quantization:
    block = section.integers("weight_block_size")
    activations = section.text("activation_scheme", "dynamic")
    section.one_of("activation_scheme", activations, ("dynamic", "static"))
    if block and len(block) != 2:
        raise section.fail("weight_block_size", f"has {len(block)} entries; it must have 2")
    scheme = (
        EightBit("float8_e4m3fn", "block", "weight_scale_inv", (block[0], block[1]))
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


def _modelopt(section: Keys) -> Quantization:
    inner = section.section("quantization") if section.has("quantization") else section
    algorithm = inner.text("quant_algo").upper()
    ignored = inner.strings("exclude_modules") or inner.strings("ignore")
    fp8_cache = inner.text("kv_cache_quant_algo", "").upper() == "FP8"
    if isinstance(
        section.raw("kv_cache_scheme"), dict
    ):  # how config.json, not hf_quant_config.json, states it
        cache = section.section("kv_cache_scheme")
        fp8_cache = cache.text("type", "") == "float" and cache.positive("num_bits", 16) == 8
    if algorithm == "FP8":
        method: str = "modelopt"
        scheme: Scheme = EightBit("float8_e4m3fn", "tensor", input_scales="per-part")
        experts: ExpertScheme = EightBitExperts("float8_e4m3fn", "tensor", static_input=True, biased=False)
    elif algorithm == "NVFP4":
        group = inner.positive("group_size", 16)
        method, scheme, experts = "modelopt_fp4", schemes.Nvfp4(4, group), Nvfp4Experts(group)
    else:
        raise inner.fail("quant_algo", f"is {algorithm!r}; known are FP8, NVFP4", "choose another checkpoint")
    return Quantization(
        method,
        (Rule(("Linear",), scheme, experts),),
        ignored,
        match="wildcard",
        kv_cache_dtype="fp8_e4m3" if fp8_cache else None,
        kv_scales=KV_SCALES,
    )


def _compressed(section: Keys) -> Quantization:
    groups = section.section("config_groups")
    default_format = section.text("format", "")
    rules = []
    for name in section.entries("config_groups"):
        group = groups.section(name)
        scheme = _compressed_scheme(group, group.text("format", default_format))
        rules.append(Rule(_patterns(group, "targets"), scheme, _compressed_experts(scheme)))
    kv_cache_dtype = "fp8" if section.has("kv_cache_scheme") else None
    return Quantization(
        "compressed-tensors",
        tuple(rules),
        _patterns(section, "ignore"),
        match="pattern",
        kv_cache_dtype=kv_cache_dtype,
        kv_scales=COMPRESSED_KV_SCALES,
    )


def _compressed_scheme(group: Keys, layout: str) -> Scheme:
    weights = group.section("weights")
    bits, kind = weights.positive("num_bits"), weights.text("type", "int")
    strategy = weights.text("strategy", "tensor")
    activations = group.section("input_activations") if group.has("input_activations") else None
    if kind == "float" and bits == 4:
        return schemes.Nvfp4(
            4,
            weights.positive("group_size", 16),
            weight="weight_packed",
            global_scale="weight_global_scale",
            input_scale="input_global_scale" if activations is not None else None,
        )
    if layout == "pack-quantized" and bits in (4, 8):
        size = weights.positive("group_size") if strategy == "group" else -1
        return schemes.WeightOnly(bits, size, symmetric=weights.flag("symmetric", default=True))
    if bits == 8 and (activations is not None or kind == "float"):
        return _eight_bit(weights, activations, kind, strategy)
    raise weights.fail(
        "num_bits",
        f"is {bits} ({kind}, {layout or 'no format'}), which is not supported here",
        "choose another checkpoint",
    )


def _compressed_experts(scheme: Scheme) -> ExpertScheme:
    """The same scheme for routed experts, or why vLLM has none (compressed_tensors_moe.py)."""
    if isinstance(scheme, schemes.Nvfp4):
        return Nvfp4Experts(
            scheme.group, scheme.weight, scheme.global_scale, input_scale="input_global_scale"
        )
    if isinstance(scheme, schemes.WeightOnly):
        return WeightOnlyExperts(scheme.bits, scheme.group, scheme.symmetric)
    if not isinstance(scheme, EightBit):
        return PLAIN_EXPERTS
    static = scheme.input_scales != "none"
    if scheme.dtype == "int8" and (scheme.strategy != "channel" or static):
        return RefusedExperts("INT8 experts, which vLLM 0.33 reads per channel with dynamic activations only")
    if scheme.strategy == "channel" and static:
        return RefusedExperts("per-channel FP8 experts, which vLLM 0.33 reads with dynamic activations only")
    return EightBitExperts(
        scheme.dtype,
        scheme.strategy,
        block=scheme.block,
        static_input=static,
        biased=scheme.dtype == "int8",
    )


def _eight_bit(weights: Keys, activations: Keys | None, kind: str, strategy: str) -> EightBit:
    weights.one_of("strategy", strategy, ("tensor", "channel", "block"))
    static = activations is not None and not activations.flag("dynamic", default=False)
    if kind == "float":
        block = weights.integers("block_structure") or (128, 128)
        return EightBit(
            "float8_e4m3fn",
            "block" if strategy == "block" else "channel" if strategy == "channel" else "tensor",
            block=(block[0], block[-1]),
            input_scales="per-part" if static else "none",
        )
    symmetric = activations is None or activations.flag("symmetric", default=True)
    return EightBit(
        "int8",
        "channel" if strategy == "channel" else "tensor",
        input_scales="one" if static else "none",
        input_zero_point=static and not symmetric,
    )


READERS: Mapping[str, Callable[[Keys], Quantization]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "awq": _awq,
    "gptq": _gptq,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": _compressed,
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


def _patterns(section: Keys, key: str) -> tuple[str, ...]:
    """Names, or regular expressions behind `re:`."""
    patterns = section.strings(key)
    for pattern in patterns:
        try:
            re.compile(pattern.removeprefix("re:") if pattern.startswith("re:") else "")
        except re.error as error:
            raise section.fail(key, f"holds {pattern!r}, which is no regular expression ({error})") from error
    return patterns
