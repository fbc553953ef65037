"""How one linear layer's share on a GPU is stored by each quantization scheme.

Source: vLLM 0.33.0 model_executor/layers/quantization: fp8.py, fbgemm_fp8.py, modelopt.py, auto_awq.py,
auto_gptq.py, compressed_tensors/schemes/*.py, utils/fp8_utils.py (the shapes that create_weights makes).
"""

from __future__ import annotations

from typing import Literal

from valuegen.frozen import dataclass
from valuegen.units import ceil_div

DTYPE_BYTES = {
    "bool": 1,
    "bfloat16": 2,
    "float16": 2,
    "float32": 4,
    "float8_e4m3fn": 1,
    "float8_e8m0fnu": 1,
    "int8": 1,
    "uint8": 1,
    "int32": 4,
    "int64": 8,
    "complex64": 8,
}

MX_BLOCK = 32  # weights that share a scale in MXFP4 and MXFP8

# Bytes per element; None: the engine's dtype (vLLM: config/cache.py).
KV_CACHE_DTYPE_BYTES: dict[str, int | None] = {
    "auto": None,
    "bfloat16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
}

# Types with a float32 scale per token and head, of keys and of values each: parts of a byte per element
# (vLLM: v1/attention/backends/triton_attn.py).
TOKEN_HEAD_TYPES = {"int4_per_token_head": 2, "int8_per_token_head": 1, "fp8_per_token_head": 1}
TOKEN_HEAD_SCALES = 2 * 4  # bytes

# Bytes of one token in FlashMLA's sparse format: 512 fp8 elements, 4 scales, 64 bfloat16 of rotary key.
SPARSE_MLA_FORMATS = {"fp8_ds_mla": 656}


@dataclass(frozen=True)
class Shard:
    """A GPU's share of a linear layer."""

    inputs: int
    outputs: tuple[int, ...]  # one per merged matrix
    total_inputs: int
    total_outputs: int
    split: Literal["column", "row", "replicated"]

    @property
    def rows(self) -> int:
        """Width of all outputs on this GPU."""
        return sum(self.outputs)


@dataclass(frozen=True)
class Stored:
    """One tensor: the name's last part, its shape and its type."""

    suffix: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Plain:
    """Not quantized."""

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:
        """The weight in the engine's own type."""
        return (Stored("weight", (shard.rows, shard.inputs), dtype),)

    def problem(self, shard: Shard) -> str | None:  # noqa: ARG002 - one signature for every scheme
        """Nothing is refused."""
        return None


@dataclass(frozen=True)
class EightBit:
    """FP8 or INT8 weights with a scale per tensor, per output channel or per block."""

    dtype: Literal["float8_e4m3fn", "int8"]
    strategy: Literal["tensor", "channel", "block"]
    scale_name: str = "weight_scale"
    block: tuple[int, int] = (128, 128)
    input_scales: Literal["none", "per-part", "one"] = "none"
    input_zero_point: bool = False
    input_upper_bound: bool = False  # fbgemm
    scale_dtype: Literal["float32", "float8_e8m0fnu"] = "float32"
    aligned_outputs: Literal["all", "unmerged", "none"] = "all"  # of which layers blocks fill the outputs

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:  # noqa: ARG002
        """Weight, scales, and what a static activation scheme adds."""
        stored = [Stored("weight", (shard.rows, shard.inputs), self.dtype), self._scale(shard)]
        if self.input_scales != "none":
            scales = len(shard.outputs) if self.input_scales == "per-part" else 1
            stored.append(Stored("input_scale", (scales,), "float32"))
        if self.input_zero_point:
            stored.append(Stored("input_zero_point", (1,), "int8"))
        if self.input_upper_bound:
            stored.append(Stored("input_scale_ub", (), "float32"))
        return tuple(stored)

    def _scale(self, shard: Shard) -> Stored:
        if self.strategy == "tensor":
            shape: tuple[int, ...] = (len(shard.outputs),)
        elif self.strategy == "channel":
            shape = (shard.rows, 1)
        else:
            shape = (ceil_div(shard.rows, self.block[0]), ceil_div(shard.inputs, self.block[1]))
        return Stored(self.scale_name, shape, self.scale_dtype)

    def problem(self, shard: Shard) -> str | None:
        """Blocks must not straddle GPUs or merged matrices (utils/fp8_utils.py)."""
        if self.strategy != "block":
            return None
        rows, columns = self.block
        if shard.inputs != shard.total_inputs and shard.inputs % columns:
            return f"{shard.inputs} inputs per GPU, no multiple of the FP8 block of {columns}"
        if self.aligned_outputs == "none" or (self.aligned_outputs == "unmerged" and len(shard.outputs) > 1):
            return None
        split = shard.rows != shard.total_outputs
        checked = shard.outputs if split else shard.outputs[:-1]
        for width in checked:
            if width % rows:
                return f"{width} outputs per GPU, no multiple of the FP8 block of {rows}"
        return None


