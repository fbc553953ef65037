"""Values -> workloads: chart defaults < defaults < model < variant, as the chart's _resolve.tpl merges them."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from valuegen.frozen import dataclass
from valuegen.valuesfile import holds, overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.yamledit import KeyPath

VLLM = "vllm"  # the engine whose flags and memory are known
MAIN = "main"  # the variant that is the model itself


@dataclass(frozen=True)
class Workload:
    """One variant of a model with every default filled in; what null unset is absent."""

    name: str  # the model's key, or key/variant
    model: str  # the model's key
    body: dict[str, Any]
    layers: tuple[tuple[KeyPath, dict[str, Any]], ...]  # where it comes from, the nearest first

    @property
    def engine(self) -> str:
        """The server that it runs."""
        return str(self.body.get("engine") or VLLM)

    def section(self, name: str) -> dict[str, Any]:
        """A part of the body; empty when a null unset it."""
        part = self.body.get(name)
        return part if isinstance(part, dict) else {}

    def path_of(self, key: KeyPath) -> KeyPath:
        """Where a key of the body is written; where it would be when it is not."""
        for prefix, own in self.layers:
            if holds(own, key):
                return (*prefix, *key)
        return ("models", self.model, *key)


def chart() -> dict[str, Any]:
    """The package's own copy of the chart's defaults, thresholds, engine tag and owned flags; a test keeps it equal."""
    return _chart()


@cache
def _chart() -> dict[str, Any]:
    text = resources.files("valuegen.templates").joinpath("chart.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def workloads(data: dict[str, Any]) -> Iterator[Workload]:
    """Every workload that the chart would render of values that its schema accepts."""
    own_defaults = data.get("defaults") or {}
    defaults = overlay(chart()["defaults"], own_defaults)
    for key, model in (data.get("models") or {}).items():
        if model is None:
            continue
        model_body = overlay(defaults, {name: part for name, part in model.items() if name != "variants"})
        variants = model.get("variants") or {}
        if not _enabled(model_body):
            continue
        for variant in (MAIN, *sorted(name for name in variants if name != MAIN)):
            own = variants.get(variant) or {}
            body = overlay(model_body, own)
            if _enabled(body):
                layers = [(("models", key), model), (("defaults",), own_defaults)]
                if own:
                    layers.insert(0, (("models", key, "variants", variant), own))
                name = key if variant == MAIN else f"{key}/{variant}"
                yield Workload(name, key, _pruned(body), tuple(layers))


def _enabled(body: dict[str, Any]) -> bool:
    return body.get("enabled") is not False


def _pruned(body: dict[str, Any]) -> dict[str, Any]:
    """Without what a null unset."""
    return {
        key: _pruned(value) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }
