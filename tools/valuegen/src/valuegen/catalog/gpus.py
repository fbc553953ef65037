"""The GPU catalogue (gpus.toml): whole GPUs, the MIG slices that follow from them, and how one is found."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from valuegen.catalog.names import nearest, plain
from valuegen.errors import GpuError
from valuegen.facts import read_facts
from valuegen.frozen import dataclass
from valuegen.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What a driver keeps of nvidia-smi's total, at most, of the GPUs whose memory was measured.
DRIVER_KEEPS_MIB = {"up to 64 GiB": 768, "larger": 1280}
# A slice without a stated size: its eighths of the GPU's memory, less what the stated slices lack at most.
SLICE_SHARE = 0.91
MEMORY_SLICES = 8
COMPUTE_SLICES = 7
HOURS_OF_A_CARD = 3 * 365 * 24

PROFILE = re.compile(r"(?P<compute>\d+)g\.(?P<gigabytes>\d+)gb")
MIG = "-MIG-"  # between product and profile, in the label of a node with slices of one size only
NVIDIA_RESOURCE, AMD_RESOURCE = "nvidia.com/gpu", "amd.com/gpu"
NVIDIA_LABEL, AMD_LABEL = "nvidia.com/gpu.product", "amd.com/gpu.product-name"

Known = Literal["measured", "derived", "assumed"]


@dataclass(frozen=True)
class Gpu:
    """One GPU type or slice of one. Memory in bytes as cudaMemGetInfo reports it, price in USD per hour."""

    name: str
    products: tuple[str, ...]  # values of the node label `label`
    aliases: tuple[str, ...]
    compute_capability: tuple[int, int]
    memory_bytes: int
    memory_source: str
    interconnect: Literal["nvlink", "xgmi", "pcie"]
    max_per_node: int
    usd_per_hour: float
    memory_known: Known = "measured"
    arch: str = ""  # of an AMD GPU: gfx942
    planned: bool = False  # whether a plan considers it unasked
    whole: Gpu | None = None  # of a slice: the GPU that it is a part of
    profile: str = ""  # of a slice: 1g.10gb
    share: float = 1.0  # of a slice: what it takes from the GPU, by which it is priced

    @property
    def product(self) -> str:
        """The value of the product label on most nodes that carry this GPU."""
        return self.products[0]

    @property
    def is_amd(self) -> bool:
        """Whether it runs vLLM's ROCm build."""
        return bool(self.arch)

    @property
    def is_calibrated(self) -> bool:
        """Whether what is neither weights nor KV cache was measured on GPUs like it."""
        return not self.is_amd and self.whole is None

    @property
    def resource(self) -> str:
        """The extended resource that a pod asks for; of a slice with MIG's mixed strategy."""
        if self.profile:
            return f"nvidia.com/mig-{self.profile}"
        return AMD_RESOURCE if self.is_amd else NVIDIA_RESOURCE

    @property
    def label(self) -> str:
        """The node label that holds the product."""
        return AMD_LABEL if self.is_amd else NVIDIA_LABEL

    @property
    def node_products(self) -> tuple[str, ...]:
        """The label's values where `resource` is offered: with the mixed strategy those of the whole GPU."""
        return self.whole.products if self.whole is not None else self.products

    @property
    def max_together(self) -> int:
        """Most of them that one engine can use: a process sees one slice, and slices cannot talk."""
        return self.max_per_node if self.whole is None else 1

    @property
    def compute(self) -> str:
        """What its kernels are compiled for: 9.0 or gfx942."""
        return self.arch or f"{self.compute_capability[0]}.{self.compute_capability[1]}"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is not known about it, in sentences."""
        found = []
        if self.memory_known == "derived":
            found.append(f"no log shows how much memory {self.name} has for CUDA: {self.memory_source}")
        if self.memory_known == "assumed":
            found.append(f"the memory of {self.name} is not stated: {self.memory_source}")
        if not self.is_calibrated:
            found.append(
                "what is neither weights nor KV cache was measured on whole NVIDIA GPUs, not on "
                + ("AMD's" if self.is_amd else "slices")
            )
        return tuple(found)

    @classmethod
    def find(cls, name: str) -> Gpu:
        """The GPU of that name, alias or product label; GpuError with the nearest name if there is none."""
        try:
            return _by_name()[plain(name)]
        except KeyError:
            whole = (gpu for gpu in all_gpus() if MIG in name.upper() or gpu.whole is None)
            suggestion = nearest(name, [key for gpu in whole for key in _names(gpu)])
            fix = f"did you mean {suggestion}? " if suggestion else ""
            raise GpuError(
                f"--gpu {name}: no such GPU", f"{fix}`valuegen gpus` lists the names that are known"
            ) from None


@cache
def whole_gpus() -> tuple[Gpu, ...]:
    """Every GPU of the catalogue that is no slice, in its order (small to large within a generation)."""
    return tuple(_whole(name, facts) for name, facts in _document()["gpus"].items())


@cache
def planned_gpus() -> tuple[Gpu, ...]:
    """The GPUs that a plan considers if it is not told which."""
    return tuple(gpu for gpu in whole_gpus() if gpu.planned)


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Every GPU, each followed by its slices."""
    return tuple(entry for gpu in whole_gpus() for entry in (gpu, *slices(gpu)))


