"""GPU memory that is neither weights nor KV cache: measured, so a point and a range.

vLLM profiles one forward pass before it sizes the KV cache (v1/worker/gpu_worker.py,
determine_available_memory). What that pass takes is no property of config.json alone; the
coefficients below were fitted to start-up logs, and each carries the vLLM version it was seen in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valuegen.errors import UsageError
from valuegen.parallel import padded_vocab
from valuegen.units import GIB, MIB

if TYPE_CHECKING:
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings


DEFAULT_VLLM_VERSION = "0.33.0"


@dataclass(frozen=True)
class Estimate:
    """Bytes: the likely figure and the range that the measurements span."""

    point: int
    low: int
    high: int

    @classmethod
    def of(cls, point: float, low: float, high: float) -> Estimate:
        """An estimate in whole bytes."""
        return cls(round(point), round(low), round(high))


@dataclass(frozen=True)
class Calibration:
    """What was measured for one vLLM minor and those after it, up to the next entry."""

    since: tuple[int, int]
    measured_on: str  # the version the coefficients come from
    sampler_bytes: tuple[float, float, float]  # per logit (row x vocabulary): point, low, high
    graphs_in_budget: bool  # the CUDA graph estimate is taken from the KV cache


FORWARD_BYTES = (6.18, 6.0, 7.0)  # per token of the batch and hidden unit

CALIBRATIONS = (
    # 20 dense and MoE models on H100, T 8192, S 1024: mean error 0.07 GiB.
    Calibration((0, 19), "0.19", (14.14, 14.0, 14.5), graphs_in_budget=False),
    # 0.21 takes the graph estimate from the budget by default.
    Calibration((0, 21), "0.19", (14.14, 14.0, 16.0), graphs_in_budget=True),
    # The V2 model runner also profiles the float32 logits (vLLM pull request 57926: about 7 bytes
    # more per logit). Not measured on 0.33 itself, so the range spans both.
    Calibration((0, 33), "0.19", (17.7, 14.14, 21.2), graphs_in_budget=True),
)
OLDEST, NEWEST = CALIBRATIONS[0].since, (0, 33)

# Growth outside PyTorch while the profiling pass runs (NCCL, cuBLAS, collectives), per GPU.
ONE_GPU = Estimate.of(0.26 * GIB, 0.25 * GIB, 0.30 * GIB)  # H100, 0.19: 0.25 to 0.27 GiB
PIPELINE_ONLY = Estimate.of(0.07 * GIB, 0.05 * GIB, 0.30 * GIB)  # H100, 0.19
TENSOR_HOPPER = Estimate.of(2.12 * GIB, 2.0 * GIB, 3.1 * GIB)  # H100: 2.07 to 2.17; H200 up to 3.1
TENSOR_AMPERE = Estimate.of(1.70 * GIB, 0.5 * GIB, 1.8 * GIB)  # L40S, 0.19: 1.69 to 1.72
TENSOR_OLDER = Estimate.of(0.0, 0.0, 0.3 * GIB)  # T4, 0.22: no custom all-reduce

# Memory of one captured batch size. H100 at its 51 sizes: mean 1.04 GiB, 0.51 to 1.85.
GRAPH_BYTES_PER_SIZE = (1.04 * GIB / 51, 0.51 * GIB / 51, 1.85 * GIB / 51)

# CUDA context and start-up buffers, taken from what --gpu-memory-utilization leaves over.
CONTEXT_BYTES = 300 * MIB


def calibration(vllm_version: str) -> Calibration:
    """The entry that applies to a vLLM version such as "0.33" or "0.33.0"; UsageError if none does."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.\d+)*(?:[.+-].*)?", vllm_version)
    minor = (int(match[1]), int(match[2])) if match else (-1, -1)
    if not OLDEST <= minor <= NEWEST:
        raise UsageError(
            f"--vllm-version {vllm_version}: valuegen knows 0.{OLDEST[1]} to 0.{NEWEST[1]}",
            f"use a version in that range; the default is {DEFAULT_VLLM_VERSION}",
        )
    return max((entry for entry in CALIBRATIONS if entry.since <= minor), key=lambda entry: entry.since)


def full_version(vllm_version: str) -> str:
    """ "0.33" and "v0.33" mean the first release of that minor, 0.33.0."""
    version = vllm_version.removeprefix("v")
    return f"{version}.0" if version.count(".") == 1 else version


def activation(
    config: ModelConfig, settings: ResolvedSettings, calibration: Calibration, *, last_stage: bool
) -> Estimate:
    """Peak of the profiling pass: the batch's hidden states, and the logits on the stage with the head.

    The logits do not shrink with tensor parallelism: every rank gathers all of them.
    """
    rows = min(settings.max_num_batched_tokens, settings.max_num_seqs) if last_stage else 0
    logits = rows * padded_vocab(config.vocab_size)
    hidden = settings.max_num_batched_tokens * config.hidden_size
    return Estimate.of(
        *(
            sampler * logits + forward * hidden
            for sampler, forward in zip(calibration.sampler_bytes, FORWARD_BYTES, strict=True)
        )
    )


def non_torch(settings: ResolvedSettings, gpu: Gpu) -> Estimate:
    """Growth outside PyTorch on one GPU."""
    if settings.tensor_parallel_size > 1:
        if gpu.compute_capability >= (9, 0):
            return TENSOR_HOPPER
        return TENSOR_AMPERE if gpu.compute_capability >= (8, 0) else TENSOR_OLDER
    return PIPELINE_ONLY if settings.pipeline_parallel_size > 1 else ONE_GPU


def cuda_graphs(settings: ResolvedSettings, gpu: Gpu, calibration: Calibration) -> Estimate:
    """What vLLM sets aside for CUDA graphs before it sizes the KV cache."""
    if settings.enforce_eager or not calibration.graphs_in_budget:
        return Estimate(0, 0, 0)
    sizes = capture_sizes(settings, gpu)
    return Estimate.of(*(sizes * per_size for per_size in GRAPH_BYTES_PER_SIZE))


def capture_sizes(settings: ResolvedSettings, gpu: Gpu) -> int:
    """How many batch sizes vLLM captures: 1, 2, 4, then every 8 below 256, then every 16.

    Source: vLLM 0.33.0 config/vllm.py (_set_cudagraph_sizes).
    """
    ceiling = 1024 if gpu.compute_capability[0] == 10 else 512
    largest = min(2 * settings.max_num_seqs, ceiling, settings.max_num_batched_tokens)
    small = sum(1 for size in (1, 2, 4) if size <= largest)
    return small + len(range(8, min(largest, 248) + 1, 8)) + len(range(256, largest + 1, 16))
