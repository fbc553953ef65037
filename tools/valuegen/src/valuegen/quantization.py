"""How a checkpoint is quantized, and which of its layers are left alone.

Source: vLLM 0.33.0 transformers_utils/model_arch_config_convertor.py (which method), and
model_executor/layers/quantization: utils/quant_utils.py (is_layer_skipped), modelopt.py,
compressed_tensors/utils.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from valuegen import schemes
from valuegen.errors import Reason
from valuegen.schemes import PLAIN, EightBit, Scheme, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valuegen.architectures.base import Linear
    from valuegen.keys import Keys

# --quantization values that name the same method; what vLLM turns each into comes first.
ALIASES = {
    "awq": ("auto_awq", "awq", "awq_marlin", "marlin"),
    "gptq": ("auto_gptq", "gptq", "gptq_marlin", "marlin"),
}
ONLINE_FP8 = ("fp8", "fp8_per_tensor")

KV_SCALES = tuple(Stored(f"{name}_scale", (), "model") for name in ("k", "v", "q", "prob"))
COMPRESSED_KV_SCALES = tuple(
    Stored(f"{name}_{part}", (1,), dtype)
    for name in ("k", "v", "q")
    for part, dtype in (("scale", "float32"), ("zero_point", "model"))
)


@dataclass(frozen=True)
class Rule:
    """A scheme and the layers it is for: a class name such as Linear, a name, or `re:` and a pattern."""

    targets: tuple[str, ...]
    scheme: Scheme


@dataclass(frozen=True)
class Quantization:
    """A checkpoint's own quantization, as config.json or hf_quant_config.json states it."""

    method: str  # fp8, fbgemm_fp8, awq, gptq, compressed-tensors, modelopt, modelopt_fp4
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    match: Literal["exact", "substring", "wildcard", "pattern"] = "exact"
    kv_cache_dtype: str | None = None  # of the cache, when the checkpoint decides it
    kv_scales: tuple[Stored, ...] = ()  # per attention layer
    refusal: Reason | None = None

    def accepts(self, asked: str) -> bool:
        """Whether vLLM takes `--quantization asked` for this checkpoint; ModelOpt's overrules any."""
        if self.method.startswith("modelopt"):
            return True
        return asked in ALIASES.get(self.method, (self.method,))

    def scheme(self, linear: Linear, layer: int | None) -> Scheme:
        """How one layer's matrix is stored."""
        if not linear.quantizable:
            return PLAIN
        names = [_numbered(name, layer) for name in (linear.checkpoint_names or (linear.name,))]
        if all(self._ignores(name) for name in names) or self._ignores(_numbered(linear.name, layer)):
            return PLAIN
        for rule in self.rules:
            if any(_targets(target, names) for target in rule.targets):
                return rule.scheme
        return PLAIN

    def by_scheme(self, linear: Linear, layers: tuple[int, ...]) -> dict[Scheme, tuple[int, ...]]:
        """The layers of a stage, by how their matrix is stored."""
        if not self._names_layers() or not layers:
            return {self.scheme(linear, layers[0] if layers else None): layers}
        found: dict[Scheme, list[int]] = {}
        for layer in layers:
            found.setdefault(self.scheme(linear, layer), []).append(layer)
        return {scheme: tuple(members) for scheme, members in found.items()}

    def _names_layers(self) -> bool:
        """Whether layers can differ at all: a name that holds a number, or a pattern."""
        named = [*self.ignored, *(target for rule in self.rules for target in rule.targets)]
        return any(re.search(r"\d|re:|[*?\[]", name) for name in named)

    @cached_property
    def _ignored_set(self) -> frozenset[str]:
        return frozenset(self.ignored)

    def _ignores(self, name: str) -> bool:
        if self.match == "exact":
            return name in self._ignored_set
        if self.match == "substring":
            return any(ignored in name for ignored in self.ignored)
        if self.match == "wildcard":
            return any(ignored in name or fnmatchcase(name, ignored) for ignored in self.ignored)
        return any(_is(ignored, name) for ignored in self.ignored)


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
    ignored = section.strings("ignored_layers") or section.strings("modules_to_not_convert")
    return Quantization("fp8", (Rule(("Linear",), scheme),), ignored, kv_scales=KV_SCALES)


def _fbgemm(section: Keys) -> Quantization:
    scheme = EightBit("float8_e4m3fn", "channel", input_upper_bound=True)
    return Quantization("fbgemm_fp8", (Rule(("Linear",), scheme),), section.strings("modules_to_not_convert"))