@cache
def slices(gpu: Gpu) -> tuple[Gpu, ...]:
    """The MIG slices of a whole GPU, small to large; none if it has none."""
    table = _document()["gpus"].get(gpu.name, {}).get("mig") if gpu.whole is None else None
    return tuple(_slices(gpu, _document()["mig"][table])) if table else ()


def price_date() -> str:
    """Year and month of the catalogue's prices."""
    return str(_document()["price_date"])


def _whole(name: str, facts: Mapping[str, Any]) -> Gpu:
    memory, source, known = facts.get("memory_mib"), facts.get("memory_source", ""), "measured"
    if memory is None:
        shown = facts["smi_mib"]
        kept = DRIVER_KEEPS_MIB["larger" if shown * MIB > 64 * GIB else "up to 64 GiB"]
        memory, known = shown - kept, "derived"
        source = f"nvidia-smi's {shown} MiB less {kept} MiB, the most that a driver keeps of a measured GPU"
    price = facts.get("usd_per_hour")
    return Gpu(
        name=name,
        products=tuple(facts["product"]),
        aliases=tuple(facts.get("aliases", ())),
        compute_capability=(facts["compute_capability"][0], facts["compute_capability"][1]),
        memory_bytes=memory * MIB,
        memory_source=source,
        interconnect=facts["interconnect"],
        max_per_node=facts["max_per_node"],
        usd_per_hour=price if price is not None else round(facts["card_usd"] / HOURS_OF_A_CARD, 2),
        memory_known=known,  # type: ignore[arg-type]
        arch=facts.get("arch", ""),
        planned=facts.get("planned", False),
    )


def _slices(gpu: Gpu, profiles: Mapping[str, list[float]]) -> Iterator[Gpu]:
    sizes = {profile: _profile(profile) for profile in profiles}
    most_compute = max(compute for compute, _ in sizes.values())
    whole_gigabytes = max(gigabytes for _, gigabytes in sizes.values())
    for profile, (count, *stated) in profiles.items():
        compute, gigabytes = sizes[profile]
        eighths = round(MEMORY_SLICES * gigabytes / whole_gigabytes)
        memory = gpu.memory_bytes * eighths // MEMORY_SLICES
        if stated:
            memory, known = min(memory, round(stated[0] * GIB)), gpu.memory_known
            source = f"nvidia-smi mig -lgip: {stated[0]:.2f} GiB, of {gpu.memory_source}"
        elif eighths == MEMORY_SLICES:
            known, source = gpu.memory_known, gpu.memory_source
        else:
            memory, known = int(memory * SLICE_SHARE), "assumed"
            source = f"{eighths} of {MEMORY_SLICES} memory slices less {1 - SLICE_SHARE:.0%}, of {gpu.memory_source}"
        # What is taken from the rest: 1g.10gb is a seventh of an A100, 1g.20gb a quarter.
        share = max(compute / max(most_compute, 1), eighths / MEMORY_SLICES)
        yield Gpu(
            name=f"{gpu.name}{MIG}{profile}",
            products=tuple(f"{product}{MIG}{profile}" for product in gpu.products),
            aliases=tuple(f"{alias}{MIG}{profile}" for alias in gpu.aliases),
            compute_capability=gpu.compute_capability,
            memory_bytes=memory,
            memory_source=source,
            interconnect="pcie",
            max_per_node=int(count) * gpu.max_per_node,
            usd_per_hour=round(gpu.usd_per_hour * share, 4),
            memory_known=known,
            whole=gpu,
            profile=profile,
            share=share,
        )


def _profile(profile: str) -> tuple[int, int]:
    """(compute slices, gigabytes) of a profile."""
    found = PROFILE.fullmatch(profile)
    if found is None:
        raise ValueError(f"gpus.toml: {profile!r} is no MIG profile such as 1g.10gb")
    return int(found["compute"]), int(found["gigabytes"])


def _names(gpu: Gpu) -> tuple[str, ...]:
    return (gpu.name, *gpu.aliases, *gpu.products)


@cache
def _by_name() -> dict[str, Gpu]:
    return {plain(key): gpu for gpu in all_gpus() for key in _names(gpu)}


@cache
def _document() -> dict[str, Any]:
    return read_facts("catalog/gpus")
