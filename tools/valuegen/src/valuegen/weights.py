"""Bytes of weights on one GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings


@dataclass(frozen=True)
class Tensor:
    """`count` equal tensors of a rank, for example one in each layer (`*` in the name)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    bytes: int  # of all `count` together
    is_buffer: bool  # held by the GPU, not stored in the checkpoint


def rank_tensors(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> list[Tensor]:
    """Every tensor that the largest rank of a pipeline stage holds."""
    raise NotImplementedError


def rank_weights_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes of parameters and buffers on the largest rank of a pipeline stage, as vLLM creates them."""
    return sum(tensor.bytes for tensor in rank_tensors(config, settings, pipeline_stage))


def parameter_count(config: ModelConfig) -> int:
    """Parameters of the whole model, quantization metadata left out."""
    raise NotImplementedError


def checkpoint_bytes(config: ModelConfig) -> int:
    """Bytes of the checkpoint's weights on disk."""
    raise NotImplementedError
