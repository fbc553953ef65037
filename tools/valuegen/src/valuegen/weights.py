"""Bytes of weights on one GPU.

Source: vLLM 0.33.0 model_executor/models/* (what is built where), as parameters and buffers stand
after the model is created and before weights are processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from valuegen.architectures.base import (
    MODEL_DTYPE,
    Attention,
    Buffer,
    Embedding,
    HeaderTensor,
    Linear,
    Weight,
)
from valuegen.limits import is_online_fp8
from valuegen.parallel import padded_vocab, pipeline_layers, shard
from valuegen.schemes import DTYPE_BYTES, PLAIN, EightBit, Shard
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.architectures.base import Module
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.schemes import Scheme

# What vLLM's attention layer holds besides the cache itself (layers/attention/attention.py).
ATTENTION_SCALES = ("_k_scale", "_v_scale", "_q_scale", "_prob_scale")
LOADED_FP8 = EightBit("float8_e4m3fn", "tensor")  # what --quantization fp8 leaves of a weight


@dataclass(frozen=True)
class Tensor:
    """`count` equal tensors of a rank, for example one in each layer (`*` in the name)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    is_buffer: bool = False  # on the GPU, not in the checkpoint

    @property
    def bytes(self) -> int:
        """Bytes of all `count` together."""
        return self.count * prod(self.shape) * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class Stage:
    """A pipeline stage, and how its GPUs share it."""

    layers: range
    first: bool
    last: bool
    tensor_parallel_size: int
    dtype: str
    online_fp8: bool = False


def rank_tensors(
    config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int, *, loaded: bool = False
) -> list[Tensor]:
    """Every tensor that the largest rank of a pipeline stage holds.

    `loaded` counts what stays after loading: --quantization fp8 creates weights in the engine's dtype
    and keeps one byte of each.
    """
    pp = settings.pipeline_parallel_size
    stage = Stage(
        layers=pipeline_layers(config.num_hidden_layers, pp)[pipeline_stage],
        first=pipeline_stage == 0,
        last=pipeline_stage == pp - 1,
        tensor_parallel_size=settings.tensor_parallel_size,
        dtype=settings.dtype,
        online_fp8=loaded and is_online_fp8(config, settings),
    )
    return [tensor for module in config.modules for tensor in _tensors(config, module, stage)]


def rank_weights_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes of parameters and buffers on the largest rank of a stage, as vLLM creates them."""
    return sum(tensor.bytes for tensor in rank_tensors(config, settings, pipeline_stage))


def loaded_weights_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes that stay on the GPU after loading; smaller only with --quantization fp8."""
    return sum(tensor.bytes for tensor in rank_tensors(config, settings, pipeline_stage, loaded=True))


def parameter_count(config: ModelConfig) -> int:
    """Parameters of the whole model, quantization metadata and padding left out."""
    total = 0
    for module in config.modules:
        copies = module.place.count(range(config.num_hidden_layers), first=True, last=True)
        total += copies * _parameters(module)
    return total


def checkpoint_bytes(config: ModelConfig) -> int:
    """Bytes of the weights on disk: one GPU's tensors without padding, buffers and cache scales."""
    whole = Stage(range(config.num_hidden_layers), True, True, 1, config.dtype)
    total = 0
    for module in config.modules:
        if isinstance(module, Embedding):
            copies = module.place.count(whole.layers, first=True, last=True)
            total += copies * module.vocab * module.width * DTYPE_BYTES[config.dtype]
        elif isinstance(module, HeaderTensor):
            copies = module.place.count(whole.layers, first=True, last=True)
            total += copies * ceil_div(module.elements * module.bits, 8)
        elif isinstance(module, Linear | Weight):
            total += sum(tensor.bytes for tensor in _tensors(config, module, whole))
    return total


def _parameters(module: Module) -> int:
    if isinstance(module, Linear):
        return module.inputs * module.outputs + (module.outputs if module.bias else 0)
    if isinstance(module, Embedding):
        return module.vocab * module.width
    if isinstance(module, HeaderTensor):
        return module.elements if module.kind != "stored" or module.bits < 32 else 0
    return prod(module.shape) if isinstance(module, Weight) else 0


def _tensors(config: ModelConfig, module: Module, stage: Stage) -> Iterator[Tensor]:
    count = module.place.count(stage.layers, first=stage.first, last=stage.last)
    if count == 0:
        return
    if isinstance(module, Linear):
        yield from _linear(config, module, stage, count)
    elif isinstance(module, Embedding):
        rows = padded_vocab(module.vocab) // stage.tensor_parallel_size
        yield Tensor(f"{module.name}.weight", (rows, module.width), stage.dtype, count)
    elif isinstance(module, Weight):
        yield Tensor(module.name, module.shape, stage.dtype, count)
    elif isinstance(module, HeaderTensor):
        yield _from_header(config, module, stage, count)
    elif isinstance(module, Buffer):
        yield Tensor(module.name, module.shape, _dtype(module.dtype, stage), count, is_buffer=True)
    else:
        yield from _attention(config, module, stage, count)


def _linear(config: ModelConfig, linear: Linear, stage: Stage, count: int) -> Iterator[Tensor]:
    share = shard(linear, stage.tensor_parallel_size)
    if linear.bias:
        yield Tensor(f"{linear.name}.bias", (share.rows,), stage.dtype, count)
    for scheme, copies in _schemes(config, linear, stage, count):
        yield from _stored(linear.name, scheme, share, stage.dtype, copies)


def _schemes(config: ModelConfig, linear: Linear, stage: Stage, count: int) -> Iterator[tuple[Scheme, int]]:
    """How the stage's copies of a layer are stored, and how many are stored so."""
    if config.quantization is None:
        yield (LOADED_FP8 if stage.online_fp8 and linear.quantizable else PLAIN), count
        return
    layers = tuple(layer for layer in linear.place.layers if layer in stage.layers)
    for scheme, members in config.quantization.by_scheme(linear, layers).items():
        yield scheme, len(members) or count


def _stored(name: str, scheme: Scheme, share: Shard, dtype: str, count: int) -> Iterator[Tensor]:
    for tensor in scheme.tensors(share, dtype):
        yield Tensor(f"{name}.{tensor.suffix}", tensor.shape, tensor.dtype, count)


def _from_header(config: ModelConfig, tensor: HeaderTensor, stage: Stage, count: int) -> Tensor:
    """The share of a GPU, in bytes, rounded up: how vLLM cuts it is not known."""
    ways = {
        "all": stage.tensor_parallel_size,
        "kv-heads": min(stage.tensor_parallel_size, config.num_key_value_heads),
        "whole": 1,
    }[tensor.split]
    engine = 8 * DTYPE_BYTES[stage.dtype]
    bits = {"engine": engine, "float": max(engine, tensor.bits), "stored": tensor.bits}[tensor.kind]
    return Tensor(tensor.name, (ceil_div(ceil_div(tensor.elements, ways) * bits, 8),), "uint8", count)


def _attention(config: ModelConfig, attention: Attention, stage: Stage, count: int) -> Iterator[Tensor]:
    for scale in ATTENTION_SCALES:
        yield Tensor(f"{attention.name}.{scale}", (), "float32", count, is_buffer=True)
    for stored in config.quantization.kv_scales if config.quantization is not None else ():
        yield Tensor(f"{attention.name}.{stored.suffix}", stored.shape, _dtype(stored.dtype, stage), count)


def _dtype(dtype: str, stage: Stage) -> str:
    return stage.dtype if dtype == MODEL_DTYPE else dtype
