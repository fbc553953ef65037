"""KV cache: how layers are grouped, what a block costs, how many requests fit.

Source: vLLM 0.33.0 v1/core/kv_cache_planning.py (groups, bytes per block, the start-up check),
v1/core/kv_cache_utils.py (concurrency, tokens), v1/kv_cache_interface.py (what one request may hold).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valuegen.parallel import pipeline_layers
from valuegen.schemes import DTYPE_BYTES, KV_CACHE_DTYPE_BYTES
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.architectures.base import KvLayer
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

# Above this ratio of layers, the larger kind is cut into groups of the smaller one's size.
PADDING_RATIO = 1.5


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

    @property
    def blocks_per_request(self) -> int:
        """Blocks that one request may hold, over all groups."""
        return sum(group.blocks_per_request for group in self.groups)

    @property
    def min_available_bytes(self) -> int:
        """The least with which vLLM starts: one request and the null block."""
        return (self.blocks_per_request + 1) * self.bytes_per_block


@dataclass(frozen=True)
class KvCacheLayout:
    """The KV cache of the whole engine at one max_model_len."""

    max_model_len: int
    block_size: int
    stages: tuple[StageLayout, ...]  # one per pipeline stage

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
    """Group the layers of the whole model, then keep of each group what a stage runs."""
    stages = pipeline_layers(config.num_hidden_layers, settings.pipeline_parallel_size)
    grouped = _group(config.kv_layers, settings)
    return KvCacheLayout(
        max_model_len=settings.max_model_len,
        block_size=settings.block_size,
        stages=tuple(_stage(grouped, stage, settings) for stage in stages),
    )


def layout_of_layers(kv_layers: Sequence[KvLayer | None], settings: ResolvedSettings) -> StageLayout:
    """The layout if these layers were a model of their own."""
    return _stage(_group(kv_layers, settings), range(len(kv_layers)), settings)


def capacity(layout: KvCacheLayout, available_bytes: Sequence[int]) -> KvCapacity:
    """What fits into `available_bytes` (one figure per pipeline stage)."""
    pairs = list(zip(layout.stages, available_bytes, strict=True))
    num_blocks = min(max(0, available // stage.bytes_per_block) for stage, available in pairs)
    concurrency = num_blocks / layout.blocks_per_request
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

    def fits(length: int) -> bool:
        candidate = layout(config, replace(settings, max_model_len=length))
        return capacity(candidate, available_bytes).fits

    low, high = 0, settings.max_model_len  # `low` fits or is 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


@dataclass(frozen=True)
class _Kind:
    """Layers with the same cache, and what one of them needs on a GPU."""

    type: str
    page_bytes: int
    block_size: int
    window: int | None


@dataclass(frozen=True)
class _Group:
    """A group of the whole model: its layers by index, all of one kind or (one group only) of several."""

    kind: _Kind
    pages: dict[int, int]  # layer -> bytes of its page


def _group(kv_layers: Sequence[KvLayer | None], settings: ResolvedSettings) -> list[_Group]:
    kinds = {index: _kind(layer, settings) for index, layer in enumerate(kv_layers) if layer is not None}
    if settings.disable_hybrid_kv_cache_manager and any(kind.type == "full" for kind in kinds.values()):
        kinds = {index: replace(kind, type="full", window=None) for index, kind in kinds.items()}
    pages = {index: kind.page_bytes for index, kind in kinds.items()}
    if len({(kind.type, kind.window) for kind in kinds.values()}) == 1:
        return [_Group(next(iter(kinds.values())), pages)]
    kinds = _same_page(kinds)
    by_kind: dict[_Kind, list[int]] = {}
    for index, kind in kinds.items():
        by_kind.setdefault(kind, []).append(index)
    size = _group_size([len(members) for members in by_kind.values()])
    groups: list[_Group] = []
    for kind, members in by_kind.items():
        parts = ceil_div(len(members), size)
        # Every parts-th layer, so that each pipeline stage gets its share of each group.
        groups.extend(
            _Group(kind, dict.fromkeys(members[part::parts], kind.page_bytes)) for part in range(parts)
        )
    return groups


def _kind(layer: KvLayer, settings: ResolvedSettings) -> _Kind:
    heads = max(1, layer.kv_heads // settings.tensor_parallel_size)
    element = KV_CACHE_DTYPE_BYTES[settings.kv_cache_dtype] or DTYPE_BYTES[settings.dtype]
    page = heads * settings.block_size * 2 * layer.head_size * element  # keys and values
    return _Kind(layer.type, page, settings.block_size, layer.window)


def _same_page(kinds: dict[int, _Kind]) -> dict[int, _Kind]:
    """Smaller pages hold more tokens where the sizes divide, and are padded where they do not."""
    largest = max(kind.page_bytes for kind in kinds.values())
    return {
        index: replace(
            kind,
            page_bytes=largest,
            block_size=kind.block_size * (1 if largest % kind.page_bytes else largest // kind.page_bytes),
        )
        for index, kind in kinds.items()
    }


def _group_size(layers_by_kind: list[int]) -> int:
    smallest, largest = min(layers_by_kind), max(layers_by_kind)
    return largest if largest < smallest * PADDING_RATIO else smallest


def _stage(groups: list[_Group], stage: range, settings: ResolvedSettings) -> StageLayout:
    here = [[page for layer, page in group.pages.items() if layer in stage] for group in groups]
    return StageLayout(
        bytes_per_block=max(sum(pages) for pages in here),
        groups=tuple(
            KvGroup(
                type=group.kind.type,
                layers=len(pages),
                block_size=group.kind.block_size,
                page_bytes=_page_bytes(pages),
                blocks_per_request=_blocks_per_request(group.kind, settings),
            )
            for group, pages in zip(groups, here, strict=True)
        ),
    )


def _page_bytes(pages: list[int]) -> int:
    """Of one layer; of all together where the layers of a group differ, as vLLM counts such a group."""
    return pages[0] if len(set(pages)) == 1 else sum(pages)


def _blocks_per_request(kind: _Kind, settings: ResolvedSettings) -> int:
    if kind.window is None:
        tokens = ceil_div(settings.max_model_len, settings.decode_context_parallel_size)
        return ceil_div(tokens, kind.block_size)
    # Blocks behind the window are freed only when a step is processed: steps in flight keep theirs.
    held = min(kind.window - 1 + settings.max_in_flight_tokens, settings.max_model_len)
    return ceil_div(held, kind.block_size) + 1  # a window need not start with a block
