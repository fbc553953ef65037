"""Which scheme each layer of a checkpoint has, and which layers are left alone.

Source: vLLM 0.33.0 model_executor/layers/quantization: utils/quant_utils.py (is_layer_skipped),
modelopt.py, compressed_tensors/utils.py; config/model.py (_verify_quantization).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

from valuegen.errors import ModelError
from valuegen.expert_schemes import PLAIN_EXPERTS, RefusedExperts
from valuegen.frozen import dataclass
from valuegen.schemes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from valuegen.architectures.base import Experts, Linear
    from valuegen.errors import Reason
    from valuegen.expert_schemes import ExpertScheme
    from valuegen.schemes import Scheme, Stored

# --quantization values that name the same method; what vLLM turns each into comes first.
ALIASES = {
    "awq": ("auto_awq", "awq", "awq_marlin", "marlin"),
    "deepseek_v4_fp8": ("deepseek_v4_fp8", "fp8"),
    "gptq": ("auto_gptq", "gptq", "gptq_marlin", "marlin"),
    "mxfp4": ("gpt_oss_mxfp4", "mxfp4"),
}
ONLINE_FP8 = ("fp8", "fp8_per_tensor")
LINEAR_CLASSES = {"Linear", "LinearBase"}
DEPRECATED = ("fbgemm_fp8",)
LAYER = re.compile(r"layers\.(\d+)\.")

S = TypeVar("S")


@dataclass(frozen=True)
class Rule:
    """A scheme and the layers it is for: a class name such as Linear, a name, or `re:` and a pattern."""

    targets: tuple[str, ...]
    scheme: Scheme
    experts: ExpertScheme = PLAIN_EXPERTS  # the same for routed experts


@dataclass(frozen=True)
class Quantization:
    """A checkpoint's own quantization, as config.json or hf_quant_config.json states it."""

    method: str  # as limits.METHOD_CAPABILITY lists them
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    match: Literal["exact", "substring", "wildcard", "pattern"] = "exact"
    kv_cache_dtype: str | None = None  # of the cache, when the checkpoint decides it
    kv_scales: tuple[Stored, ...] = ()  # per attention layer
    latent_kv_scales: bool = False  # the same for MLA
    quantizes_head: bool = False
    modules: tuple[tuple[str, Rule], ...] | None = None  # ModelOpt's mixture: a rule for each name, no other
    refusal: Reason | None = None

    @property
    def needs_deprecated_flag(self) -> bool:
        """Whether vLLM 0.33 starts only with --allow-deprecated-quantization."""
        return self.method in DEPRECATED

    def __post_init__(self) -> None:
        """Names are kept as `_numbered` makes them."""
        object.__setattr__(self, "ignored", tuple(shared_name(name) for name in self.ignored))

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
        merged = len(names) > 1
        if all(self._ignores(name, merged=merged) for name in names):
            return PLAIN
        if self._ignores(_numbered(linear.name, layer), merged=merged):
            return PLAIN
        rule = self._rule(names) if self.modules is None else self._mixed_rule(linear.name, names, layer)
        return PLAIN if rule is None else rule.scheme

    def expert_scheme(self, experts: Experts, layer: int | None) -> ExpertScheme:
        """How the routed experts of one layer are stored."""
        name = _numbered(experts.known_as, layer)
        if self.modules is not None:
            rule = None if self._ignores(name, merged=False) else self._mixed_expert_rule(name)
            return PLAIN_EXPERTS if rule is None else rule.experts
        if self.match != "pattern":
            rule = None if self._ignores(name, merged=False) else self._rule([name])
            return PLAIN_EXPERTS if rule is None else rule.experts
        # compressed-tensors names the matrices of an expert; vLLM asks for the first one's.
        parts = [f"{name}.0.{projection}" for projection in experts.projections]
        found = {None if self._ignores(part, merged=False) else self._rule([part]) for part in parts}
        schemes = {PLAIN_EXPERTS if rule is None else rule.experts for rule in found}
        return schemes.pop() if len(schemes) == 1 else RefusedExperts("matrices stored in different ways")

    def _rule(self, names: list[str]) -> Rule | None:
        """The rule for these very names, else one for the class wherever it stands."""
        for rule in self.rules:
            if any(all(_is(target, name) for name in names) for target in rule.targets):
                return rule
        return next((rule for rule in self.rules if LINEAR_CLASSES & set(rule.targets)), None)

    def _mixed_rule(self, name: str, names: list[str], layer: int | None) -> Rule | None:
        """Of a mixture: the rule that the merged matrices share (modelopt.py: _resolve_quant_algo)."""
        named = self._module_rules
        own = named.get(_numbered(name, layer))
        if own is not None:
            return own
        found = {named[part] for part in names if part in named}
        if len(found) > 1:
            raise ModelError(
                f"the matrices {', '.join(names)} are quantized in different ways, which vLLM 0.33 refuses",
                "use another checkpoint of this model",
            )
        return found.pop() if found else None

    def _mixed_expert_rule(self, name: str) -> Rule | None:
        """Of a mixture: the rule of the experts, of any one, else of anything beside them."""
        own = self._module_rules.get(name)
        if own is not None:
            return own
        first = self._first_inside
        return first.get(name) or first.get(name.removesuffix(".experts"))

    @cached_property
    def _module_rules(self) -> dict[str, Rule]:
        return dict(self.modules or ())

    @cached_property
    def _first_inside(self) -> dict[str, Rule]:
        """For every module that contains named ones: the rule of the first of them."""
        found: dict[str, Rule] = {}
        for name, rule in self.modules or ():
            parts = name.split(".")
            for length in range(1, len(parts)):
                found.setdefault(".".join(parts[:length]), rule)
        return found

    def by_scheme(self, linear: Linear, layers: tuple[int, ...]) -> dict[Scheme, tuple[int, ...]]:
        """The layers of a stage, by how their matrix is stored."""
        return self._grouped(self._known, linear.name, layers, lambda layer: self.scheme(linear, layer))

    def by_expert_scheme(
        self, experts: Experts, layers: tuple[int, ...]
    ) -> dict[ExpertScheme, tuple[int, ...]]:
        """The layers of a stage, by how their routed experts are stored."""
        return self._grouped(
            self._known_experts, experts.name, layers, lambda layer: self.expert_scheme(experts, layer)
        )

    def _grouped(
        self,
        known: dict[tuple[str, tuple[int, ...]], dict[S, tuple[int, ...]]],
        name: str,
        layers: tuple[int, ...],
        scheme_of: Callable[[int | None], S],
    ) -> dict[S, tuple[int, ...]]:
        if not self._layers_differ or not layers:
            return {scheme_of(layers[0] if layers else None): layers}
        if (name, layers) not in known:
            found: dict[S, list[int]] = {}
            for layer in layers:
                found.setdefault(scheme_of(layer), []).append(layer)
            known[name, layers] = {scheme: tuple(members) for scheme, members in found.items()}
        return known[name, layers]

    @cached_property
    def _known(self) -> dict[tuple[str, tuple[int, ...]], dict[Scheme, tuple[int, ...]]]:
        """Answers of by_scheme: a search asks the same for every size, and patterns are slow."""
        return {}

    @cached_property
    def _known_experts(self) -> dict[tuple[str, tuple[int, ...]], dict[ExpertScheme, tuple[int, ...]]]:
        """Answers of by_expert_scheme."""
        return {}

    @cached_property
    def _layers_differ(self) -> bool:
        """Whether layers can differ at all: a name that holds a number, or a pattern."""
        if self.modules is not None:
            return True
        named = [*self.ignored, *(target for rule in self.rules for target in rule.targets)]
        return any(re.search(r"\d|re:|[*?\[]", name) for name in named)

    @cached_property
    def _ignored_set(self) -> frozenset[str]:
        return frozenset(self.ignored)

    @cached_property
    def _wildcards(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Beginnings of names, which most patterns ask for and which are fast, and the other patterns."""
        patterns = [name for name in self.ignored if re.search(r"[*?\[]", name)]
        simple = [name for name in patterns if re.search(r"[*?\[]", name[:-1]) is None and name.endswith("*")]
        others = tuple(name for name in patterns if name not in simple)
        return tuple(name.removesuffix("*") for name in simple), others

    def _ignores(self, name: str, *, merged: bool) -> bool:
        if self.match == "exact":
            return self._names(name, merged=merged)
        if self.match == "substring":
            return any(ignored in name for ignored in self._candidates(name))
        if self.match == "wildcard":
            return (
                name.startswith(self._wildcards[0])
                or self._names(name, merged=merged)
                or any(ignored in name for ignored in self._candidates(name))
                or any(fnmatchcase(name, pattern) for pattern in self._wildcards[1])
            )
        return any(_is(ignored, name) for ignored in self.ignored)

    def _names(self, name: str, *, merged: bool) -> bool:
        """Whether the list has this name; of experts, any name that goes on from it."""
        if "experts" not in name or merged:
            return name in self._ignored_set
        return any(name in ignored for ignored in self._candidates(name))

    def _candidates(self, name: str) -> list[str]:
        """The entries that can have to do with a name: those of its layers and those of none."""
        numbers = ("", *LAYER.findall(name))
        return [ignored for number in numbers for ignored in self._ignored_by_layer.get(number, ())]

    @cached_property
    def _ignored_by_layer(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for ignored in self.ignored:
            number = LAYER.search(ignored)
            found.setdefault("" if number is None else number[1], []).append(ignored)
        return found


def shared_name(name: str) -> str:
    """A module's name without what config files and model files do not agree on: where the model sits."""
    for prefix in ("model.language_model.", "language_model.model.", "backbone."):
        if name.startswith(prefix):
            return f"model.{name.removeprefix(prefix)}"
    return name.removeprefix("language_model.")


def _numbered(name: str, layer: int | None) -> str:
    """The name of one layer's module, as checkpoints and configs write it."""
    name = shared_name(name)
    return name if layer is None else name.replace("*", str(layer))


def _is(pattern: str, name: str) -> bool:
    if pattern.startswith("re:"):
        return re.match(pattern[3:], name) is not None
    return pattern == name
