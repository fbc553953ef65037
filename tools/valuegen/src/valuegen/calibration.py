"""What was measured, by vLLM version: the numbers of calibration.toml.

They are fitted to start-up logs by calibration/fit.py beside this package; overhead.py says what
each one stands for.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from valuegen.errors import UsageError
from valuegen.facts import read_facts
from valuegen.frozen import dataclass

DEFAULT_VLLM_VERSION = "0.33.0"
OLDEST, NEWEST = (0, 10), (0, 33)

# The default of --gpu-memory-utilization was raised in 0.20 (config/cache.py).
RAISED_UTILIZATION_SINCE = (0, 20)
OLD_UTILIZATION = 0.9
# VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS is on since 0.21 (v1/worker/gpu_worker.py).
GRAPHS_IN_BUDGET_SINCE = (0, 21)
# The experts' buffers outlive the forward pass since the workspace manager (v1/worker/workspace.py):
# 0.12 logs do not show them beside the logits, 0.15 logs do.
EXPERTS_KEEP_WORKSPACE_SINCE = (0, 13)

Minor = tuple[int, int]


@dataclass(frozen=True)
class Range:
    """A coefficient: the likely value and what the logs span."""

    point: float
    low: float
    high: float


@dataclass(frozen=True)
class Growth:
    """GiB outside PyTorch on one kind of GPU: alone, and with others of a tensor parallel group."""

    alone: Range
    group: Range  # in a group of two, where vLLM's own all-reduce runs
    plain_group: Range  # the same where NCCL does all of it
    per_peer: float  # what each further GPU adds


@dataclass(frozen=True)
class Calibration:
    """The coefficients for one vLLM minor. Bytes per unit, unless a name says otherwise."""

    minor: Minor
    measured_on: str  # the newest version among the logs behind it
    sampler_counted: bool  # from vLLM's source: no log shows the sampler of this version
    sampler_bytes: Range  # per logit (row x vocabulary)
    residual_copies: Range  # hidden states that a layer holds beside its own MLP
    encoder_copies: Range  # the same in a vision tower
    graph_bytes: dict[str, Range]  # per captured graph and layer, by overhead.kind_of
    growth: dict[str, Growth]  # by overhead.kind_of

    @property
    def graphs_in_budget(self) -> bool:
        """Whether the CUDA graph estimate is taken from the KV cache."""
        return self.minor >= GRAPHS_IN_BUDGET_SINCE

    @property
    def experts_keep_workspace(self) -> bool:
        """Whether the experts' buffers are still held when the logits are computed."""
        return self.minor >= EXPERTS_KEEP_WORKSPACE_SINCE


def calibration(vllm_version: str) -> Calibration:
    """The coefficients for a version such as "0.33" or "0.33.0"; UsageError outside 0.10 to 0.33."""
    minor = minor_of(vllm_version)
    if not OLDEST <= minor <= NEWEST:
        raise UsageError(
            f"--vllm-version {vllm_version}: valuegen knows 0.{OLDEST[1]} to 0.{NEWEST[1]}",
            f"use a version in that range; the default is {DEFAULT_VLLM_VERSION}",
        )
    return _known(minor)


def default_utilization(minor: Minor) -> float | None:
    """--gpu-memory-utilization where it is not what 0.33 has."""
    return OLD_UTILIZATION if minor < RAISED_UTILIZATION_SINCE else None


def minor_of(vllm_version: str) -> Minor:
    """(0, 33) of "0.33", "v0.33.1" or "0.33.1rc2+local"; (-1, -1) if it is no version."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.?\w+)*(?:[.+-].*)?", vllm_version)
    return (int(match[1]), int(match[2])) if match else (-1, -1)


def full_version(vllm_version: str) -> str:
    """ "0.33" and "v0.33" mean the first release of that minor, 0.33.0."""
    version = vllm_version.removeprefix("v")
    return f"{version}.0" if version.count(".") == 1 else version


def select(document: dict[str, Any], minor: Minor) -> Calibration:
    """The coefficients of a calibration document that apply to one minor."""
    sampler = _latest(document["sampler"], minor)
    growth = _latest(document["growth"], minor)
    return Calibration(
        minor=minor,
        measured_on=sampler["measured_on"],
        sampler_counted=sampler["counted"],
        sampler_bytes=Range(*sampler["bytes"]),
        residual_copies=Range(*document["forward"]["residual_copies"]),
        encoder_copies=Range(*document["forward"]["encoder_copies"]),
        graph_bytes={kind: Range(*document["graphs"][kind]) for kind in ("hopper", "other", "unified")},
        growth={
            kind: Growth(
                alone=Range(*growth[kind]["alone"]),
                group=Range(*growth[kind]["group"]),
                plain_group=Range(*growth[kind]["plain_group"]),
                per_peer=growth[kind]["per_peer"],
            )
            for kind in ("hopper", "other", "unified")
        },
    )


def _latest(entries: list[dict[str, Any]], minor: Minor) -> dict[str, Any]:
    return max(
        (entry for entry in entries if tuple(entry["since"]) <= minor), key=lambda entry: entry["since"]
    )


@cache
def _known(minor: Minor) -> Calibration:
    return select(_document(), minor)


@cache
def _document() -> dict[str, Any]:
    return read_facts("calibration")
