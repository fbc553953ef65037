"""Tokens per block: what attention kernels read, and what makes room for recurrent states.

Source: vLLM 0.33.0 platforms/interface.py (update_block_size_for_backend, _align_hybrid_block_size),
platforms/cuda.py (_get_backend_priorities), v1/attention/backends (get_supported_kernel_block_sizes).
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING

from valuegen.architectures.base import KvLayer, LatentKv, StateKv
from valuegen.kvspecs import checkpoint, saves_states, state_bytes, token_bytes
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valuegen.architectures.base import KvCache
    from valuegen.engine import ResolvedSettings

DEFAULT_BLOCK_SIZE = 16
SPARSE_MLA_BLOCK = 64  # the indexer's, on every CUDA GPU
HYBRID_MLA_ALIGNMENT = 128  # tokens; MLA decode kernels count blocks of 128
FP8_TYPES = ("fp8", "fp8_e4m3")
WIDE_HEAD = 512  # elements; FlashAttention 4 reads 64 tokens of such heads at once where the cache is fp8


def block_size(
    caches: Sequence[KvCache],
    settings: ResolvedSettings,
    asked: int | None,
) -> int:
    """Tokens per block of the attention layers; `settings.block_size` is not read."""
    attention = [cache for cache in caches if not isinstance(cache, StateKv)]
    kernels = [_kernel_block(cache, settings) for cache in attention]
    size = asked
    if size is None:
        size = DEFAULT_BLOCK_SIZE
        if any(size % kernel for kernel in kernels):
            size = lcm(*kernels)
    states = [cache for cache in caches if isinstance(cache, StateKv)]
    if not attention or not states:
        return size
    return _with_states(states, attention[0], settings, size=size, kernels=kernels)


def kernel_multiple(caches: Sequence[KvCache]) -> int:
    """Tokens of which --block-size must be a multiple, whichever back end vLLM takes."""
    fixed = [
        cache.kernel_block or (SPARSE_MLA_BLOCK if isinstance(cache, LatentKv) and cache.sparse else 1)
        for cache in dict.fromkeys(caches)
        if not isinstance(cache, StateKv)
    ]
    return lcm(DEFAULT_BLOCK_SIZE, *fixed)


def _with_states(
    states: list[StateKv],
    attention: KvLayer | LatentKv,
    settings: ResolvedSettings,
    *,
    size: int,
    kernels: list[int],
) -> int:
    """The smallest block in which attention needs at least the bytes of a state."""
    alignment = max(kernels[0], size)
    if isinstance(attention, LatentKv):
        alignment = max(alignment, HYBRID_MLA_ALIGNMENT)
    checkpoints = [checkpoint(state, settings) for state in states]
    if saves_states(settings) and None not in checkpoints:
        alignment = lcm(alignment, *(tokens or 1 for tokens in checkpoints))
    largest = max(state_bytes(state, settings) for state in states)
    tokens = alignment * ceil_div(largest, alignment * token_bytes(attention, settings))
    return max(size, round_up(tokens, lcm(*kernels)))


def _kernel_block(cache: KvLayer | LatentKv, settings: ResolvedSettings) -> int:
    """Tokens that a layer's kernels read at once."""
    if cache.kernel_block is not None:
        return cache.kernel_block
    major = settings.compute_capability[0]
    is_fp8 = settings.kv_cache_dtype in FP8_TYPES
    if isinstance(cache, LatentKv):
        return _latent_block(cache, major, is_fp8=is_fp8)
    if major == 9 and is_fp8 and cache.head_size == WIDE_HEAD:
        return 64
    return DEFAULT_BLOCK_SIZE


def _latent_block(cache: LatentKv, major: int, *, is_fp8: bool) -> int:
    if cache.sparse:
        return SPARSE_MLA_BLOCK
    if major == 10:
        return 32  # FlashInfer
    if major == 9 and is_fp8:
        return 64  # FlashMLA
    return DEFAULT_BLOCK_SIZE  # FlashAttention on Hopper, Triton elsewhere
