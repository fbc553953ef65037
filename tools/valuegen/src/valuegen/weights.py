"""Bytes of weights on one GPU.

Source: vLLM 0.33.0 model_executor/models/* (what is built where), as parameters and buffers stand
after the model is created and before weights are processed.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from valuegen.architectures.base import (
    MODEL_DTYPE,
    Attention,
    Buffer,
    Embedding,
    Experts,
    HeaderTensor,
    Linear,
    Weight,
)
from valuegen.expert_schemes import PLAIN_EXPERTS, EightBitExperts, chosen_backend
from valuegen.frozen import dataclass
from valuegen.limits import is_online_fp8
from valuegen.schemes import DTYPE_BYTES, PLAIN, EightBit
from valuegen.split import (
    Ranks,
    expert_shard,
    head_as_linear,
    padded_vocab,
    pipeline_layers,
    shard,
    weight_shape,
)
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.architectures.base import Module
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.expert_schemes import ExpertScheme
    from valuegen.schemes import Scheme, Stored

# What vLLM's attention layer holds besides the cache itself (layers/attention/attention.py).
ATTENTION_SCALES = ("_k_scale", "_v_scale", "_q_scale", "_prob_scale")
MXFP4_ROW = 256  # weights
LOADED_FP8 = EightBit("float8_e4m3fn", "tensor")  # what --quantization fp8 leaves of a weight
LOADED_FP8_EXPERTS = EightBitExperts("float8_e4m3fn", "expert")


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
    ranks: Ranks
    dtype: str
    compute_capability: tuple[int, int] | None = None  # None: weights as they are on disk
    online_fp8: bool = False
    loaded: bool = False  # what stays after loading, not what is created


def rank_tensors(
    config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int, *, loaded: bool = False
) -> list[Tensor]:
    """Every tensor that the largest rank of a pipeline stage holds.

    `loaded` counts what stays after loading: --quantization fp8 creates weights in the engine's dtype
    and keeps one byte of each; MLA keeps a copy of a quantized kv_b_proj (W_UK_T and W_UV) in that dtype.
    """
    pp = settings.pipeline_parallel_size
    stage = Stage(
        layers=pipeline_layers(config.num_hidden_layers, pp)[pipeline_stage],
        first=pipeline_stage == 0,
        last=pipeline_stage == pp - 1,
        ranks=Ranks.of(settings),
        dtype=settings.dtype,
        compute_capability=settings.compute_capability,
        online_fp8=loaded and is_online_fp8(config, settings),
        loaded=loaded,
    )
    return [tensor for module in config.modules for tensor in _tensors(config, module, stage)]


def layer_tensors(config: ModelConfig, settings: ResolvedSettings, layer: int) -> list[Tensor]:
    """The parameters that vLLM creates for one decoder layer on the largest rank."""
    stage = Stage(
        layers=range(layer, layer + 1),
        first=False,
        last=False,
        ranks=Ranks.of(settings),
        dtype=settings.dtype,
        compute_capability=settings.compute_capability,
    )
    own = [module for module in config.modules if module.place.layers and not module.place.shared]
    found = []
    for module in own:  # a layer's bias is created after its weight
        found += sorted(_tensors(config, module, stage), key=lambda tensor: tensor.name.endswith(".bias"))
    return [tensor for tensor in found if not tensor.is_buffer]


def rank_weights_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes of parameters and buffers on the largest rank of a stage, as vLLM creates them."""
    return sum(tensor.bytes for tensor in rank_tensors(config, settings, pipeline_stage))


