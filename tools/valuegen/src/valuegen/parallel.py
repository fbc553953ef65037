"""How a model is split over GPUs, and which sizes vLLM accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.errors import Reason


def refusals(config: ModelConfig, settings: ResolvedSettings) -> list[Reason]:
    """Everything for which vLLM would refuse this model with these settings."""
    raise NotImplementedError


def pipeline_layers(num_layers: int, pipeline_parallel_size: int) -> list[range]:
    """The layers of each pipeline stage.

    Source: vLLM 0.33.0 distributed/utils.py (get_pp_indices): what does not divide goes to the
    stages before the last, from the back, so that the last stage (with the head) stays light.
    """
    raise NotImplementedError
