"""Words that messages, tables and comments share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.units import GIB

if TYPE_CHECKING:
    from valuegen.fit import FitResult


def gib(size: int) -> str:
    """Bytes with two decimals; a shortage is none."""
    return f"{max(0, size) / GIB:.2f} GiB"


def requests(count: int) -> str:
    """So many requests."""
    return f"{count:,} request{'' if count == 1 else 's'}"


def gpus(result: FitResult) -> str:
    """The GPUs of one replica and how the model is split over them: 4 x L40S (TP4), EP: experts."""
    settings = result.settings
    split = [
        f"{label}{size}"
        for label, size in (
            ("TP", settings.tensor_parallel_size),
            ("PP", settings.pipeline_parallel_size),
            ("DP", settings.data_parallel_size),
        )
        if size > 1
    ]
    if settings.enable_expert_parallel:
        split.append("EP")
    if result.nodes > 1:
        split.append(f"{result.nodes} nodes")
    return f"{result.gpus} x {result.gpu.name}" + (f" ({' '.join(split)})" if split else "")