def _awq(section: Keys) -> Quantization:
    bits = section.positive("bits", section.positive("w_bit", 4))
    if bits != 4:
        raise section.fail("bits", f"is {bits}; vLLM 0.33 reads AWQ with 4 bits", "choose another checkpoint")
    scheme = schemes.Awq(bits, _group(section, "group_size", "q_group_size"))
    ignored = section.strings("modules_to_not_convert")
    return Quantization("awq", (Rule(("Linear",), scheme),), ignored, match="substring")


def _gptq(section: Keys) -> Quantization:
    bits = section.positive("bits")
    if bits not in (4, 8) or not section.flag("sym", default=True):
        raise section.fail(
            "bits", f"is {bits}; vLLM 0.33 reads symmetric GPTQ with 4 or 8 bits", "choose another checkpoint"
        )
    if section.has("dynamic") and section.entries("dynamic"):
        raise section.fail("dynamic", "overrides single layers, which is not supported here")
    group = _group(section, "group_size")
    refusal = None
    if section.flag("desc_act", default=False) and group > 0:
        refusal = Reason(
            "gptq-activation-order",
            "the checkpoint uses GPTQ activation order (desc_act is true), which vLLM 0.33 no longer reads",
            "use a checkpoint with desc_act false or static activation order",
        )
    return Quantization("gptq", (Rule(("Linear",), schemes.Gptq(bits, group)),), refusal=refusal)


def _modelopt(section: Keys) -> Quantization:
    inner = section.section("quantization") if section.has("quantization") else section
    algorithm = inner.text("quant_algo").upper()
    ignored = inner.strings("exclude_modules") or inner.strings("ignore")
    kv_algorithm = inner.text("kv_cache_quant_algo", "").upper()
    if algorithm == "FP8":
        method: str = "modelopt"
        scheme: Scheme = EightBit("float8_e4m3fn", "tensor", input_scales="per-part")
    elif algorithm == "NVFP4":
        method, scheme = "modelopt_fp4", schemes.Nvfp4(4, inner.positive("group_size", 16))
    else:
        raise inner.fail("quant_algo", f"is {algorithm!r}; known are FP8, NVFP4", "choose another checkpoint")
    return Quantization(
        method,
        (Rule(("Linear",), scheme),),
        ignored,
        match="wildcard",
        kv_cache_dtype="fp8_e4m3" if kv_algorithm == "FP8" else None,
        kv_scales=KV_SCALES,
    )


def _compressed(section: Keys) -> Quantization:
    groups = section.section("config_groups")
    default_format = section.text("format", "")
    rules = []
    for name in section.entries("config_groups"):
        group = groups.section(name)
        scheme = _compressed_scheme(group, group.text("format", default_format))
        rules.append(Rule(_patterns(group, "targets"), scheme))
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
    if bits == 8 and activations is not None:
        return _eight_bit(weights, activations, kind, strategy)
    raise weights.fail(
        "num_bits",
        f"is {bits} ({kind}, {layout or 'no format'}), which is not supported here",
        "choose another checkpoint",
    )


def _eight_bit(weights: Keys, activations: Keys, kind: str, strategy: str) -> EightBit:
    weights.one_of("strategy", strategy, ("tensor", "channel", "block"))
    static = not activations.flag("dynamic", default=False)
    if kind == "float":
        block = weights.integers("block_structure") or (128, 128)
        return EightBit(
            "float8_e4m3fn",
            "block" if strategy == "block" else "channel" if strategy == "channel" else "tensor",
            block=(block[0], block[-1]),
            input_scales="per-part" if static else "none",
        )
    symmetric = activations.flag("symmetric", default=True)
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


def _patterns(section: Keys, key: str) -> tuple[str, ...]:
    """Names, or regular expressions behind `re:`."""
    patterns = section.strings(key)
    for pattern in patterns:
        try:
            re.compile(pattern.removeprefix("re:") if pattern.startswith("re:") else "")
        except re.error as error:
            raise section.fail(key, f"holds {pattern!r}, which is no regular expression ({error})") from error
    return patterns


def _numbered(name: str, layer: int | None) -> str:
    """The name of one layer's module, as checkpoints and configs write it."""
    name = name.removeprefix("language_model.")
    return name if layer is None else name.replace("*", str(layer))


def _is(pattern: str, name: str) -> bool:
    if pattern.startswith("re:"):
        return re.match(pattern[3:], name) is not None
    return pattern == name


def _targets(target: str, names: list[str]) -> bool:
    return target in {"Linear", "LinearBase"} or all(_is(target, name) for name in names)
