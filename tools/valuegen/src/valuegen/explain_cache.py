"""The KV cache of a judgement, explained: from the bytes of a token to the requests at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import KvLayer, LatentKv
from valuegen.explanation import Explanation, counted, in_bytes, measured
from valuegen.kvspecs import state_bytes, token_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.architectures.base import KvCache
    from valuegen.engine import ResolvedSettings
    from valuegen.fit import FitResult
    from valuegen.kvcache import KvCacheLayout, KvCapacity, KvGroup

SECTION = "KV cache"
WORDS = {
    "full": "attention",
    "mla": "latent attention",
    "mamba": "recurrent",
    "sliding-window": "sliding-window attention",
    "sliding-window-mla": "sliding-window latent attention",
    "chunked-local": "chunked local attention",
    "cross-attention": "cross-attention",
}


def explain_cache(result: FitResult, layout: KvCacheLayout, capacity: KvCapacity) -> Iterator[Explanation]:
    """Every number of the KV cache, in the order in which it is computed."""
    settings, config = result.settings, result.model.config
    for cache, layers in _kinds(config.caches).items():
        yield Explanation(
            SECTION,
            f"a token in {layers} layers" if not _is_state(cache) else f"a state in {layers} layers",
            f"{_size(cache, settings):,} bytes each",
            counted(result),
            (_parts(cache, settings),),
            "vLLM 0.33.0 v1/kv_cache_interface.py"
            if not _is_state(cache)
            else "vLLM 0.33.0 model_executor/layers/mamba/mamba_utils.py",
        )
    if not layout.bytes_per_block:
        return
    yield Explanation(
        SECTION,
        "a block",
        in_bytes(layout.bytes_per_block),
        counted(result),
        (
            " or ".join(dict.fromkeys(_block(group) for group in layout.groups)),
            *(
                ["layers of a group share a block; groups take blocks in turn"]
                if len(layout.groups) > 1
                else []
            ),
        ),
        "vLLM 0.33.0 v1/core/kv_cache_planning.py",
    )
    blocks = [f"{group.blocks_per_request:,} ({_blocks(group, layout)})" for group in layout.groups]
    yield Explanation(
        SECTION,
        "blocks per request",
        f"{layout.blocks_per_request:,}",
        counted(result),
        (" + ".join(blocks),),
        "vLLM 0.33.0 v1/kv_cache_interface.py (max_memory_usage_bytes)",
    )
    smallest = min(result.ranks, key=lambda rank: rank.num_blocks)
    yield Explanation(
        SECTION,
        "blocks",
        f"{capacity.num_blocks:,}",
        measured(result),
        (
            f"{max(0, smallest.kv_cache.point):,} bytes of KV cache / {smallest.bytes_per_block:,} bytes of a block",
        ),
        "vLLM 0.33.0 v1/core/kv_cache_planning.py",
    )
    low, high = result.capacity_range or (capacity, capacity)
    yield Explanation(
        SECTION,
        "requests at once",
        f"{capacity.max_concurrency:.2f}",
        measured(result),
        (
            f"{capacity.num_blocks:,} blocks / {layout.blocks_per_request:,} blocks of a request of "
            f"{settings.max_model_len:,} tokens",
            f"{low.max_concurrency:.2f} to {high.max_concurrency:.2f} over the range of what was measured; "
            "the low end decides",
        ),
        "vLLM 0.33.0 v1/core/kv_cache_utils.py (the logged maximum concurrency)",
    )
    yield Explanation(
        SECTION,
        "tokens",
        f"{capacity.tokens:,}",
        measured(result),
        (f"{capacity.max_concurrency:.4f} requests x {settings.max_model_len:,} tokens",),
        "vLLM 0.33.0 v1/core/kv_cache_utils.py (the logged KV cache size)",
    )


def _kinds(caches: tuple[KvCache, ...]) -> dict[KvCache, int]:
    """How many layers have each kind of cache."""
    kinds: dict[KvCache, int] = {}
    for cache in caches:
        kinds[cache] = kinds.get(cache, 0) + 1
    return kinds


def _is_state(cache: KvCache) -> bool:
    return not isinstance(cache, KvLayer | LatentKv)


def _size(cache: KvCache, settings: ResolvedSettings) -> int:
    if isinstance(cache, KvLayer | LatentKv):
        return token_bytes(cache, settings)
    return state_bytes(cache, settings)


def _parts(cache: KvCache, settings: ResolvedSettings) -> str:
    """What the bytes of a token or state are made of."""
    tensor, kind = settings.tensor_parallel_size, settings.kv_cache_dtype
    kind = settings.dtype if kind == "auto" else kind
    if isinstance(cache, KvLayer):
        heads = max(1, cache.kv_heads // tensor)
        values = cache.head_size if cache.head_size_v is None else cache.head_size_v
        return (
            f"{heads} of {cache.kv_heads} key/value heads on a GPU at tensor parallel size {tensor} x "
            f"({cache.head_size} key + {values} value) numbers in {kind}"
        )
    if isinstance(cache, LatentKv):
        return f"{cache.width} latent numbers, whole on every GPU, in {kind if cache.dtype is None else cache.dtype}"
    return (
        f"a convolution of {cache.conv_rows} rows x {cache.conv_width + cache.groups * cache.group_width:,} "
        f"channels and a state of {cache.units} x {cache.unit_size:,} numbers, over {tensor} GPU"
        f"{'' if tensor == 1 else 's'}; of one size whatever the context"
    )


def _block(group: KvGroup) -> str:
    each = group.block_bytes // group.layers if group.layers else 0
    return f"{group.layers} {WORDS[group.type]} layers x {each:,} bytes"


def _blocks(group: KvGroup, layout: KvCacheLayout) -> str:
    what = f"{group.layers} {WORDS[group.type]} layers"
    if group.type == "mamba":
        return f"{what}, states"
    return f"{what}, {group.block_size} tokens to a block of {layout.max_model_len:,}"
