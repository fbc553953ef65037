"""What one layer's cache needs on one GPU: bytes of a block, and blocks of a request.

Source: vLLM 0.33.0 v1/kv_cache_interface.py and the layers' get_kv_cache_spec
(model_executor/layers/attention, model_executor/layers/mamba, models/deepseek_v4).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Literal

from valuegen.architectures.base import MODEL_DTYPE, KvLayer, LatentKv, StateKv
from valuegen.frozen import dataclass
from valuegen.schemes import (
    DTYPE_BYTES,
    KV_CACHE_DTYPE_BYTES,
    SPARSE_MLA_FORMATS,
    TOKEN_HEAD_SCALES,
    TOKEN_HEAD_TYPES,
)
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.architectures.base import KvCache
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

Type = Literal[
    "full", "mla", "sliding-window", "sliding-window-mla", "chunked-local", "mamba", "cross-attention"
]


@dataclass(frozen=True)
class Spec:
    """One layer's cache on one GPU."""

    type: Type
    block_size: int  # tokens per block
    cell_bytes: int  # what is stored per `tokens_per_cell`; for a state, all of it
    tokens_per_cell: int = 1
    padded_bytes: int | None = None  # of a block, where it is padded
    window: int = 0  # tokens, of a window or of a chunk; 0: none
    shape: tuple[int | str, ...] = ()  # what else is equal in layers that vLLM takes for the same
    state_blocks: int = 1  # of a request, for a state
    kernel_block: int | None = None  # tokens that kernels read at once; a block is whole such reads
    row_bytes: int = 1  # bytes that a block's stride is a multiple of
    side_by_side: bool = False

    @property
    def unpadded_bytes(self) -> int:
        """Bytes of one block in this layer without padding."""
        if self.type == "mamba":
            return self.cell_bytes
        return self.block_size // self.tokens_per_cell * self.cell_bytes

    @property
    def page_bytes(self) -> int:
        """Bytes of one block in this layer."""
        return self.unpadded_bytes if self.padded_bytes is None else self.padded_bytes

    @property
    def stride_alignment(self) -> int:
        """Bytes that the distance between two blocks is a multiple of (get_block_stride_alignment)."""
        if self.kernel_block is None:
            return self.row_bytes
        read = gcd(self.kernel_block, self.block_size)
        return 1 if read == self.block_size else replace(self, block_size=read).page_bytes

    def blocks_per_request(self, settings: ResolvedSettings) -> int:
        """Blocks that one request of max_model_len tokens may hold (max_memory_usage_bytes)."""
        length = settings.max_model_len
        if self.type == "mamba":
            return self.state_blocks
        if self.type in ("full", "mla"):
            return ceil_div(ceil_div(length, settings.decode_context_parallel_size), self.block_size)
        if self.type == "cross-attention":
            # The encoder's output, as long as a step may make it (config/scheduler.py).
            return ceil_div(settings.max_num_batched_tokens, self.block_size)
        # Blocks behind the window are freed only when a step is processed: steps in flight keep theirs.
        if self.type == "chunked-local":
            return ceil_div(min(self.window + settings.max_in_flight_tokens, length), self.block_size)
        held = min(self.window - 1 + settings.max_in_flight_tokens, length)
        return ceil_div(held, self.block_size) + 1  # a window need not start with a block


def specs(caches: Sequence[KvCache], settings: ResolvedSettings) -> list[Spec]:
    """The caches of a model on one GPU; states are padded to the attention layers' blocks."""
    kinds = dict.fromkeys(caches)  # most layers are alike
    attention = [
        token_bytes(cache, settings) * settings.block_size
        for cache in kinds
        if not isinstance(cache, StateKv)
    ]
    padded = max(attention) if attention else None
    found = {cache: _spec(cache, settings, padded) for cache in kinds}
    return [found[cache] for cache in caches]


@lru_cache(maxsize=64)
def model_specs(config: ModelConfig, settings: ResolvedSettings) -> tuple[Spec, ...]:
    """The caches of a model and, after them, of its draft."""
    found = specs(config.caches, settings)
    if config.draft is not None:
        from valuegen.drafts import draft_settings  # noqa: PLC0415  (only where there is a draft)

        found += specs(config.draft.caches, draft_settings(settings, config.draft))
    return tuple(found)