@dataclass(frozen=True)
class Grouped:
    """Base of the methods with a scale per group of inputs; group -1 is one group."""

    bits: int
    group: int

    def groups(self, shard: Shard) -> int:
        """Scales per output. A single group that tensor parallelism cuts is kept whole on every GPU."""
        return shard.inputs // self.group if self.group > 0 else 1

    def problem(self, shard: Shard) -> str | None:
        """A group must not straddle GPUs."""
        if self.group > 0 and shard.inputs % self.group:
            return f"{shard.inputs} inputs per GPU, no multiple of the quantization group of {self.group}"
        return None


@dataclass(frozen=True)
class Gptq(Grouped):
    """GPTQ: packed along the inputs."""

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights, scales and zero points."""
        pack = 32 // self.bits
        return (
            Stored("qweight", (shard.inputs // pack, shard.rows), "int32"),
            Stored("scales", (self.groups(shard), shard.rows), dtype),
            Stored("qzeros", (self.groups(shard), shard.rows // pack), "int32"),
        )


@dataclass(frozen=True)
class Awq(Grouped):
    """AWQ: packed along the outputs."""

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights, scales and zero points."""
        packed = shard.rows // (32 // self.bits)
        return (
            Stored("qweight", (shard.inputs, packed), "int32"),
            Stored("scales", (self.groups(shard), shard.rows), dtype),
            Stored("qzeros", (self.groups(shard), packed), "int32"),
        )

    def problem(self, shard: Shard) -> str | None:
        """Groups along the inputs, packing along the outputs."""
        group = shard.total_inputs if self.group <= 0 else self.group
        if shard.inputs % group:
            return f"{shard.inputs} inputs per GPU, no multiple of the quantization group of {group}"
        pack = 32 // self.bits
        if shard.rows % pack:
            return f"{shard.rows} outputs per GPU, no multiple of {pack}, which AWQ packs into a word"
        return None


@dataclass(frozen=True)
class WeightOnly(Grouped):
    """compressed-tensors with 4 or 8 bit integer weights (w4a16, w8a16)."""

    symmetric: bool = True

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights, scales, the unpacked shape, zero points when asymmetric."""
        groups = self.groups(shard)
        stored = [
            Stored("weight_packed", (shard.rows, ceil_div(shard.inputs * self.bits, 32)), "int32"),
            Stored("weight_scale", (shard.rows, groups), dtype),
            Stored("weight_shape", (2,), "int64"),
        ]
        if not self.symmetric:
            stored.append(
                Stored("weight_zero_point", (ceil_div(shard.rows * self.bits, 32), groups), "int32")
            )
        return tuple(stored)


@dataclass(frozen=True)
class Nvfp4(Grouped):
    """NVFP4: two weights per byte, an FP8 scale per group, an FP32 scale per matrix."""

    weight: str = "weight"
    global_scale: str = "weight_scale_2"
    input_scale: str | None = "input_scale"
    input_dtype: str = "float32"  # "model": of a scale that is read and dropped (W4A16)

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:
        """Packed weights and three levels of scales."""
        parts = (len(shard.outputs),)
        stored = [
            Stored(self.weight, (shard.rows, shard.inputs // 2), "uint8"),
            Stored("weight_scale", (shard.rows, self.groups(shard)), "float8_e4m3fn"),
            Stored(self.global_scale, parts, "float32"),
        ]
        if self.input_scale is not None:
            input_dtype = dtype if self.input_dtype == "model" else self.input_dtype
            stored.append(Stored(self.input_scale, parts, input_dtype))
        return tuple(stored)


@dataclass(frozen=True)
class BlockScaled:
    """MXFP4 or MXFP8: a byte of scale per 32 weights along the inputs."""

    bits: Literal[4, 8]
    weight: str = "weight"

    def tensors(self, shard: Shard, dtype: str) -> tuple[Stored, ...]:  # noqa: ARG002
        """Packed weights and scales."""
        kept = "uint8" if self.bits == 4 else "float8_e4m3fn"
        return (
            Stored(self.weight, (shard.rows, shard.inputs * self.bits // 8), kept),
            Stored("weight_scale", (shard.rows, shard.inputs // MX_BLOCK), "uint8"),
        )

    def problem(self, shard: Shard) -> str | None:
        """A block must not straddle GPUs."""
        if shard.inputs % MX_BLOCK:
            return f"{shard.inputs} inputs per GPU, no multiple of the MX block of {MX_BLOCK}"
        return None


Scheme = Plain | EightBit | Gptq | Awq | WeightOnly | Nvfp4 | BlockScaled
PLAIN = Plain()
