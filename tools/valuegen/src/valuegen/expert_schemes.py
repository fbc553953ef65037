"""How a GPU's share of a layer's routed experts is stored by each quantization scheme.

Source: vLLM 0.33.0 model_executor/layers: fused_moe/unquantized_fused_moe_method.py, fused_moe/oracle/fp8.py,
fused_moe/oracle/mxfp4.py, quantization/{fp8,modelopt,auto_awq,auto_gptq,moe_wna16,mxfp4}.py,
quantization/compressed_tensors/compressed_tensors_moe/*.py (the shapes that create_weights makes).
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING, Literal

from valuegen.frozen import dataclass
from valuegen.schemes import MX_BLOCK, Stored
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SMALLEST_REFINED_BLOCK = 32  # below it vLLM does not refine FP8 blocks
SMALLEST_WNA16_GROUP = 32
MARLIN_GROUPS = (-1, 32, 64, 128)
MARLIN_INPUTS = 128


# Multiples of width and inputs, by the kernels (fused_moe/oracle).
PLAIN_PADDING = {"flashinfer_trtllm": (128, 1)}
MXFP4_PADDING = {"flashinfer_trtllm": (128, 256), "marlin": (128, 256), "triton": (64, 1)}


@dataclass(frozen=True)
class ExpertShard:
    """A GPU's share of the experts of a layer."""

    experts: int
    inputs: int
    width: int  # of one expert on this GPU
    matrices: int  # merged into w13
    bias: bool
    split: bool  # the width is divided over GPUs
    tensor_parallel_size: int  # of the attention layers, whoever divides the experts
    backend: str = "auto"  # whose kernels run them; "auto" pads nothing

    @property
    def rows(self) -> int:
        """Outputs of w13 per expert."""
        return self.matrices * self.width

    def pair(self, name: str, shapes: Iterable[tuple[int, ...]], dtype: str) -> tuple[Stored, ...]:
        """A tensor of w13 and its counterpart of w2, for all experts; `shapes` are one expert's."""
        w13, w2 = shapes
        return (
            Stored(f"w13_{name}", (self.experts, *w13), dtype),
            Stored(f"w2_{name}", (self.experts, *w2), dtype),
        )

    def padded(self, multiples: Mapping[str, tuple[int, int]]) -> ExpertShard:
        """The share after the padding that the kernels want: multiples of width and inputs."""
        width, inputs = multiples.get(self.backend, (1, 1))
        return replace(self, width=round_up(self.width, width), inputs=round_up(self.inputs, inputs))

    def biases(self, dtype: str) -> tuple[Stored, ...]:
        """The experts' biases, where the model has them."""
        return self.pair("bias", ((self.rows,), (self.inputs,)), dtype) if self.bias else ()

    @property
    def by_input(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(outputs, inputs) of w13 and w2."""
        return (self.rows, self.inputs), (self.inputs, self.width)


@dataclass(frozen=True)
class PlainExperts:
    """Not quantized."""

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """The weights in the engine's own type, padded where the kernels want it."""
        if not shard.bias:  # TensorRT-LLM's kernels do not run the activation of experts with biases
            shard = shard.padded(PLAIN_PADDING)
        return (*shard.pair("weight", shard.by_input, dtype), *shard.biases(dtype))

    def problem(self, shard: ExpertShard) -> str | None:  # noqa: ARG002 - one signature for every scheme
        """Nothing is refused."""
        return None


@dataclass(frozen=True)
class RefusedExperts:
    """A scheme that vLLM has for linear layers and not for experts."""

    reason: str

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """As if they were not quantized: the refusal comes before any use."""
        return PlainExperts().tensors(shard, dtype)

    def problem(self, shard: ExpertShard) -> str | None:  # noqa: ARG002
        """Refused at any size."""
        return self.reason


@dataclass(frozen=True)
class EightBitExperts:
    """FP8 or INT8 weights with scales per matrix, per expert, per output channel or per block."""

    dtype: Literal["float8_e4m3fn", "int8"]
    strategy: Literal["tensor", "expert", "channel", "block"]
    scale_name: str = "weight_scale"
    block: tuple[int, int] = (128, 128)
    refines: bool = False  # finer blocks where the width per GPU asks for them
    static_input: bool = False
    biased: bool = True  # creates the model's biases

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """Weights, scales, and the scales of static activations."""
        stored = [*shard.pair("weight", shard.by_input, self.dtype), *self._scales(shard)]
        if self.biased:
            stored.extend(shard.biases(dtype))
        if self.static_input:
            stored.extend(shard.pair("input_scale", ((), ()), "float32"))
        return tuple(stored)

    def _scales(self, shard: ExpertShard) -> tuple[Stored, ...]:
        if self.strategy == "tensor":
            shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((shard.matrices,), ())
        elif self.strategy == "expert":
            shapes = ((), ())
        elif self.strategy == "channel":
            shapes = ((shard.rows, 1), (shard.inputs, 1))
        else:
            rows, columns = self._block(shard)
            shapes = (
                (shard.matrices * ceil_div(shard.width, rows), ceil_div(shard.inputs, columns)),
                (ceil_div(shard.inputs, rows), ceil_div(shard.width, columns)),
            )
        return shard.pair(self.scale_name, shapes, "float32")

    def _block(self, shard: ExpertShard) -> tuple[int, int]:
        rows, columns = self.block
        refined = self._refined(shard)
        misaligned = shard.width % rows or (shard.tensor_parallel_size > 1 and shard.width % columns)
        return (refined, refined) if refined is not None and misaligned else self.block

    def _refined(self, shard: ExpertShard) -> int | None:
        """The finer block's edge, where vLLM's FP8 method takes one."""
        rows, columns = self.block
        if not self.refines or (shard.width % rows == 0 and (not shard.split or shard.width % columns == 0)):
            return None
        edge = gcd(rows, columns, shard.width, shard.inputs)
        return edge if edge >= SMALLEST_REFINED_BLOCK else None

    def problem(self, shard: ExpertShard) -> str | None:
        """Blocks must not straddle GPUs (utils/fp8_utils.py: validate_fp8_block_shape_moe)."""
        if self.strategy != "block" or self._refined(shard) is not None:
            return None
        rows, columns = self.block
        if shard.width % rows:
            return f"a width of {shard.width} per GPU, no multiple of the FP8 block of {rows}"
        if shard.tensor_parallel_size > 1 and shard.width % columns:
            return f"a width of {shard.width} per GPU, no multiple of the FP8 block of {columns}"
        return None


@dataclass(frozen=True)
class Wna16Experts:
    """AWQ or GPTQ: packed for the Marlin kernel where it takes the shape, else for the generic one."""

    bits: int
    group: int
    packed_along: Literal["inputs", "outputs"]  # GPTQ, AWQ
    zero_points: bool  # as the generic kernel keeps them; Marlin always has room for them

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights, scales, zero points; GPTQ has room for biases in every checkpoint."""
        return self._marlin(shard, dtype) if self._takes_marlin(shard) else self._generic(shard, dtype)

    def _takes_marlin(self, shard: ExpertShard) -> bool:
        """Source: utils/marlin_utils.py (check_moe_marlin_supports_config)."""
        fits = self.group <= 0 or shard.width % self.group == 0
        return fits and shard.inputs % MARLIN_INPUTS == 0 and self.group in MARLIN_GROUPS

    def _marlin(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        pack = 32 // self.bits
        groups = [inputs // self.group if self.group > 0 else 1 for _, inputs in shard.by_input]
        if self.packed_along == "inputs":
            weights = [(inputs // pack, outputs) for outputs, inputs in shard.by_input]
        else:
            weights = [(inputs, outputs // pack) for outputs, inputs in shard.by_input]
        outputs = [outputs for outputs, _ in shard.by_input]
        zeros = [(count, width // pack) for count, width in zip(groups, outputs, strict=True)]
        stored = [
            *shard.pair("qweight", weights, "int32"),
            *shard.pair("scales", zip(groups, outputs, strict=True), dtype),
            *shard.pair("qzeros", zeros, "int32"),
        ]
        if self.packed_along == "inputs":
            stored.extend(shard.pair("bias", ((shard.rows,), (shard.inputs,)), dtype))
        return tuple(stored)

    def _generic(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """Source: moe_wna16.py, which halves the group until it divides both sizes."""
        pack, group = 8 // self.bits, self._divided_group(shard)
        stored = [
            *shard.pair("qweight", ((o, i // pack) for o, i in shard.by_input), "uint8"),
            *shard.pair("scales", ((o, i // group) for o, i in shard.by_input), dtype),
        ]
        if self.zero_points:
            stored.extend(shard.pair("qzeros", ((o // pack, i // group) for o, i in shard.by_input), "uint8"))
        return tuple(stored)

    def _divided_group(self, shard: ExpertShard) -> int:
        group = self.group
        while group >= SMALLEST_WNA16_GROUP and (shard.width % group or shard.inputs % group):
            group //= 2
        return group

    def problem(self, shard: ExpertShard) -> str | None:
        """The generic kernel needs groups of 32 at least."""
        if self._takes_marlin(shard) and (self.packed_along == "inputs" or self.group > 0):
            return None
        if self._divided_group(shard) < SMALLEST_WNA16_GROUP:
            return f"a width of {shard.width} per GPU, which no quantization group of 32 or more divides"
        return None


@dataclass(frozen=True)
class WeightOnlyExperts:
    """compressed-tensors with 4 or 8 bit integer weights."""

    bits: int
    group: int  # -1: one scale per output
    symmetric: bool

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights, scales, unpacked shapes (in the engine's dtype), zero points when asymmetric."""
        packed = [(outputs, inputs * self.bits // 32) for outputs, inputs in shard.by_input]
        groups = [inputs // self.group if self.group > 0 else 1 for _, inputs in shard.by_input]
        outputs = [outputs for outputs, _ in shard.by_input]
        stored = [
            *shard.pair("weight_packed", packed, "int32"),
            *shard.pair("weight_scale", zip(outputs, groups, strict=True), dtype),
            *shard.pair("weight_shape", ((2,), (2,)), dtype),
            *shard.biases(dtype),
        ]
        if not self.symmetric:
            zeros = [(rows * self.bits // 32, count) for rows, count in zip(outputs, groups, strict=True)]
            stored.extend(shard.pair("weight_zero_point", zeros, "int32"))
        return tuple(stored)

    def problem(self, shard: ExpertShard) -> str | None:
        """A group must not straddle GPUs, nor a word of zero points."""
        if shard.inputs % MARLIN_INPUTS:
            return f"{shard.inputs} inputs, no multiple of the kernel's {MARLIN_INPUTS}"
        if self.group not in MARLIN_GROUPS:
            return f"a quantization group of {self.group}; vLLM 0.33 has kernels for 32, 64 and 128"
        for size in (shard.inputs, shard.width):
            if self.group > 0 and size % self.group:
                return f"a size of {size} per GPU, no multiple of the quantization group of {self.group}"
        pack = 32 // self.bits
        if not self.symmetric and (2 * shard.width % pack or shard.inputs % pack):
            return f"a width of {shard.width} per GPU, whose zero points do not fill words of {pack}"
        return None


@dataclass(frozen=True)
class Nvfp4Experts:
    """NVFP4: two weights per byte, FP8 scales per group, FP32 scales per matrix (as Hopper keeps them)."""

    group: int = 16
    weight: str = "weight"
    global_scale: str = "weight_scale_2"
    input_scale: str = "input_scale"

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:  # noqa: ARG002
        """Packed weights and three levels of scales."""
        return (
            *shard.pair(self.weight, ((o, i // 2) for o, i in shard.by_input), "uint8"),
            *shard.pair("weight_scale", ((o, i // self.group) for o, i in shard.by_input), "float8_e4m3fn"),
            *shard.pair(self.global_scale, ((shard.matrices,), ()), "float32"),
            *shard.pair(self.input_scale, ((shard.matrices,), ()), "float32"),
        )

    def problem(self, shard: ExpertShard) -> str | None:  # noqa: ARG002
        """Nothing is refused."""
        return None


@dataclass(frozen=True)
class BlockScaledExperts:
    """MXFP4 or MXFP8: a byte of scale per 32 weights; MXFP4 kernels pad what a GPU holds."""

    bits: Literal[4, 8]
    weight: str = "weight"
    padded: bool = False
    gpt_oss: bool = False  # vLLM has kernels of its own for this model
    biased: bool = True  # creates the model's biases

    def tensors(self, shard: ExpertShard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights and scales after padding, and biases."""
        padded = shard.padded(MXFP4_PADDING) if self.padded else shard
        weights = ((o, i * self.bits // 8) for o, i in padded.by_input)
        scales = ((o, i // MX_BLOCK) for o, i in padded.by_input)
        return (
            *padded.pair(self.weight, weights, "uint8" if self.bits == 4 else "float8_e4m3fn"),
            *padded.pair("weight_scale", scales, "uint8"),
            *(padded.biases("bfloat16" if self.bits == 4 else dtype) if self.biased else ()),
        )

    def problem(self, shard: ExpertShard) -> str | None:
        """MXFP8 blocks must not straddle GPUs; MXFP4 ones are padded."""
        for size in (shard.inputs, shard.width) if self.bits == 8 else ():
            if size % MX_BLOCK:
                return f"a size of {size} per GPU, no multiple of the MXFP8 block of {MX_BLOCK}"
        return None


GPT_OSS_MXFP4 = BlockScaledExperts(4, padded=True, gpt_oss=True)
MXFP4 = BlockScaledExperts(4, padded=True)

ExpertScheme = (
    PlainExperts
    | RefusedExperts
    | EightBitExperts
    | Wna16Experts
    | WeightOnlyExperts
    | Nvfp4Experts
    | BlockScaledExperts
)
PLAIN_EXPERTS = PlainExperts()


def chosen_backend(scheme: ExpertScheme, compute_capability: tuple[int, int]) -> str:
    """The kernels that --moe-backend auto picks, where sizes depend on them; else `auto`.

    Source: fused_moe/oracle/{unquantized,mxfp4}.py (the order) and fused_moe/experts (what runs where).
    """
    is_data_center_blackwell = compute_capability[0] == 10
    if isinstance(scheme, PlainExperts):
        return "flashinfer_trtllm" if is_data_center_blackwell else "triton"
    if not isinstance(scheme, BlockScaledExperts) or not scheme.padded:
        return "auto"
    if is_data_center_blackwell:
        return "flashinfer_trtllm"
    return "triton" if scheme.gpt_oss and (9, 0) <= compute_capability < (12, 0) else "marlin"
