"""What differs on AMD GPUs, as far as vLLM's source says so; the rest is refused by name.

Source: vLLM 0.33.0 platforms/rocm.py (supported_quantization), model_executor/kernels/linear (which kernels
ROCm has: scaled_mm/pytorch.py for FP8, mixed_precision/triton_w4a16.py for AWQ and GPTQ),
layers/quantization/utils/fp8_utils.py (_maybe_pad_fp8_weight).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen import weights
from valuegen.errors import Reason
from valuegen.schemes import DTYPE_BYTES
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.catalog.gpus import Gpu
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

COUNTED_METHODS = ("awq", "fp8", "gptq")
COUNTED_EXPERT_METHODS = ("fp8",)
FP8_CAPABILITY = (9, 4)  # gfx942
# A row of FP8 weights that is a multiple of the first is followed by the second, in bytes.
PADDED_ROW, ROW_PADDING = 512, 256


def refusals(config: ModelConfig, settings: ResolvedSettings, gpu: Gpu) -> Iterator[Reason]:
    """What this AMD GPU cannot do, and what vLLM does there in a way that is not counted here."""
    for what in _uncounted(config, settings):
        yield Reason(
            "gpu-rocm",
            f"{what}: how vLLM holds that on AMD GPUs is not counted here",
            "use an NVIDIA GPU, or a checkpoint that is not quantized or in FP8, AWQ or GPTQ",
        )
    if _is_fp8(config) and gpu.compute_capability < FP8_CAPABILITY:
        yield Reason(
            "gpu-quantization",
            f"fp8 needs gfx942 or later; the GPU has {gpu.arch}",
            "use a newer GPU or another checkpoint",
        )


def padding_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes that FP8 layers outside the experts take beside their weights on a GPU of a stage."""
    if not _is_fp8(config):
        return 0
    total = 0
    for tensor in weights.rank_tensors(config, settings, pipeline_stage, loaded=True):
        row = tensor.shape[-1] * DTYPE_BYTES[tensor.dtype] if tensor.shape else 0
        is_weight = tensor.dtype.startswith("float8") and tensor.name.endswith(".weight")
        if is_weight and row % PADDED_ROW == 0 and len(tensor.shape) == 2:
            total += ceil_div(tensor.bytes, row) * ROW_PADDING
    return total


def _is_fp8(config: ModelConfig) -> bool:
    return config.quantization is not None and config.quantization.method == "fp8"


def _uncounted(config: ModelConfig, settings: ResolvedSettings) -> Iterator[str]:
    own = config.quantization
    if config.is_latent or config.is_sparse or config.is_compressed:
        yield f"the latent cache of {config.architecture}"
    if config.shape.recurrent:
        yield f"the recurrent states of {config.architecture}"
    if own is not None and own.method not in COUNTED_METHODS:
        yield f"{own.method} weights"
    elif own is not None and config.shape.routed is not None and own.method not in COUNTED_EXPERT_METHODS:
        yield f"experts with {own.method} weights"
    if own is None and settings.quantization is not None:
        yield f"--quantization {settings.quantization}"
