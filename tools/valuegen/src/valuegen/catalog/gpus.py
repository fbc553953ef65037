"""The GPU catalogue (gpus.toml) and how a GPU is found in it."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from valuegen.catalog.names import nearest, plain
from valuegen.errors import GpuError
from valuegen.facts import read_facts
from valuegen.frozen import dataclass
from valuegen.units import MIB


@dataclass(frozen=True)
class Gpu:
    """One GPU type. Memory in bytes as cudaMemGetInfo reports it, price in USD per GPU and hour."""

    name: str
    products: tuple[str, ...]  # values of the node label nvidia.com/gpu.product
    aliases: tuple[str, ...]
    compute_capability: tuple[int, int]
    memory_bytes: int
    memory_source: str
    interconnect: Literal["nvlink", "pcie"]
    max_per_node: int
    usd_per_hour: float

    @property
    def product(self) -> str:
        """The value of nvidia.com/gpu.product on most nodes that carry this GPU."""
        return self.products[0]

    @property
    def max_together(self) -> int:
        """Most of them in one node that a replica may take; a MIG slice reaches no other one."""
        return 1 if "-MIG-" in self.product else self.max_per_node

    @classmethod
    def find(cls, name: str) -> Gpu:
        """The GPU of that name, alias or product label; GpuError with the nearest name if there is none."""
        by_name = {plain(key): gpu for gpu in all_gpus() for key in (gpu.name, *gpu.aliases, *gpu.products)}
        try:
            return by_name[plain(name)]
        except KeyError:
            suggestion = nearest(
                name, [key for gpu in all_gpus() for key in (gpu.name, *gpu.aliases, *gpu.products)]
            )
            fix = f"did you mean {suggestion}? " if suggestion else ""
            raise GpuError(
                f"--gpu {name}: no such GPU", f"{fix}`valuegen gpus` lists the names that are known"
            ) from None


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Every GPU of the catalogue, in its order (small to large)."""
    return tuple(
        Gpu(
            name=name,
            products=tuple(facts["product"]),
            aliases=tuple(facts["aliases"]),
            compute_capability=(facts["compute_capability"][0], facts["compute_capability"][1]),
            memory_bytes=facts["memory_mib"] * MIB,
            memory_source=facts["memory_source"],
            interconnect=facts["interconnect"],
            max_per_node=facts["max_per_node"],
            usd_per_hour=facts["usd_per_hour"],
        )
        for name, facts in _document()["gpus"].items()
    )


def price_date() -> str:
    """Year and month of the catalogue's prices."""
    return str(_document()["price_date"])


@cache
def _document() -> dict[str, Any]:
    return read_facts("catalog/gpus")
