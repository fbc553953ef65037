"""Linear attention with a state of fixed size: the gated delta net, and Kimi's with a gate per channel.

Source: vLLM 0.33.0 model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py, layers/mamba/mamba_utils.py,
models/kimi_k3/nvidia/kda.py, layers/mamba/gdn/kimi_gdn_linear_attn.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import MODEL_DTYPE, Buffer, Linear, Part, Place, StateKv, Weight
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valuegen.architectures.base import Module
    from valuegen.keys import Keys

# FlashInfer's prefill, which vLLM takes from Hopper on, hands out states at multiples of this.
CHECKPOINT_TOKENS, CHECKPOINT_CAPABILITY = 64, 9


@dataclass(frozen=True)
class GatedDeltaNet:
    """The sizes of a gated delta net."""

    key_heads: int
    key_dim: int
    value_heads: int
    value_dim: int
    conv: int  # the convolution's kernel
    state_dtype: str = MODEL_DTYPE

    @classmethod
    def read(cls, keys: Keys) -> GatedDeltaNet:
        """The sizes as config.json gives them."""
        return cls(
            key_heads=keys.positive("linear_num_key_heads", 16),
            key_dim=keys.positive("linear_key_head_dim", 128),
            value_heads=keys.positive("linear_num_value_heads", 32),
            value_dim=keys.positive("linear_value_head_dim", 128),
            conv=keys.positive("linear_conv_kernel_dim", 4),
            state_dtype=keys.text("mamba_ssm_dtype", MODEL_DTYPE),
        )

    def modules(
        self,
        hidden: int,
        layers: Iterable[int],
        *,
        prefix: str = "",
        stored_qkvz: tuple[str, ...] = ("in_proj_qkvz",),
        stored_ba: tuple[str, ...] = ("in_proj_ba",),
    ) -> tuple[Module, ...]:
        """The mixer of `layers`; `stored_*` name the merged projections in the checkpoint."""
        place = Place(layers=tuple(layers))
        n = f"{prefix}model.layers.*.linear_attn."
        keys = Part(self.key_heads * self.key_dim, self.key_heads)
        values = Part(self.value_heads * self.value_dim, self.value_heads)
        heads = Part(self.value_heads, self.value_heads)
        return (
            Linear(
                f"{n}in_proj_qkvz",
                place,
                hidden,
                (keys, keys, values, values),
                "column",
                checkpoint_names=tuple(f"{n}{name}" for name in stored_qkvz),
            ),
            Linear(
                f"{n}in_proj_ba",
                place,
                hidden,
                (heads, heads),
                "column",
                checkpoint_names=tuple(f"{n}{name}" for name in stored_ba),
            ),
            Linear(f"{n}conv1d", place, self.conv, (keys, keys, values), "column", quantizable=False),
            Weight(f"{n}A_log", place, (self.value_heads,), "float32", units=self.value_heads),
            Weight(f"{n}dt_bias", place, (self.value_heads,), units=self.value_heads),
            Weight(f"{n}norm.weight", place, (self.value_dim,)),
            Linear(
                f"{n}out_proj",
                place,
                values.width,
                (Part(hidden, hidden),),
                "row",
                checkpoint_names=(f"{n}out_proj",),
            ),
        )

    @property
    def cache(self) -> StateKv:
        """The state of a layer."""
        return StateKv(
            conv_rows=self.conv - 1,
            conv_width=2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim,
            units=self.value_heads,
            unit_size=self.value_dim * self.key_dim,
            dtype=self.state_dtype,
            checkpoint=CHECKPOINT_TOKENS,
            checkpoint_capability=CHECKPOINT_CAPABILITY,
        )


# FlashKDA's prefill, for heads of this size with a bounded gate (kda_checkpoint.py).
FLASH_KDA_TOKENS, FLASH_KDA_HEAD = 16, 128
FUSED_DECODE_HEADS = (12, 24, 48, 96)  # of one GPU, for which there are fused decode kernels
ROW_ALIGNMENT = 16  # rows of the merged projection on each GPU


@dataclass(frozen=True)
class KimiDeltaAttention:
    """The sizes of Kimi's delta attention; its output gate is full-rank or goes through a low rank."""

    heads: int
    head_dim: int
    conv: int
    full_rank_gate: bool
    bounded_gate: bool

    @classmethod
    def read(cls, keys: Keys) -> KimiDeltaAttention:
        """The sizes as config.json gives them in linear_attn_config."""
        return cls(
            heads=keys.positive("num_heads"),
            head_dim=keys.positive("head_dim"),
            conv=keys.positive("short_conv_kernel_size"),
            full_rank_gate=keys.flag("use_full_rank_gate", default=False),
            bounded_gate=keys.raw("gate_lower_bound") is not None,
        )

    def modules(self, name: str, hidden: int, layers: Iterable[int]) -> tuple[Module, ...]:
        """The mixer of `layers`; `name` ends in a dot and has `*` for the layer."""
        place = Place(layers=tuple(layers))
        width = self.heads * self.head_dim
        channels = Part(width, self.heads)
        return (
            *(self._full_rank if self.full_rank_gate else self._low_rank)(name, hidden, place),
            Linear(f"{name}f_b_proj", place, self.head_dim, (channels,), "column"),
            Linear(
                f"{name}conv1d",
                place,
                self.conv,
                (channels,) * 3,
                "column",
                quantizable=False,
                dtype="float32",
            ),
            Weight(f"{name}A_log", place, (self.heads,), "float32", units=self.heads),
            Weight(f"{name}dt_bias", place, (width,), "float32", units=self.heads),
            Weight(f"{name}o_norm.weight", place, (self.head_dim,)),
            Linear(f"{name}o_proj", place, width, (Part(hidden, hidden),), "row"),
        )

    def _full_rank(self, name: str, hidden: int, place: Place) -> tuple[Module, ...]:
        """The merged projection, and copies in the order in which the fused decode kernels read them."""
        width, fused = self.heads * self.head_dim, (self.heads, FUSED_DECODE_HEADS)
        channels = Part(width, self.heads)
        betas = Part(self.heads, self.heads, multiple=ROW_ALIGNMENT)
        return (
            Linear(f"{name}in_proj_qkvgfab", place, hidden, (*(channels,) * 4, self._rank, betas), "column"),
            Buffer(
                f"{name}decode_conv1d_weight",
                place,
                (width, 3, self.conv),
                "float32",
                units=self.heads,
                kernels=fused,
            ),
            Buffer(f"{name}decode_norm_weight", place, (self.head_dim,), "float32", kernels=fused),
        )

    def _low_rank(self, name: str, hidden: int, place: Place) -> tuple[Module, ...]:
        channels, betas = Part(self.heads * self.head_dim, self.heads), Part(self.heads, self.heads)
        return (
            Linear(f"{name}in_proj_qkvgfab", place, hidden, (*(channels,) * 3, betas, self._rank), "column"),
            Linear(f"{name}g_a_proj", place, hidden, (Part(self.head_dim, self.head_dim),), "replicated"),
            Linear(f"{name}g_b_proj", place, self.head_dim, (channels,), "column"),
        )

    @property
    def _rank(self) -> Part:
        return Part(self.head_dim, 1, replicable=True)

    @property
    def cache(self) -> StateKv:
        """The state of a layer."""
        flash = self.full_rank_gate and self.bounded_gate and self.head_dim == FLASH_KDA_HEAD
        return StateKv(
            conv_rows=self.conv - 1,
            conv_width=3 * self.heads * self.head_dim,
            units=self.heads,
            unit_size=self.head_dim**2,
            dtype="float32",
            checkpoint=FLASH_KDA_TOKENS if flash else None,
            checkpoint_capability=CHECKPOINT_CAPABILITY,
        )
