"""What a judgement asks of the host, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.explanation import Explanation, in_bytes
from valuegen.extras import pinned_bytes
from valuegen.host import (
    BUSY_PROCESSES,
    COMPILE_CACHE,
    DISK_MARGIN,
    ENGINE_INIT_SECONDS,
    LARGEST_SHARD,
    LEAST_DRAIN_SECONDS,
    LEAST_STARTUP_SECONDS,
)
from valuegen.offload import kv_region_bytes
from valuegen.units import GIB, ceil_div
from valuegen.weights import checkpoint_bytes
from valuegen.words import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.fit import FitResult
    from valuegen.host import HostNeeds

SECTION = "Host, for each pod"


def explain_host(result: FitResult, host: HostNeeds) -> Iterator[Explanation]:
    """Shared memory, memory, CPU, disk and times."""
    settings, pace = result.settings, result.pace
    gpus = result.gpus // result.nodes
    checkpoint = checkpoint_bytes(result.model.config)
    rings = f" + 160 MiB + {gpus} workers x 240 MiB + 24 MiB of message rings" if result.gpus > 1 else ""
    blocks = ceil_div(kv_region_bytes(settings), result.nodes)
    rings += f" + {gib(blocks)} of offloaded KV blocks" if blocks else ""
    yield Explanation(
        SECTION,
        "shared memory",
        in_bytes(host.shared_memory_bytes),
        "derived",
        (f"1 GiB for NCCL{rings}",),
        "vLLM 0.33.0 distributed/device_communicators/shm_broadcast.py, v1/executor/multiproc_executor.py",
    )
    pinned = 4 * settings.max_num_seqs * settings.max_model_len * gpus
    moved = ceil_div(pinned_bytes(result.model.config, settings), result.nodes)
    kept = f" + {gib(moved)} of offloaded weights and adapters" if moved else ""
    yield Explanation(
        SECTION,
        "memory request",
        gib(host.memory_request_bytes),
        "assumed",
        (
            f"servers 3 GiB + {gpus} x 2.5 GiB for workers + {gib(pinned)} of pinned token ids (4 B x "
            f"{settings.max_num_seqs} requests x {settings.max_model_len:,} tokens x {gpus}){kept} + shared memory",
        ),
        "vLLM 0.33.0 v1/worker/gpu/states.py (token ids); the rest is a proposal: measure your own",
    )
    shard = min(LARGEST_SHARD, checkpoint)
    yield Explanation(
        SECTION,
        "memory limit",
        gib(host.memory_limit_bytes),
        "assumed",
        (
            f"servers 3.5 GiB + {gpus} x 4 GiB for workers + the same token ids and shared memory + {gpus} x "
            f"{gib(shard)} for a shard of the checkpoint"
            + (" + the cache of processed images" if result.model.config.shape.encoder is not None else ""),
        ),
        "a proposal: upstream has no formula; measure your own",
    )
    yield Explanation(
        SECTION,
        "CPUs",
        str(host.cpu),
        "derived",
        (
            f"{BUSY_PROCESSES * settings.data_parallel_size} for API server and engine core + {gpus}, one for each GPU",
        ),
        "vLLM 0.33.0 v1/executor/multiproc_executor.py (one busy process per GPU)",
    )
    yield Explanation(
        SECTION,
        "model cache",
        gib(host.model_cache_bytes),
        "assumed",
        (
            f"checkpoint of {gib(checkpoint)} x {DISK_MARGIN:g} for partial downloads + "
            f"{COMPILE_CACHE // GIB} GiB of compiled kernels",
        ),
        "a proposal: upstream has no formula",
    )
    yield Explanation(
        SECTION,
        "start-up",
        f"{host.startup_seconds} s",
        "assumed",
        (
            f"{gib(checkpoint)} at {pace.storage_bytes_per_second / 1e6:,.0f} MB/s + {ENGINE_INIT_SECONDS} s to "
            f"compile, capture graphs and warm up, in whole minutes; at least {LEAST_STARTUP_SECONDS} s",
        ),
        "18 logged starts: shared storage read 53 MB/s and more, the engine then took at most 142 s",
    )
    yield Explanation(
        SECTION,
        "drain",
        f"{host.drain_seconds} s",
        "assumed",
        (
            f"an answer of {min(settings.max_model_len, pace.longest_answer_tokens):,} tokens at "
            f"{pace.tokens_per_second} tokens per second, in half minutes; at least {LEAST_DRAIN_SECONDS} s",
        ),
        "a proposal: set --longest-answer above your longest one",
    )
