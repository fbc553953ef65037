"""What a kind of GPU rules out, whatever its memory: MIG slices, AMD, and what vLLM's images no longer run on.

Source: vLLM pull request 39878 (images for CUDA 13, which has no code for Volta, since 0.20), NVIDIA's MIG
user guide (one slice per process, no peer-to-peer between slices).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.calibration import Minor
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

CUDA_13_SINCE: Minor = (0, 20)
CUDA_13_CAPABILITY = (7, 5)


def refusals(config: ModelConfig, settings: ResolvedSettings, gpu: Gpu, minor: Minor) -> Iterator[Reason]:
    """Why vLLM of this minor version would not start on this kind of GPU."""
    if gpu.whole is not None:
        yield from _slice(settings, gpu, gpu.whole)
    if gpu.is_amd:
        from valuegen import rocm  # noqa: PLC0415  (few plans are for AMD)

        yield from rocm.refusals(config, settings, gpu)
    elif gpu.compute_capability < CUDA_13_CAPABILITY and minor >= CUDA_13_SINCE:
        yield Reason(
            "gpu-too-old",
            f"vLLM {minor[0]}.{minor[1]} is built for compute capability 7.5 or later; {gpu.name} has {gpu.compute}",
            "use a newer GPU, or vLLM 0.19",
        )


def _slice(settings: ResolvedSettings, gpu: Gpu, whole: Gpu) -> Iterator[Reason]:
    for kind in ("tensor", "pipeline", "data"):
        size = getattr(settings, f"{kind}_parallel_size")
        if size > 1:
            yield Reason(
                "mig-slice",
                f"--{kind}-parallel-size {size}: {gpu.name} is a MIG slice; an engine sees one of them, and they "
                "cannot reach each other",
                f"use one slice for each replica, or --gpu {whole.name}",
            )
