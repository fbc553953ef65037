"""The quantization section of a compressed-tensors checkpoint -> Quantization.

Source: vLLM 0.33.0 model_executor/layers/quantization/compressed_tensors (compressed_tensors.py and
compressed_tensors_moe/compressed_tensors_moe.py choose the scheme).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen import schemes
from valuegen.expert_schemes import (
    PLAIN_EXPERTS,
    BlockScaledExperts,
    EightBitExperts,
    Nvfp4Experts,
    RefusedExperts,
    WeightOnlyExperts,
)
from valuegen.quantization import Quantization, Rule
from valuegen.schemes import EightBit, Scheme, Stored

if TYPE_CHECKING:
    from valuegen.expert_schemes import ExpertScheme
    from valuegen.keys import Keys

KV_SCALES = tuple(
    Stored(f"{name}_{part}", (1,), dtype)
    for name in ("k", "v", "q")
    for part, dtype in (("scale", "float32"), ("zero_point", "model"))
)


def read(section: Keys) -> Quantization:
    """Read the schemes by target, and what is left alone."""
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
        kv_scales=KV_SCALES,
    )


def _compressed_scheme(group: Keys, layout: str) -> Scheme:
    weights = group.section("weights")
    bits, kind = weights.positive("num_bits"), weights.text("type", "int")
    strategy = weights.text("strategy", "tensor")
    activations = group.section("input_activations") if group.has("input_activations") else None
    if layout.startswith(("mxfp4", "mxfp8")) and kind == "float":
        return schemes.BlockScaled(4, "weight_packed") if bits == 4 else schemes.BlockScaled(8)
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
    if isinstance(scheme, schemes.BlockScaled):
        return BlockScaledExperts(scheme.bits, scheme.weight, biased=False)
    if not isinstance(scheme, EightBit):
        return PLAIN_EXPERTS
    static = scheme.input_scales != "none"
    by_channel = scheme.strategy == "channel"
    if (scheme.dtype == "int8" and not by_channel) or (by_channel and static):
        return RefusedExperts(
            "8-bit experts of a kind that vLLM 0.33 does not read: INT8 per channel, any per channel with "
            "dynamic activations"
        )
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


def _patterns(section: Keys, key: str) -> tuple[str, ...]:
    """Names, or regular expressions behind `re:`."""
    patterns = section.strings(key)
    for pattern in patterns:
        try:
            re.compile(pattern.removeprefix("re:") if pattern.startswith("re:") else "")
        except re.error as error:
            raise section.fail(key, f"holds {pattern!r}, which is no regular expression ({error})") from error
    return patterns