def loaded_weights_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes that stay on the GPU after loading: less with --quantization fp8, more where kernels pad."""
    tensors = rank_tensors(config, settings, pipeline_stage, loaded=True)
    padding = sum(_kernel_padding(tensor) for tensor in tensors) if _pads_mxfp4(config, settings) else 0
    return sum(tensor.bytes for tensor in tensors) + padding


def _pads_mxfp4(config: ModelConfig, settings: ResolvedSettings) -> bool:
    """Whether Triton's kernels keep MXFP4 experts in their layout for Hopper.

    Source: vLLM 0.33.0 layers/quantization/utils/mxfp4_utils.py (_swizzle_mxfp4); the multiple is that of
    logged sizes, 64.4 GiB for gpt-oss-120b where 60.8 GiB are created.
    """
    own = config.quantization
    return own is not None and own.method == "mxfp4" and settings.compute_capability[0] == 9


def _kernel_padding(tensor: Tensor) -> int:
    """Bytes that rounding a row of packed weights, or of their scales, up to 256 weights adds."""
    kind = tensor.name.rpartition(".")[2].partition("_")[2]
    per_byte = {"weight": 2, "weight_scale": 32}.get(kind)
    if ".routed_experts." not in tensor.name or tensor.dtype != "uint8" or per_byte is None:
        return 0
    row = tensor.shape[-1]
    return tensor.bytes // row * (round_up(row, MXFP4_ROW // per_byte) - row)


def parameter_count(config: ModelConfig) -> int:
    """Parameters of the whole model, quantization metadata and padding left out."""
    total = 0
    for module in config.modules:
        copies = module.place.count(range(config.num_hidden_layers), first=True, last=True)
        total += copies * _parameters(module)
    return total


def checkpoint_bytes(config: ModelConfig) -> int:
    """Bytes of the weights on disk: one GPU's tensors without padding, buffers and cache scales."""
    whole = Stage(range(config.num_hidden_layers), True, True, Ranks(), config.dtype)
    total = 0
    for module in config.modules:
        if isinstance(module, Embedding):
            copies = module.place.count(whole.layers, first=True, last=True)
            total += copies * _parameters(module) * DTYPE_BYTES[config.dtype]
        elif isinstance(module, HeaderTensor):
            copies = module.place.count(whole.layers, first=True, last=True)
            total += copies * ceil_div(module.elements * module.bits, 8)
        elif isinstance(module, Linear | Experts | Weight):
            total += sum(tensor.bytes for tensor in _tensors(config, module, whole))
    return total


def _parameters(module: Module) -> int:
    if isinstance(module, Linear):
        return module.inputs * module.outputs + (module.outputs if module.bias else 0)
    if isinstance(module, Experts):
        biases = module.matrices * module.width + module.inputs if module.bias else 0
        return module.count * ((module.matrices + 1) * module.width * module.inputs + biases)
    if isinstance(module, Embedding):
        return module.vocab * (module.width + (1 if module.bias else 0))
    if isinstance(module, HeaderTensor):
        return module.elements if module.kind != "stored" or module.bits < 32 else 0
    return prod(module.shape) if isinstance(module, Weight) else 0


def _tensors(config: ModelConfig, module: Module, stage: Stage) -> Iterator[Tensor]:
    count = module.place.count(stage.layers, first=stage.first, last=stage.last)
    if count == 0:
        return
    if isinstance(module, Linear):
        yield from _linear(config, module, stage, count)
    elif isinstance(module, Experts):
        yield from _experts(config, module, stage, count)
    elif isinstance(module, Embedding) and module.is_head and _quantizes_head(config):
        yield from _linear(config, head_as_linear(module), stage, count)
    elif isinstance(module, Embedding):
        rows = padded_vocab(module.vocab) // stage.ranks.tensor
        yield Tensor(f"{module.name}.weight", (rows, module.width), stage.dtype, count)
        if module.bias:
            yield Tensor(f"{module.name}.bias", (rows,), stage.dtype, count)
    elif isinstance(module, Weight):
        shape = weight_shape(module, stage.ranks.tensor)
        yield Tensor(module.name, shape, _dtype(module.dtype, stage), count)
    elif isinstance(module, HeaderTensor):
        yield _from_header(config, module, stage, count)
    elif isinstance(module, Buffer):
        yield from _buffer(module, stage, count)
    else:
        yield from _attention(config, module, stage, count)


def _buffer(buffer: Buffer, stage: Stage, count: int) -> Iterator[Tensor]:
    if stage.loaded and buffer.view:
        return
    if buffer.kernels is not None:
        units, shares = buffer.kernels
        if units // stage.ranks.tensor not in shares:
            return
    shape = weight_shape(buffer, stage.ranks.tensor)
    yield Tensor(buffer.name, shape, _dtype(buffer.dtype, stage), count, is_buffer=True)


