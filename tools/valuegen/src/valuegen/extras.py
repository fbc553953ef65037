"""What LoRA, drafts and offloading change in memory; each is loaded when it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.frozen import dataclass
from valuegen.overhead import Estimate, cuda_graphs, plus

if TYPE_CHECKING:
    from valuegen.calibration import Calibration
    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings


@dataclass(frozen=True)
class Extras:
    """What features add on a GPU of a stage. Bytes."""

    lora: int = 0
    draft: int = 0
    offloaded: int = 0
    buffers: int = 0  # of drafting, in every pass


def extras(config: ModelConfig, settings: ResolvedSettings, stage: int) -> Extras:
    """What features add on the GPU of a stage that holds most."""
    found = Extras()
    if settings.enable_lora:
        from valuegen import lora  # noqa: PLC0415

        found = replace(found, lora=lora.rank_bytes(config, settings, stage))
    if settings.offloads:
        from valuegen import offload  # noqa: PLC0415

        found = replace(found, offloaded=offload.offloaded(config, settings, stage).saved)
    if settings.speculative_config is not None and stage == settings.pipeline_parallel_size - 1:
        from valuegen import drafts  # noqa: PLC0415

        found = replace(
            found,
            draft=drafts.weights_bytes(config, settings, stage),
            buffers=drafts.buffer_bytes(config, settings),
        )
    return found


def graphs(
    config: ModelConfig, settings: ResolvedSettings, gpu: Gpu, *, fitted: Calibration, last_stage: bool
) -> Estimate:
    """Each graph is captured once more for adapters; heads that draft have graphs of their own.

    Source: vLLM 0.33.0 v1/worker/gpu/lora_utils.py, v1/worker/gpu/spec_decode/target_dependent_ar.
    """
    if not fitted.graphs_in_budget:
        return Estimate(0, 0, 0)
    own = cuda_graphs(config.shape, settings, gpu, fitted)
    asked = settings.speculative_config
    if not settings.enable_lora and asked is None:
        return own
    found = [own, own] if settings.enable_lora else [own]
    if last_stage and config.draft is not None and asked is not None and asked.method != "draft_model":
        layers = replace(config.draft.shape, layers=len(config.draft.kv_layers))
        found.append(cuda_graphs(layers, replace(settings, pipeline_parallel_size=1), gpu, fitted))
    return plus(*found)


def pinned_bytes(config: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes of the host's memory that hold weights and adapters of all GPUs."""
    ranks = settings.tensor_parallel_size * settings.data_parallel_size
    held = 0
    if settings.enable_lora:
        from valuegen import lora  # noqa: PLC0415

        held += lora.host_bytes(config, settings) * ranks * settings.pipeline_parallel_size
    if settings.offloads:
        from valuegen import offload  # noqa: PLC0415

        stages = range(settings.pipeline_parallel_size)
        held += ranks * sum(offload.offloaded(config, settings, stage).host for stage in stages)
    return held
