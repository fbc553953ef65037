"""KV cache: how layers are grouped, what a block costs, how many requests fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings


@dataclass(frozen=True)
class KvGroup:
    """Layers that share a block table."""

    type: str  # "full" or "sliding-window"
    layers: int
    block_size: int  # tokens per block
    page_bytes: int  # of one block in one layer
    blocks_per_request: int  # of one request of max_model_len tokens


@dataclass(frozen=True)
class StageLayout:
    """The KV cache of one GPU of a pipeline stage."""

    bytes_per_block: int
    groups: tuple[KvGroup, ...]


@dataclass(frozen=True)
class KvCacheLayout:
    """The KV cache of the whole engine at one max_model_len."""

    max_model_len: int
    block_size: int
    stages: tuple[StageLayout, ...]  # one per pipeline stage

    @property
    def groups(self) -> tuple[KvGroup, ...]:
        """The groups of the stage with the largest blocks."""
        return max(self.stages, key=lambda stage: stage.bytes_per_block).groups

    @property
    def bytes_per_block(self) -> int:
        """Bytes of one block on the GPU where it is largest."""
        return max(stage.bytes_per_block for stage in self.stages)

    @property
    def blocks_per_request(self) -> int:
        """Blocks that one request of max_model_len tokens may hold, over all groups."""
        return max(sum(group.blocks_per_request for group in stage.groups) for stage in self.stages)

    @property
    def bytes_per_request(self) -> int:
        """Bytes of such a request on the GPU where it is largest."""
        return self.blocks_per_request * self.bytes_per_block


@dataclass(frozen=True)
class KvCapacity:
    """What a KV cache of given bytes holds; `tokens` and `max_concurrency` as vLLM logs them."""

    num_blocks: int
    tokens: int
    max_concurrency: float
    fits: bool  # one request of max_model_len and the null block
    min_available_bytes: tuple[int, ...]  # per stage: the least with which vLLM starts


def layout(config: ModelConfig, settings: ResolvedSettings) -> KvCacheLayout:
    """Group the layers as vLLM does."""
    raise NotImplementedError


def capacity(layout: KvCacheLayout, available_bytes: Sequence[int]) -> KvCapacity:
    """What fits into `available_bytes` (one figure per pipeline stage)."""
    raise NotImplementedError


def largest_max_model_len(
    config: ModelConfig, settings: ResolvedSettings, available_bytes: Sequence[int]
) -> int:
    """The longest max_model_len, at most the one of `settings`, with which vLLM starts; 0 if none."""
    raise NotImplementedError