def token_bytes(cache: KvLayer | LatentKv, settings: ResolvedSettings) -> int:
    """Bytes of one token, or of what several tokens are compressed to."""
    if isinstance(cache, LatentKv):
        if cache.bytes is not None:
            return cache.bytes
        if cache.dtype is None and settings.kv_cache_dtype in SPARSE_MLA_FORMATS:
            return SPARSE_MLA_FORMATS[settings.kv_cache_dtype]
        return cache.width * _element_bytes(cache.dtype, settings)
    heads = max(1, cache.kv_heads // settings.tensor_parallel_size)
    if settings.kv_cache_dtype in TOKEN_HEAD_TYPES:
        packed = TOKEN_HEAD_TYPES[settings.kv_cache_dtype]
        return heads * (cache.head_size // packed + _values(cache) // packed + TOKEN_HEAD_SCALES)
    return heads * (cache.head_size + _values(cache)) * _element_bytes(None, settings)


def state_bytes(cache: StateKv, settings: ResolvedSettings) -> int:
    """Bytes of a recurrent layer's state on one GPU.

    Source: layers/mamba/mamba_utils.py (MambaStateShapeCalculator).
    """
    tp = settings.tensor_parallel_size
    groups = cache.groups if cache.groups % tp == 0 else tp
    channels = (cache.conv_width + groups * cache.group_width) // tp
    rows = cache.conv_rows + (settings.drafted_tokens if cache.keeps_drafts else 0)
    convolution = rows * channels * _element_bytes(MODEL_DTYPE, settings)
    return convolution + cache.units // tp * cache.unit_size * _element_bytes(cache.dtype, settings)


def saves_states(settings: ResolvedSettings) -> bool:
    """Whether states are kept at block boundaries, for prefix caching (mamba_cache_mode `align`)."""
    return settings.enable_prefix_caching


def checkpoint(cache: StateKv, settings: ResolvedSettings) -> int | None:
    """Tokens between the states that a prefill can save on this GPU; None: it cannot."""
    return cache.checkpoint if settings.compute_capability[0] >= cache.checkpoint_capability else None


def _spec(cache: KvCache, settings: ResolvedSettings, padded: int | None) -> Spec:
    if isinstance(cache, StateKv):
        return _state(cache, settings, padded)
    if isinstance(cache, LatentKv):
        return _latent(cache, settings)
    heads = max(1, cache.kv_heads // settings.tensor_parallel_size)
    return Spec(
        type=cache.type,
        block_size=settings.block_size,
        cell_bytes=token_bytes(cache, settings),
        window=cache.window or 0,
        shape=(heads, cache.head_size, _values(cache), cache.kernel_block or 0),
        kernel_block=cache.kernel_block,
    )


def _latent(cache: LatentKv, settings: ResolvedSettings) -> Spec:
    spec = Spec(
        type=cache.type,
        block_size=cache.block_size or settings.block_size,
        cell_bytes=token_bytes(cache, settings),
        tokens_per_cell=cache.tokens_per_vector,
        window=cache.window or 0,
        shape=(cache.width, cache.dtype or "", cache.sparse),
        kernel_block=cache.kernel_block,
        side_by_side=cache.side_by_side,
    )
    aligned = round_up(spec.unpadded_bytes, cache.alignment)
    return spec if aligned == spec.unpadded_bytes else replace(spec, padded_bytes=aligned)


def _state(cache: StateKv, settings: ResolvedSettings, padded: int | None) -> Spec:
    checkpoints = 0 if checkpoint(cache, settings) is None else 1
    saving = saves_states(settings)
    content = state_bytes(cache, settings)
    return Spec(
        type="mamba",
        block_size=settings.block_size if saving else settings.max_model_len,
        cell_bytes=content,
        padded_bytes=padded if padded is not None and padded > content else None,
        state_blocks=(2 + checkpoints if saving else 1) + settings.drafted_tokens,
    )


def _values(cache: KvLayer) -> int:
    return cache.head_size if cache.head_size_v is None else cache.head_size_v


def _element_bytes(dtype: str | None, settings: ResolvedSettings) -> int:
    if dtype is None:
        size = KV_CACHE_DTYPE_BYTES[settings.kv_cache_dtype]
        return DTYPE_BYTES[settings.dtype] if size is None else size
    return DTYPE_BYTES[settings.dtype if dtype == MODEL_DTYPE else dtype]
