"""The model catalogue (models.toml): config.json facts of models that need no network."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from valuegen.catalog.names import nearest, plain
from valuegen.facts import read_facts
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CatalogModel:
    """One model: the keys of its config.json that decide memory, and where they come from."""

    name: str
    hub: str  # Hugging Face Hub id
    source: str
    config: Mapping[str, Any]
    hf_quant_config: Mapping[str, Any] | None


@cache
def all_models() -> tuple[CatalogModel, ...]:
    """Every model of the catalogue, in its order."""
    return tuple(
        CatalogModel(
            name=name,
            hub=facts["hub"],
            source=facts["source"],
            config=facts["config"],
            hf_quant_config=facts.get("hf_quant_config"),
        )
        for name, facts in read_facts("catalog/models")["models"].items()
    )


def find_model(name: str) -> CatalogModel | None:
    """The model of that catalogue name or Hub id, if the catalogue has it."""
    by_name = {plain(key): model for model in all_models() for key in (model.name, model.hub)}
    return by_name.get(plain(name))


def nearest_model(name: str) -> str | None:
    """The catalogue name that looks most like `name`."""
    return nearest(name.rpartition("/")[2], [model.name for model in all_models()])
