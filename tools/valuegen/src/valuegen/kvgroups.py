"""Which layers share a block table, and how large a block is.

Source: vLLM 0.33.0 v1/core/kv_cache_planning.py (get_kv_cache_groups and what it calls,
_get_kv_cache_bytes_per_block).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING, TypeVar

from valuegen.frozen import dataclass
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from valuegen.engine import ResolvedSettings
    from valuegen.kvspecs import Spec

K = TypeVar("K")

# Above this ratio of layers, the larger kind is cut into groups of the smaller one's size.
PADDING_RATIO = 1.5
WINDOWS = ("sliding-window", "chunked-local")


class UngroupableError(ValueError):
    """vLLM cannot put these layers into one pool of blocks; the message says why."""


@dataclass(frozen=True)
class Group:
    """Layers that share a block table, by their index in the model."""

    members: dict[int, Spec]

    @property
    def first(self) -> Spec:
        """The spec that names the group."""
        return next(iter(self.members.values()))

    def blocks_per_request(self, settings: ResolvedSettings, here: Iterable[int] = ()) -> int:
        """Blocks of one request; of layers that differ, only those `here` count, if there are any."""
        chosen = {self.members[index] for index in here} or set(self.members.values())
        return max(spec.blocks_per_request(settings) for spec in chosen)


def group(specs: Sequence[Spec], *, disable_hybrid: bool) -> list[Group]:
    """The groups of a whole model; raises UngroupableError where vLLM would refuse."""
    layers = dict(enumerate(specs))
    if disable_hybrid:
        layers = _as_full_attention(layers)
    if not layers:
        return []
    if _is_one_type(layers.values()):
        return [Group(layers)]
    if is_side_by_side(specs) and len({spec.page_bytes for spec in specs}) > 1:
        return _packed(layers)
    try:
        layers = _same_page(layers)
    except UngroupableError:
        if not _has_latent_and_window(layers):
            raise
        return [Group(_as_full_attention(layers))]
    return _equal_groups(layers)


def is_side_by_side(specs: Iterable[Spec]) -> bool:
    """Whether blocks hold the pages of all layers next to each other (layout BLHNC)."""
    return any(spec.side_by_side for spec in specs)


def bytes_per_block(groups: Sequence[Sequence[Spec]], *, side_by_side: bool) -> int:
    """Bytes of one block: those of the largest group. Groups without layers here are empty."""
    if not side_by_side:
        return max(
            sum(round_up(spec.page_bytes, spec.stride_alignment) for spec in members) for members in groups
        )
    largest = max(sum(spec.page_bytes for spec in members) for members in groups)
    return round_up(largest, lcm(*(spec.stride_alignment for members in groups for spec in members)))


def _is_one_type(specs: Iterable[Spec]) -> bool:
    """Whether all need the same blocks of a request (UniformTypeKVCacheSpecs.is_uniform_type)."""
    first, *rest = dict.fromkeys(specs)
    return all(_is_like(first, spec) for spec in rest)


def _is_like(first: Spec, spec: Spec) -> bool:
    if spec.block_size != first.block_size:
        return False
    if first.type in ("full", "mla"):
        return spec.type in ("full", "mla")
    if first.type == "mamba":
        return (
            spec.type == "mamba"
            and spec.state_blocks == first.state_blocks
            and spec.page_bytes == first.page_bytes
        )
    alike = ("sliding-window", "sliding-window-mla") if first.type == "sliding-window" else (first.type,)
    return spec.type in alike and spec.window == first.window


def _is_same(one: Spec, other: Spec) -> bool:
    """Whether two kinds of layers may share a group of equal layers (the specs' merge)."""
    if one.type == other.type == "full" and 0 in (one.window, other.window):
        other = replace(other, window=one.window)
    return one == other


def _as_full_attention(layers: dict[int, Spec]) -> dict[int, Spec]:
    """Windows and chunks keep the whole context, as full attention (_promote_local_kv_cache_specs)."""
    if _is_one_type(layers.values()):
        return layers
    full = [spec for spec in layers.values() if spec.type in ("full", "mla")]
    if full and any(spec.type == "sliding-window-mla" for spec in layers.values()):
        raise UngroupableError("its compressed caches with a window cannot be kept as full attention")
    sizes = {spec.block_size for spec in full}
    size = sizes.pop() if len(sizes) == 1 else None
    promoted = {
        index: _promoted(spec, size or spec.block_size) if full and spec.type in WINDOWS else spec
        for index, spec in layers.items()
    }
    if not _is_one_type(promoted.values()):
        kinds = ", ".join(sorted({spec.type for spec in layers.values()}))
        raise UngroupableError(f"its layers ({kinds}) cannot all be kept as full attention")
    windows = {spec.window for spec in promoted.values() if spec.window}
    if len(windows) > 1:
        raise UngroupableError(f"its layers have windows of {' and '.join(map(str, sorted(windows)))} tokens")
    return promoted


def _promoted(spec: Spec, block_size: int) -> Spec:
    whole = replace(spec, type="full", block_size=block_size, padded_bytes=None)
    if spec.padded_bytes is None:
        return whole
    return replace(whole, padded_bytes=max(spec.padded_bytes, whole.unpadded_bytes))


def _has_latent_and_window(layers: dict[int, Spec]) -> bool:
    types = {spec.type for spec in layers.values()}
    return {"mla", "sliding-window"} <= types and not types & {"sliding-window-mla", "chunked-local"}


def _same_page(layers: dict[int, Spec]) -> dict[int, Spec]:
    """Smaller pages hold more tokens where the sizes divide, and are padded where they do not."""
    kinds = dict.fromkeys(layers.values())
    largest = max(spec.page_bytes for spec in kinds)
    enlarged = {spec: _enlarged(spec, largest) for spec in kinds}
    return {index: enlarged[spec] for index, spec in layers.items()}


def _enlarged(spec: Spec, page_bytes: int) -> Spec:
    if spec.page_bytes == page_bytes:
        return spec
    if spec.type == "mamba":
        return replace(spec, padded_bytes=page_bytes)
    if page_bytes % spec.page_bytes == 0:
        return replace(spec, block_size=spec.block_size * (page_bytes // spec.page_bytes))
    if spec.type == "mla":
        raise UngroupableError(
            f"its MLA layers' blocks of {spec.page_bytes} bytes do not divide "
            f"the largest ones, which have {page_bytes} bytes"
        )
    return replace(spec, padded_bytes=page_bytes)


def _equal_groups(layers: dict[int, Spec]) -> list[Group]:
    """Groups of equally many equal layers (_get_kv_cache_groups_uniform_page_size)."""
    kinds: list[tuple[Spec, list[int]]] = []
    for spec, members in _collected(layers, lambda index: layers[index]).items():
        for kind, others in kinds:
            if _is_same(kind, spec):
                others.extend(members)
                break
        else:
            kinds.append((spec, members))
    counts = [len(members) for _, members in kinds]
    size = max(counts) if max(counts) < min(counts) * PADDING_RATIO else min(counts)
    # Every n-th layer, so that each pipeline stage gets its share of each group.
    return [
        Group(dict.fromkeys(members[part::parts], kind))
        for kind, members in kinds
        for parts in [ceil_div(len(members), size)]
        for part in range(parts)
    ]


@dataclass(frozen=True)
class _Bucket:
    """Layers that need the same blocks of a request, by the bytes of their page."""

    layers: dict[int, Spec]

    @property
    def first(self) -> Spec:
        return next(iter(self.layers.values()))

    @cached_property
    def by_page(self) -> dict[int, list[int]]:
        return _collected(self.layers, lambda index: self.layers[index].page_bytes)

    @cached_property
    def is_balanced(self) -> bool:
        """As many layers with each size of page: a pattern that repeats."""
        return len({len(members) for members in self.by_page.values()}) == 1

    @cached_property
    def repeats(self) -> int:
        return max(len(members) for members in self.by_page.values())

    def widest(self, parts: int) -> int:
        """Bytes of the largest of `parts` groups."""
        return sum(ceil_div(len(members), parts) * page for page, members in self.by_page.items())

    def split(self, parts: int) -> list[Group]:
        if parts == 1:
            return [Group(self.layers)]
        pattern = list(zip(*self.by_page.values(), strict=False))
        return [
            Group({index: self.layers[index] for repeat in pattern[part::parts] for index in repeat})
            for part in range(parts)
        ]


def _packed(layers: dict[int, Spec]) -> list[Group]:
    """Groups whose pages of several sizes lie next to each other (_get_packed_kv_cache_groups)."""
    buckets: list[_Bucket] = []
    for index, spec in layers.items():
        for bucket in buckets:
            if _is_like(bucket.first, spec):
                bucket.layers[index] = spec
                break
        else:
            buckets.append(_Bucket({index: spec}))

    balanced = [bucket for bucket in buckets if bucket.is_balanced]
    least = max((bucket.repeats for bucket in balanced if len(bucket.by_page) > 1), default=0)
    repeats = _least_padding([bucket.repeats for bucket in balanced], least) if least else None

    def parts(bucket: _Bucket) -> int:
        return ceil_div(bucket.repeats, repeats) if repeats and bucket.is_balanced else 1

    def is_state(bucket: _Bucket) -> bool:
        kind = bucket.first.type
        return kind == "mamba" or (repeats is None and kind.startswith("sliding-window"))

    anchor = max(
        bucket.widest(len(bucket.layers) if is_state(bucket) else parts(bucket)) for bucket in buckets
    )
    groups: list[Group] = []
    for bucket in buckets:
        number = parts(bucket)
        if is_state(bucket):  # no more states in a group than the blocks have room for
            fitting = max(anchor // bucket.first.page_bytes, 1)
            number = max(number, ceil_div(len(bucket.layers), fitting))
        groups.extend(bucket.split(number))
    return groups


def _least_padding(counts: list[int], least: int) -> int:
    """The size of groups, at least `least`, that leaves the fewest places empty; the larger of equals."""
    return min(
        range(least, max(counts) + 1),
        key=lambda size: (sum(-count % size for count in counts), -size),
        default=least,
    )


def _collected(layers: dict[int, Spec], key: Callable[[int], K]) -> dict[K, list[int]]:
    found: dict[K, list[int]] = {}
    for index in layers:
        found.setdefault(key(index), []).append(index)
    return found
