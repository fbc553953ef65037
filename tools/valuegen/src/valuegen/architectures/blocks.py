"""The layers that families put together: norms, linear layers by how they are split, attention, embeddings.

Source: vLLM 0.33.0 model_executor/layers/{linear,layernorm,vocab_parallel_embedding}.py (what each creates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from valuegen.architectures.base import Attention, Linear, Module, Part, Place, Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST = Place(first=True)
LAST = Place(last=True)


def first(*, tied: bool) -> Place:
    """The first stage; with a tied head also the last one."""
    return Place(first=True, last=tied)


def every_layer(layers: int) -> Place:
    """One copy for each of the decoder layers."""
    return Place(layers=tuple(range(layers)))


def every_stage(layers: int) -> Place:
    """One copy on each pipeline stage, for modules that vLLM does not leave out anywhere."""
    return Place(layers=tuple(range(layers)), shared=True)


def norm(name: str, place: Place, width: int, *, bias: bool = False) -> tuple[Weight, ...]:
    """RMSNorm, or with a bias LayerNorm."""
    parts = ("weight", "bias") if bias else ("weight",)
    return tuple(Weight(f"{name}.{part}", place, (width,)) for part in parts)


def parameters(name: str, place: Place, shape: tuple[int, ...], *, bias: bool = True) -> tuple[Weight, ...]:
    """A layer that every GPU holds whole and no method quantizes, such as a convolution."""
    weight = Weight(f"{name}.weight", place, shape)
    return (weight, Weight(f"{name}.bias", place, shape[:1])) if bias else (weight,)


def linear(
    name: str,
    place: Place,
    inputs: int,
    outputs: int | Sequence[int],
    split: Literal["column", "row", "replicated"],
    *,
    bias: bool = False,
    quantizable: bool = True,
    stored_as: Sequence[str] = (),
) -> Linear:
    """A linear layer whose merged matrices have `outputs` columns each, divisible one by one."""
    widths = (outputs,) if isinstance(outputs, int) else tuple(outputs)
    parts = tuple(Part(width, width) for width in widths)
    return Linear(name, place, inputs, parts, split, bias, tuple(stored_as), quantizable)


def qkv(
    name: str,
    place: Place,
    inputs: int,
    *,
    heads: int,
    head_dim: int,
    kv_heads: int | None = None,
    bias: bool = False,
    quantizable: bool = True,
    stored_as: Sequence[str] = (),
) -> Linear:
    """The merged projection into queries, keys and values; keys and values are replicated when few."""
    kv_heads = heads if kv_heads is None else kv_heads
    kv = Part(kv_heads * head_dim, kv_heads, replicable=True)
    parts = (Part(heads * head_dim, heads), kv, kv)
    return Linear(name, place, inputs, parts, "column", bias, tuple(stored_as), quantizable)


def beside(name: str, *stored: str) -> tuple[str, ...]:
    """The names of matrices that a checkpoint stores where vLLM has the merged layer `name`."""
    layer = name.rpartition(".")[0]
    return tuple(f"{layer}.{part}" for part in stored)


def attention(name: str, place: Place) -> tuple[Module, ...]:
    """The attention layer itself."""
    return (Attention(name, place),)
