"""KV cache: what a block costs, how many requests fit.

Source: vLLM 0.33.0 v1/core/kv_cache_planning.py (bytes per block, the start-up check, auto-fit),
v1/core/kv_cache_utils.py (concurrency, tokens).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import kvgroups
from valuegen.frozen import dataclass
from valuegen.kvspecs import model_specs, specs
from valuegen.split import pipeline_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.architectures.base import KvCache
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.kvgroups import Group
    from valuegen.kvspecs import Spec


@dataclass(frozen=True)
class KvGroup:
    """Caches that share a block table."""

    type: str  # of kvspecs.Type
    layers: int
    block_size: int  # tokens per block
    block_bytes: int  # of one block in all these layers
    blocks_per_request: int  # of one request of max_model_len tokens


@dataclass(frozen=True)
class StageLayout:
    """The KV cache of one GPU of a pipeline stage."""

    bytes_per_block: int  # 0: the stage has no cache
    groups: tuple[KvGroup, ...]

    @property
    def blocks_per_request(self) -> int:
        """Blocks that one request may hold, over all groups."""
        return sum(group.blocks_per_request for group in self.groups)

    @property
    def min_available_bytes(self) -> int:
        """The least with which vLLM starts: one request and the null block."""
        return (self.blocks_per_request + 1) * self.bytes_per_block

    def blocks_in(self, available_bytes: int) -> int:
        """Blocks that fit; without a cache, vLLM's null block alone."""
        return max(0, available_bytes // self.bytes_per_block) if self.bytes_per_block else 1


@dataclass(frozen=True)
class KvCacheLayout:
    """The KV cache of the whole engine at one max_model_len."""

    max_model_len: int
    block_size: int
    stages: tuple[StageLayout, ...]  # one per pipeline stage
    requests_in_step: int = 0  # of max_model_len tokens; what bounds a model without a cache

    @property
    def largest_stage(self) -> StageLayout:
        """The stage with the largest blocks, which decides how many there are."""
        return max(self.stages, key=lambda stage: stage.bytes_per_block)

    @property
    def groups(self) -> tuple[KvGroup, ...]:
        """The groups on the stage with the largest blocks."""
        return self.largest_stage.groups

    @property
    def bytes_per_block(self) -> int:
        """Bytes of one block on the GPU where it is largest."""
        return self.largest_stage.bytes_per_block

    @property
    def blocks_per_request(self) -> int:
        """Blocks that one request of max_model_len tokens may hold, over all groups."""
        return self.largest_stage.blocks_per_request

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
    """Group the layers of the whole model, then keep of each group what a stage runs.

    Raises kvgroups.UngroupableError where vLLM refuses the model with these settings (parallel.refusals says so).
    """
    return _Grouped.of(config, settings).layout(settings)


def layout_of_layers(kv_layers: Sequence[tuple[KvCache, ...]], settings: ResolvedSettings) -> StageLayout:
    """The layout if these layers were a model of their own."""
    return layout_of_specs(specs([cache for layer in kv_layers for cache in layer], settings), settings)


def layout_of_specs(caches: Sequence[Spec], settings: ResolvedSettings) -> StageLayout:
    """The layout of caches whose size on a GPU is known."""
    groups = kvgroups.group(caches, disable_hybrid=settings.disable_hybrid_kv_cache_manager)
    return _stage(groups, range(len(caches)), settings)


def capacity(layout: KvCacheLayout, available_bytes: Sequence[int]) -> KvCapacity:
    """What fits into `available_bytes` (one figure per pipeline stage)."""
    pairs = list(zip(layout.stages, available_bytes, strict=True))
    if not layout.bytes_per_block:
        nothing = tuple(0 for _ in pairs)
        return KvCapacity(1, 0, float(layout.requests_in_step), True, nothing)
    num_blocks = min(stage.blocks_in(available) for stage, available in pairs)
    concurrency = num_blocks / (layout.blocks_per_request or 1)
    return KvCapacity(
        num_blocks=num_blocks,
        tokens=int(concurrency * layout.max_model_len),
        max_concurrency=concurrency,
        fits=all(available >= stage.min_available_bytes for stage, available in pairs),
        min_available_bytes=tuple(stage.min_available_bytes for stage in layout.stages),
    )


def largest_max_model_len(
    config: ModelConfig, settings: ResolvedSettings, available_bytes: Sequence[int]
) -> int:
    """The longest max_model_len, at most the one of `settings`, with which vLLM starts; 0 if none."""
    grouped = _Grouped.of(config, settings)  # the same at any length

    def fits(length: int) -> bool:
        candidate = grouped.layout(replace(settings, max_model_len=length))
        return capacity(candidate, available_bytes).fits

    low, high = 0, settings.max_model_len  # `low` fits or is 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


@dataclass(frozen=True)
class _Grouped:
    """The groups of a model, and which caches (by index) are on which pipeline stage."""

    groups: list[Group]
    stages: list[range]

    @classmethod
    def of(cls, config: ModelConfig, settings: ResolvedSettings) -> _Grouped:
        caches = model_specs(config, settings)
        counts = [len(layer) for layer in config.kv_layers]
        counts[-1] += len(caches) - sum(counts)  # a draft is on the last stage
        return cls(
            groups=kvgroups.group(caches, disable_hybrid=settings.disable_hybrid_kv_cache_manager),
            stages=[
                range(sum(counts[: stage.start]), sum(counts[: stage.stop]))
                for stage in pipeline_layers(config.num_hidden_layers, settings.pipeline_parallel_size)
            ],
        )

    def layout(self, settings: ResolvedSettings) -> KvCacheLayout:
        return KvCacheLayout(
            max_model_len=settings.max_model_len,
            block_size=settings.block_size,
            stages=tuple(_stage(self.groups, stage, settings) for stage in self.stages),
            requests_in_step=min(
                settings.max_num_seqs, settings.max_num_batched_tokens // settings.max_model_len
            ),
        )


def _stage(groups: list[Group], stage: range, settings: ResolvedSettings) -> StageLayout:
    here = [[index for index in group.members if index in stage] for group in groups]
    pages = [[group.members[index] for index in members] for group, members in zip(groups, here, strict=True)]
    if not any(pages):
        return StageLayout(0, ())
    side_by_side = kvgroups.is_side_by_side(spec for group in groups for spec in group.members.values())
    return StageLayout(
        bytes_per_block=kvgroups.bytes_per_block(pages, side_by_side=side_by_side),
        groups=tuple(
            KvGroup(
                type=group.first.type,
                layers=len(members),
                block_size=group.first.block_size,
                block_bytes=sum(group.members[index].page_bytes for index in members),
                blocks_per_request=group.blocks_per_request(settings, members),
            )
            for group, members in zip(groups, here, strict=True)
        ),
    )
