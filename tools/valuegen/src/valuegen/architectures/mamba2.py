"""Mamba 2: the mixer that hybrids share, and models of nothing else.

Source: vLLM 0.33.0 model_executor/models/mamba2.py, layers/mamba/mamba_mixer2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, mamba
from valuegen.architectures.base import MODEL_DTYPE, Buffer, Linear, Part, Place, StateKv, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.architectures.base import Architecture, Module
    from valuegen.keys import Keys


@dataclass(frozen=True)
class Mixer:
    """The sizes of a mixer."""

    heads: int
    head_dim: int
    groups: int
    state: int
    conv: int  # the convolution's kernel
    conv_bias: bool = True
    bias: bool = False
    normed: bool = True  # before the projection back
    state_dtype: str = MODEL_DTYPE

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head_dim

    @property
    def _group_part(self) -> Part:
        # One group is repeated on every GPU; several must divide.
        return Part(self.groups * self.state, self.groups, replicable=self.groups == 1)

    def modules(self, name: str, hidden: int, layers: Iterable[int]) -> tuple[Module, ...]:
        """The mixer of `layers`; `name` ends in a dot and has `*` for the layer."""
        place = Place(layers=tuple(layers))
        heads, channels, groups = Part(self.heads, self.heads), Part(self.inner, self.heads), self._group_part
        return (
            Linear(
                f"{name}in_proj",
                place,
                hidden,
                (channels, channels, groups, groups, heads),
                "column",
                bias=self.bias,
                checkpoint_names=(f"{name}in_proj",),
            ),
            Linear(
                f"{name}conv1d",
                place,
                self.conv,
                (channels, groups, groups),
                "column",
                bias=self.conv_bias,
                quantizable=False,
            ),
            # A view of the convolution's weight that vLLM registers, and counts, as a buffer.
            Buffer(f"{name}conv_weights", place, (self.inner, self.conv), units=self.heads, view=True),
            *(
                Buffer(
                    f"{name}conv_weights",
                    place,
                    (groups.width, self.conv),
                    units=groups.units,
                    replicable=groups.replicable,
                    view=True,
                )
                for _ in range(2)
            ),
            Weight(f"{name}A", place, (self.heads,), "float32", units=self.heads),
            Weight(f"{name}D", place, (self.heads,), units=self.heads),
            Weight(f"{name}dt_bias", place, (self.heads,), units=self.heads),
            *((Weight(f"{name}norm.weight", place, (self.inner,), units=self.heads),) if self.normed else ()),
            Linear(
                f"{name}out_proj",
                place,
                self.inner,
                (Part(hidden, hidden),),
                "row",
                bias=self.bias,
                checkpoint_names=(f"{name}out_proj",),
            ),
        )

    @property
    def cache(self) -> StateKv:
        """The state of a layer."""
        return StateKv(
            conv_rows=self.conv - 1,
            conv_width=self.inner,
            units=self.heads,
            unit_size=self.head_dim * self.state,
            dtype=self.state_dtype,
            groups=self.groups,
            group_width=2 * self.state,
            checkpoint=1,
        )


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a model of Mamba 2 layers."""
    hidden, layers = keys.positive("hidden_size", 4096), keys.positive("num_hidden_layers", 64)
    mixer = Mixer(
        heads=keys.positive("num_heads", 128),
        head_dim=keys.positive("head_dim", 64),
        groups=keys.positive("n_groups", 8),
        state=keys.positive("state_size", 128),
        conv=keys.positive("conv_kernel", 4),
        conv_bias=keys.flag("use_conv_bias", default=True),
        bias=keys.flag("use_bias", default=False),
    )
    modules = (
        *mamba.ends(keys, hidden, layers, tie=keys.flag("tie_word_embeddings", default=False)),
        *mixer.modules("backbone.layers.*.mixer.", hidden, range(layers)),
        *blocks.norm("backbone.layers.*.norm", blocks.every_layer(layers), hidden),
        *blocks.norm("backbone.norm_f", blocks.every_stage(layers), hidden),
    )
    return mamba.attention_free(
        keys, modules, mixer.cache, hidden=hidden, inner=mixer.inner, layers=layers, pipeline=False
    )
