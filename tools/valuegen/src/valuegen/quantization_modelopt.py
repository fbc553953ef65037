"""The quantization section of a ModelOpt checkpoint -> Quantization.

Source: vLLM 0.33.0 model_executor/layers/quantization/modelopt.py; utils/torch_utils.py
(get_kv_cache_quant_algo_string).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.expert_schemes import (
    PLAIN_EXPERTS,
    BlockScaledExperts,
    EightBitExperts,
    Nvfp4Experts,
    RefusedExperts,
)
from valuegen.quantization import Quantization, Rule, shared_name
from valuegen.schemes import BlockScaled, EightBit, Nvfp4, Stored

if TYPE_CHECKING:
    from valuegen.expert_schemes import ExpertScheme
    from valuegen.keys import Keys

KV_SCALES = tuple(Stored(f"{name}_scale", (), "model") for name in ("k", "v", "q", "prob"))
METHODS = {
    "FP8": "modelopt",
    "FP8_PER_CHANNEL_PER_TOKEN": "modelopt",
    "FP8_PB_WO": "modelopt",
    "NVFP4": "modelopt_fp4",
    "W4A16_NVFP4": "modelopt_fp4",
    "MXFP8": "modelopt_mxfp8",
    "MIXED_PRECISION": "modelopt_mixed",
}
BLOCK_FP8 = ("FP8_PB_WO", "FP8_BLOCK_SCALES")
LINEAR_ONLY = RefusedExperts("an FP8 algorithm that vLLM 0.33 reads for linear layers only")


def read(section: Keys) -> Quantization:
    """Read hf_quant_config.json, or the section of config.json, which has the same keys or newer ones."""
    inner = section.section("quantization") if section.has("quantization") else section
    algorithm = inner.text("quant_algo").upper()
    inner.one_of("quant_algo", algorithm, tuple(METHODS))
    mixed = algorithm == "MIXED_PRECISION"
    kv_cache_dtype = _kv_cache_dtype(inner)
    return Quantization(
        METHODS[algorithm],
        () if mixed else (_rule(_weights_only(inner, algorithm), inner.positive("group_size", 16)),),
        inner.strings("ignore") or inner.strings("exclude_modules"),
        match="wildcard",
        kv_cache_dtype=kv_cache_dtype,
        kv_scales=() if mixed and kv_cache_dtype is None else KV_SCALES,
        latent_kv_scales=not mixed,
        quantizes_head=True,
        modules=_modules(inner) if mixed else None,
    )


def read_mxfp8(section: Keys) -> Quantization:
    """MXFP8 under a method name of its own, as MiniMax writes it."""
    ignored = section.strings("ignored_layers")
    return Quantization(
        "modelopt_mxfp8",
        (_rule("MXFP8", 16),),
        ignored,
        match="wildcard",
        kv_scales=KV_SCALES,
        latent_kv_scales=True,
        quantizes_head=True,
    )


def _weights_only(inner: Keys, algorithm: str) -> str:
    """NVFP4 whose groups all lack input_activations is the weight-only kind."""
    if algorithm != "NVFP4" or not inner.has("config_groups"):
        return algorithm
    groups = inner.section("config_groups")
    names = inner.entries("config_groups")
    quantized_input = any(groups.section(name).has("input_activations") for name in names)
    return algorithm if quantized_input or not names else "W4A16_NVFP4"


def _rule(algorithm: str, group: int) -> Rule:
    """The schemes of a checkpoint with one algorithm."""
    if algorithm == "FP8":
        experts: ExpertScheme = EightBitExperts("float8_e4m3fn", "tensor", static_input=True, biased=False)
        return Rule(("Linear",), EightBit("float8_e4m3fn", "tensor", input_scales="per-part"), experts)
    if algorithm == "FP8_PER_CHANNEL_PER_TOKEN":
        return Rule(("Linear",), EightBit("float8_e4m3fn", "channel"), LINEAR_ONLY)
    if algorithm == "FP8_PB_WO":
        return Rule(("Linear",), EightBit("float8_e4m3fn", "block", aligned_outputs="none"), LINEAR_ONLY)
    if algorithm == "NVFP4":
        return Rule(("Linear",), Nvfp4(4, group), Nvfp4Experts(group))
    if algorithm == "W4A16_NVFP4":
        return Rule(("Linear",), Nvfp4(4, group, input_dtype="model"), Nvfp4Experts(group))
    return Rule(("Linear",), BlockScaled(8), BlockScaledExperts(8))


def _mixed_rule(algorithm: str, group: int) -> Rule:
    """The schemes of one module of a mixture; block FP8 exists for experts, the other kinds do not."""
    if algorithm in BLOCK_FP8:
        experts = EightBitExperts("float8_e4m3fn", "block", "weight_scale_inv", refines=True)
        return Rule((), _rule("FP8_PB_WO", group).scheme, experts)
    rule = _rule(algorithm, group)
    return Rule((), rule.scheme, PLAIN_EXPERTS if rule.experts == LINEAR_ONLY else rule.experts)


def _modules(inner: Keys) -> tuple[tuple[str, Rule], ...]:
    layers = inner.section("quantized_layers")
    rules: dict[tuple[str, int], Rule] = {}
    found = []
    for name in inner.entries("quantized_layers"):
        entry = layers.section(name)
        algorithm = entry.text("quant_algo").upper()
        entry.one_of("quant_algo", algorithm, (*METHODS, *BLOCK_FP8))
        key = algorithm, entry.positive("group_size", 16)
        if key not in rules:
            rules[key] = _mixed_rule(*key)
        found.append((shared_name(name), rules[key]))
    return tuple(found)


def _kv_cache_dtype(inner: Keys) -> str | None:
    if isinstance(inner.raw("kv_cache_scheme"), dict):
        scheme = inner.section("kv_cache_scheme")
        is_fp8 = scheme.positive("num_bits", 16) == 8 and scheme.text("type", "") == "float"
        return "fp8_e4m3" if is_fp8 and not scheme.flag("dynamic", default=True) else None
    algorithm = inner.text("kv_cache_scheme", inner.text("kv_cache_quant_algo", ""))
    return "fp8_e4m3" if algorithm.upper() == "FP8" else None