def _linear(config: ModelConfig, linear: Linear, stage: Stage, count: int) -> Iterator[Tensor]:
    share = shard(linear, stage.ranks.dividing(linear))
    dtype = _dtype(linear.dtype, stage)
    if linear.bias:
        yield Tensor(f"{linear.name}.bias", (share.rows,), dtype, count)
    for scheme, copies in _schemes(config, linear, stage, count):
        yield from _stored(linear.name, scheme.tensors(share, dtype), copies)
        if stage.loaded and linear.plain_copy and scheme != PLAIN:
            yield Tensor(
                f"{linear.name}.plain_copy", (share.rows, share.inputs), dtype, copies, is_buffer=True
            )


def _quantizes_head(config: ModelConfig) -> bool:
    return config.quantization is not None and config.quantization.quantizes_head


def _schemes(config: ModelConfig, linear: Linear, stage: Stage, count: int) -> Iterator[tuple[Scheme, int]]:
    """How the stage's copies of a layer are stored, and how many are stored so."""
    if config.quantization is None:
        yield (LOADED_FP8 if stage.online_fp8 and linear.quantizable else PLAIN), count
        return
    here = () if linear.place.shared else linear.place.within(stage.layers)
    for scheme, members in config.quantization.by_scheme(linear, here).items():
        yield scheme, len(members) or count


def _experts(config: ModelConfig, experts: Experts, stage: Stage, count: int) -> Iterator[Tensor]:
    name = f"{experts.name}.routed_experts"
    if stage.ranks.expert_parallel and stage.ranks.tensor * stage.ranks.data > 1:
        yield Tensor(f"{name}._expert_map", (experts.count,), "int32", count, is_buffer=True)
    capability = stage.compute_capability
    for scheme, copies in _expert_schemes(config, experts, stage, count):
        backend = "auto" if capability is None else chosen_backend(scheme, capability)
        share = expert_shard(experts, stage.ranks, backend)
        yield from _stored(name, scheme.tensors(share, stage.dtype), copies)


def _expert_schemes(
    config: ModelConfig, experts: Experts, stage: Stage, count: int
) -> Iterator[tuple[ExpertScheme, int]]:
    if config.quantization is None:
        yield (LOADED_FP8_EXPERTS if stage.online_fp8 else PLAIN_EXPERTS), count
        return
    layers = experts.place.within(stage.layers)
    for scheme, members in config.quantization.by_expert_scheme(experts, layers).items():
        yield scheme, len(members) or count


def _stored(name: str, tensors: tuple[Stored, ...], count: int) -> Iterator[Tensor]:
    for tensor in tensors:
        yield Tensor(f"{name}.{tensor.suffix}", tensor.shape, tensor.dtype, count)


def _from_header(config: ModelConfig, tensor: HeaderTensor, stage: Stage, count: int) -> Tensor:
    """The share of a GPU, in bytes, rounded up: how vLLM cuts it is not known."""
    ways = {
        "all": stage.ranks.tensor,
        "kv-heads": min(stage.ranks.tensor, config.num_key_value_heads),
        "whole": 1,
    }[tensor.split]
    engine = 8 * DTYPE_BYTES[stage.dtype]
    bits = {"engine": engine, "float": max(engine, tensor.bits), "stored": tensor.bits}[tensor.kind]
    return Tensor(tensor.name, (ceil_div(ceil_div(tensor.elements, ways) * bits, 8),), "uint8", count)


def _attention(config: ModelConfig, attention: Attention, stage: Stage, count: int) -> Iterator[Tensor]:
    for scale in ATTENTION_SCALES:
        yield Tensor(f"{attention.name}.{scale}", (), "float32", count, is_buffer=True)
    own = config.quantization
    if own is None or (attention.latent and not own.latent_kv_scales):
        return
    for stored in own.kv_scales:
        yield Tensor(f"{attention.name}.{stored.suffix}", stored.shape, _dtype(stored.dtype, stage), count)


def _dtype(dtype: str, stage: Stage) -> str:
    return stage.dtype if dtype == MODEL_DTYPE else dtype
