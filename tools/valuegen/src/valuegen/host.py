"""What one replica needs outside the GPU: shared memory, memory, CPU, disk and time.

Upstream has no formula for most of this; every constant says where it comes from, and what is no
more than a proposal is marked "assumed" in the output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.frozen import dataclass
from valuegen.units import GIB, MIB, ceil_div, round_up

if TYPE_CHECKING:
    from valuegen.engine import ResolvedSettings


# vLLM 0.33.0 distributed/device_communicators/shm_broadcast.py and v1/executor/multiproc_executor.py
RPC_RING = 160 * MIB  # one per engine: 10 chunks of 16 MiB
RESPONSE_RING = 240 * MIB  # one per worker: 10 chunks of 24 MiB
GROUP_RING = 24 * MIB  # the tensor-parallel group's broadcaster
NCCL_SHARED = GIB  # NCCL and PyTorch IPC: an allowance, also the floor for one GPU

# Anonymous host memory, from process listings: an allowance, measure your own.
WORKER_REQUEST, WORKER_LIMIT = int(2.5 * GIB), 4 * GIB
SERVER_REQUEST, SERVER_LIMIT = int(3 * GIB), int(3.5 * GIB)  # API server and engine core
LARGEST_SHARD = 5 * 10**9  # what save_pretrained writes by default; one is read at a time per worker

BUSY_PROCESSES = 2  # API server and engine core, beside one per GPU

COMPILE_CACHE = 5 * GIB
DISK_MARGIN = 1.1  # tokenizer, partial downloads

# Bytes per second. The slowest shared storage among the logs of calibration/host.toml read 53 MB/s; a
# first download over 1 Gbit/s is twice as fast, a local disk ten times.
SLOW_READ = 50 * 10**6
ORDINARY_READ = 100 * 10**6  # that first download: what `check` takes, so as to find only what is wrong
FASTEST_READ = 1500 * 10**6  # what vLLM's default loader does on one GPU from the fastest disk
ENGINE_INIT_SECONDS = 300  # compile, capture graphs, warm up: twice the longest of the logs, 142 s
LEAST_STARTUP_SECONDS = 600  # vLLM's own VLLM_ENGINE_READY_TIMEOUT_S

LEAST_DRAIN_SECONDS = 120

MM_CACHE = 4 * GIB  # of processed images, in each API server and engine core (config/multimodal.py)


@dataclass(frozen=True)
class Pace:
    """What only the operator knows; the defaults are on the slow side."""

    storage_bytes_per_second: int = SLOW_READ
    longest_answer_tokens: int = 4096
    tokens_per_second: int = 20  # of one request on a busy replica


DEFAULT_PACE = Pace()


@dataclass(frozen=True)
class HostNeeds:
    """For one pod, which is a replica unless that spans nodes; bytes, whole cores, seconds."""

    shared_memory_bytes: int
    memory_request_bytes: int
    memory_limit_bytes: int
    cpu: int
    model_cache_bytes: int
    startup_seconds: int
    drain_seconds: int


def host_needs(
    settings: ResolvedSettings,
    checkpoint_bytes: int,
    pace: Pace = DEFAULT_PACE,
    *,
    takes_images: bool = False,
    nodes: int = 1,
    pinned: int = 0,
) -> HostNeeds:
    """What the pod of one replica should ask for, or each of its pods on several nodes.

    `pinned` bytes of a replica hold offloaded weights and adapters.
    """
    gpus = ceil_div(gpus_per_replica(settings), nodes)
    shared = shared_memory(settings, nodes)
    # all_token_ids, pinned per worker: one int32 per token of every possible request.
    # Source: vLLM 0.33.0 v1/worker/gpu/states.py
    pinned = ceil_div(pinned, nodes) + 4 * settings.max_num_seqs * settings.max_model_len * gpus
    shard = min(LARGEST_SHARD, checkpoint_bytes)
    images = MM_CACHE * (1 + settings.data_parallel_size) if takes_images else 0
    request = SERVER_REQUEST + WORKER_REQUEST * gpus + pinned + shared
    limit = SERVER_LIMIT + WORKER_LIMIT * gpus + pinned + shared + shard * gpus + images
    return HostNeeds(
        shared_memory_bytes=shared,
        memory_request_bytes=round_up(request, GIB),
        memory_limit_bytes=round_up(limit, GIB),
        cpu=BUSY_PROCESSES * settings.data_parallel_size + gpus,
        model_cache_bytes=round_up(round(checkpoint_bytes * DISK_MARGIN) + COMPILE_CACHE, GIB),
        startup_seconds=startup_seconds(checkpoint_bytes, pace),
        drain_seconds=drain_seconds(settings, pace),
    )


def gpus_per_replica(settings: ResolvedSettings) -> int:
    """GPUs of one engine with all its data-parallel ranks."""
    return settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size


def shared_memory(settings: ResolvedSettings, nodes: int = 1) -> int:
    """Bytes of /dev/shm of a pod. One GPU per engine runs in-process and has no rings; the floor stays."""
    workers = settings.tensor_parallel_size * settings.pipeline_parallel_size
    blocks = 0
    if settings.kv_offloading_size is not None:
        from valuegen.offload import kv_region_bytes  # noqa: PLC0415  (only where KV blocks are kept)

        blocks = kv_region_bytes(settings)
    if workers == 1:
        return NCCL_SHARED + blocks
    rings = RPC_RING + RESPONSE_RING * ceil_div(workers, nodes) + GROUP_RING
    return rings * settings.data_parallel_size + NCCL_SHARED + ceil_div(blocks, nodes)


def startup_seconds(checkpoint_bytes: int, pace: Pace) -> int:
    """How long a first start may take: every byte once, then the engine's start; whole minutes."""
    speed = min(pace.storage_bytes_per_second, FASTEST_READ)
    seconds = ceil_div(checkpoint_bytes, speed) + ENGINE_INIT_SECONDS
    return max(LEAST_STARTUP_SECONDS, round_up(seconds, 60))


def drain_seconds(settings: ResolvedSettings, pace: Pace) -> int:
    """How long running requests get at shutdown: the longest answer at a slow pace; half minutes."""
    tokens = min(settings.max_model_len, pace.longest_answer_tokens)
    return max(LEAST_DRAIN_SECONDS, round_up(ceil_div(tokens, pace.tokens_per_second), 30))
