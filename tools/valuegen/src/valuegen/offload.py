"""Weights and KV blocks that are kept in the host's memory.

Source: vLLM 0.33.0 config/offload.py, model_executor/offloader/{base,uva,prefetch}.py (what is moved),
model_executor/models/utils.py (make_layers: decoder layers only), config/cache.py (kv_offloading_size),
config/vllm.py (_post_init_kv_transfer_config), v1/kv_offload/cpu/{spec,shared_offload_region}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen import weights
from valuegen.errors import Reason
from valuegen.frozen import dataclass
from valuegen.limits import any_of
from valuegen.split import pipeline_layers
from valuegen.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

BACKENDS = ("auto", "uva", "prefetch")
KV_BACKENDS = ("native", "lmcache")


@dataclass(frozen=True)
class Offloaded:
    """Bytes of weights on one GPU's account: less on the GPU, and pinned in the host's memory."""

    saved: int = 0
    host: int = 0


def backend(settings: ResolvedSettings) -> str:
    """uva, prefetch, or nothing: what vLLM's `auto` comes to."""
    if settings.offload_backend != "auto":
        return settings.offload_backend
    if settings.offload_group_size > 0:
        return "prefetch"
    return "uva" if settings.cpu_offload_gb > 0 else ""


def offloaded(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> Offloaded:
    """What leaves each GPU of a pipeline stage."""
    kind = backend(settings)
    layers = pipeline_layers(config.num_hidden_layers, settings.pipeline_parallel_size)[pipeline_stage]
    if kind == "uva" and settings.cpu_offload_gb > 0:
        return _unified(config, settings, layers)
    if kind == "prefetch" and settings.offload_group_size > 0:
        return _prefetched(config, settings, layers)
    return Offloaded()


def _unified(config: ModelConfig, settings: ResolvedSettings, layers: range) -> Offloaded:
    """Parameters of the first layers, one after the other, until they are as many bytes as asked for."""
    wanted, moved = int(settings.cpu_offload_gb * GIB), 0
    for layer in layers:
        for tensor in weights.layer_tensors(config, settings, layer):
            for _ in range(tensor.count):
                if moved >= wanted:
                    return Offloaded(moved, moved)
                moved += tensor.bytes // tensor.count
    return Offloaded(moved, moved)


def _prefetched(config: ModelConfig, settings: ResolvedSettings, layers: range) -> Offloaded:
    """The last layers of each group, but for room on the GPU in which some of them wait for their turn."""
    group, last = settings.offload_group_size, settings.offload_num_in_group
    moved, kinds = 0, {}
    for position, layer in enumerate(layers):
        if position % group < group - last:
            continue
        for tensor in weights.layer_tensors(config, settings, layer):
            moved += tensor.bytes
            kinds[tensor.name, tensor.shape, tensor.dtype] = tensor.bytes
    room = settings.offload_prefetch_step * sum(kinds.values())
    return Offloaded(moved - room, moved)


def kv_region_bytes(settings: ResolvedSettings) -> int:
    """Bytes of /dev/shm for KV blocks of all GPUs; LMCache keeps them in a server of its own."""
    if settings.kv_offloading_size is None or settings.kv_offloading_backend != "native":
        return 0
    return int(settings.kv_offloading_size * GIB) * settings.data_parallel_size


def refusals(settings: ResolvedSettings) -> Iterator[Reason]:
    """What vLLM refuses of offloading."""
    for flag, value, known in (
        ("--offload-backend", settings.offload_backend, BACKENDS),
        ("--kv-offloading-backend", settings.kv_offloading_backend, KV_BACKENDS),
    ):
        if value not in known:
            yield Reason("offload-backend", f"{flag} {value} is unknown", f"use {any_of(list(known))}")
    if settings.cpu_offload_gb < 0:
        yield Reason(
            "cpu-offload", f"--cpu-offload-gb {settings.cpu_offload_gb:g} is below 0", "set 0 or more GiB"
        )
    if settings.kv_offloading_size is not None and settings.kv_offloading_size <= 0:
        yield Reason(
            "kv-offloading",
            f"--kv-offloading-size {settings.kv_offloading_size:g} holds no KV block",
            "set more than 0 GiB, or leave it out",
        )
    group, last = settings.offload_group_size, settings.offload_num_in_group
    if backend(settings) == "prefetch" and last > group:
        yield Reason(
            "offload-group",
            f"--offload-num-in-group {last} is more than --offload-group-size {group}",
            f"raise --offload-group-size to {last}, or lower --offload-num-in-group",
        )
