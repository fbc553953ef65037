"""The model catalogue (models/*.json): config.json facts of models that need no network.

A file holds a family: name -> `hub` (the Hub id: what `source.uri: hf://...` of the chart gets), `source`
(where the facts come from), `parameters` (billions as published; a test holds the facts against them),
`config` (the keys of config.json that decide memory, by their own names) and `hf_quant_config` (the same
of hf_quant_config.json, where the checkpoint has one). JSON, since the originals are, and since reading it
takes a twentieth of what TOML takes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valuegen.catalog.names import nearest, plain
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CatalogModel:
    """One model: the keys of its config.json that decide memory, and where they come from."""

    name: str
    hub: str  # Hugging Face Hub id
    source: str
    parameters: float  # in billions, as published
    config: Mapping[str, Any]
    hf_quant_config: Mapping[str, Any] | None


@cache
def all_models() -> tuple[CatalogModel, ...]:
    """Every model of the catalogue: families by name, each in its order."""
    files = sorted(Path(__file__).with_name("models").glob("*.json"))
    return tuple(
        CatalogModel(
            name=name,
            hub=facts["hub"],
            source=facts["source"],
            parameters=facts["parameters"],
            config=facts["config"],
            hf_quant_config=facts.get("hf_quant_config"),
        )
        for file in files
        for name, facts in json.loads(file.read_text(encoding="utf-8")).items()
    )


def find_model(name: str) -> CatalogModel | None:
    """The model of that catalogue name or Hub id, if the catalogue has it."""
    return _by_name().get(plain(name))


def nearest_model(name: str) -> str | None:
    """The catalogue name that looks most like `name`."""
    return nearest(name.rpartition("/")[2], [model.name for model in all_models()])


@cache
def _by_name() -> dict[str, CatalogModel]:
    return {plain(key): model for model in all_models() for key in (model.name, model.hub)}
