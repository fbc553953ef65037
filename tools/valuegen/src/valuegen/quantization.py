"""Which scheme each layer of a checkpoint has, and which layers are left alone.

Source: vLLM 0.33.0 model_executor/layers/quantization: utils/quant_utils.py (is_layer_skipped),
modelopt.py, compressed_tensors/utils.py; config/model.py (_verify_quantization).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from valuegen.schemes import PLAIN

if TYPE_CHECKING:
    from valuegen.architectures.base import Linear
    from valuegen.errors import Reason
    from valuegen.schemes import Scheme, Stored

# --quantization values that name the same method; what vLLM turns each into comes first.
ALIASES = {
    "awq": ("auto_awq", "awq", "awq_marlin", "marlin"),
    "gptq": ("auto_gptq", "gptq", "gptq_marlin", "marlin"),
}
ONLINE_FP8 = ("fp8", "fp8_per_tensor")
LINEAR_CLASSES = {"Linear", "LinearBase"}
DEPRECATED = ("fbgemm_fp8",)


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

    @property
    def needs_deprecated_flag(self) -> bool:
        """Whether vLLM 0.33 starts only with --allow-deprecated-quantization."""
        return self.method in DEPRECATED

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
        return self._named(names) or self._of_class() or PLAIN

    def _named(self, names: list[str]) -> Scheme | None:
        """The rule for these very names, which goes before one for a class wherever it stands."""
        for rule in self.rules:
            if any(all(_is(target, name) for name in names) for target in rule.targets):
                return rule.scheme
        return None

    def _of_class(self) -> Scheme | None:
        return next((rule.scheme for rule in self.rules if LINEAR_CLASSES & set(rule.targets)), None)

    def by_scheme(self, linear: Linear, layers: tuple[int, ...]) -> dict[Scheme, tuple[int, ...]]:
        """The layers of a stage, by how their matrix is stored."""
        if not self._layers_differ or not layers:
            return {self.scheme(linear, layers[0] if layers else None): layers}
        key = linear.name, layers
        if key not in self._known:
            found: dict[Scheme, list[int]] = {}
            for layer in layers:
                found.setdefault(self.scheme(linear, layer), []).append(layer)
            self._known[key] = {scheme: tuple(members) for scheme, members in found.items()}
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[str, tuple[int, ...]], dict[Scheme, tuple[int, ...]]]:
        """Answers of by_scheme: a search asks the same for every size, and patterns are slow."""
        return {}

    @cached_property
    def _layers_differ(self) -> bool:
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


def _numbered(name: str, layer: int | None) -> str:
    """The name of one layer's module, as checkpoints and configs write it."""
    name = name.removeprefix("language_model.")
    return name if layer is None else name.replace("*", str(layer))


def _is(pattern: str, name: str) -> bool:
    if pattern.startswith("re:"):
        return re.match(pattern[3:], name) is not None
    return pattern == name
