"""LoRA: the buffers that vLLM makes for adapters when it starts, whether or not there is one.

Source: vLLM 0.33.0 lora/layers/*.py (create_lora_weights), lora/model_manager.py (_create_lora_modules: which
modules), lora/utils.py, lora/punica_wrapper/*.py, lora/ops/triton_ops/lora_kernel_metadata.py,
config/lora.py, v1/worker/gpu/lora_utils.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from valuegen.architectures.base import Embedding, Experts, Linear
from valuegen.errors import Reason
from valuegen.facts import read_facts
from valuegen.frozen import dataclass
from valuegen.limits import any_of
from valuegen.schemes import DTYPE_BYTES
from valuegen.split import Ranks, expert_shard, padded_vocab, pipeline_layers, shard
from valuegen.units import round_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of --max-lora-rank
DTYPES = ("auto", "float16", "bfloat16")
# To what MXFP4's kernels round the sizes of experts up (layers/fused_moe/oracle/mxfp4.py).
MXFP4_INPUTS, MXFP4_WIDTH = 256, 128
FEW_PARTS, MANY_PARTS = (
    2,
    3,
)  # from which on a merged layer has an adapter for each part, unless it says otherwise
LANGUAGE_MODEL = "language_model."
DELTA_NET = ".linear_attn."
UNGATED_ROUTER = ".mixer.gate"  # of Nemotron-H, whose experts have no gate
# Classes around any language model, whose modules decide.
BY_LANGUAGE_MODEL = (
    "InternVLChatModel",
    "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
)

# lora/punica_wrapper/punica_base.py: four int64 per token, three per request; the metadata of the kernels,
# for tokens and for logits, two int32 per token and three lists of the adapters.
TOKEN_INDEXES, REQUEST_INDEXES, INDEX = 4, 3, 8
KERNEL_METADATA, TOKEN_ENTRIES, ENTRY = 2, 2, 4


@dataclass(frozen=True)
class Wrapping:
    """How adapters are put on a class of models; the fields are those of lora.toml."""

    packed: dict[str, int]
    embeddings: tuple[str, ...] = ()
    fused_experts: bool = False
    language_model: bool = False


@dataclass(frozen=True)
class Buffers:
    """The stacked A and B matrices of one kind of module on one GPU. Bytes of all `count` together."""

    name: str
    count: int
    bytes: int


def wrapping(config: ModelConfig) -> Wrapping | None:
    """How vLLM puts adapters on the model; None if it does not, or if that is not known."""
    return None if config.assumptions else _wrappings().get(config.architecture)


def rank_bytes(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> int:
    """Bytes on each GPU of a pipeline stage; 0 without --enable-lora.

    All of it is allocated while the model is loaded, for --max-loras adapters of --max-lora-rank.
    """
    if not settings.enable_lora:
        return 0
    return metadata_bytes(settings) + sum(each.bytes for each in buffers(config, settings, pipeline_stage))


def host_bytes(config: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes that --max-cpu-loras adapters take in the memory of one worker, at the full rank.

    An adapter is kept as it was loaded, before it is split over GPUs.
    """
    if not settings.enable_lora:
        return 0
    return settings.max_cpu_loras * adapter_bytes(config, settings)


def adapter_bytes(config: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes of one adapter of the full rank on every module."""
    found = wrapping(config)
    if found is None:
        return 0
    whole, total = Ranks(), 0
    for module in config.modules:
        if not isinstance(module, Linear | Experts | Embedding) or not _is_wrapped(module.name, found):
            continue
        copies = module.place.count(range(config.num_hidden_layers), first=True, last=True)
        total += copies * _elements(module, found, settings, whole, config)
    return total * _element(settings)


def buffers(config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int) -> Iterator[Buffers]:
    """The buffers of every module that takes adapters."""
    found = wrapping(config)
    if found is None:
        return
    pp = settings.pipeline_parallel_size
    layers = pipeline_layers(config.num_hidden_layers, pp)[pipeline_stage]
    first, last = pipeline_stage == 0, pipeline_stage == pp - 1
    ranks, element = Ranks.of(settings), _element(settings)
    for module in config.modules:
        if not isinstance(module, Linear | Experts | Embedding) or not _is_wrapped(module.name, found):
            continue
        count = module.place.count(layers, first=first, last=last)
        size = settings.max_loras * element * _elements(module, found, settings, ranks, config)
        if count and size:
            yield Buffers(module.name, count, count * (size + _beside(module, settings)))
    tied = config.tie_word_embeddings and last and "lm_head" in found.embeddings
    if tied:  # the head is the embedding: it gets the buffers of both
        yield from _tied_head(config, settings)


def metadata_bytes(settings: ResolvedSettings) -> int:
    """Bytes of the indexes that say which token belongs to which adapter."""
    tokens, adapters = settings.max_num_batched_tokens, settings.max_loras
    indexes = INDEX * (TOKEN_INDEXES * tokens + REQUEST_INDEXES * settings.max_num_seqs)
    lists = (adapters + 1) + (adapters + 1) + (adapters + 2)
    return indexes + KERNEL_METADATA * ENTRY * (TOKEN_ENTRIES * tokens + lists)


def refusals(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    """What vLLM refuses of LoRA."""
    if not settings.enable_lora:
        return
    rank = settings.max_lora_rank
    if rank not in RANKS:
        yield Reason(
            "max-lora-rank",
            f"--max-lora-rank {rank} is none that vLLM has kernels for",
            f"use --max-lora-rank {any_of([str(each) for each in RANKS])}",
        )
    if settings.max_cpu_loras < settings.max_loras:
        yield Reason(
            "max-cpu-loras",
            f"--max-cpu-loras {settings.max_cpu_loras} is less than --max-loras {settings.max_loras}",
            f"use --max-cpu-loras {settings.max_loras} or more",
        )
    if settings.lora_dtype not in DTYPES:
        yield Reason(
            "lora-dtype", f"--lora-dtype {settings.lora_dtype} is unknown", f"use {any_of(list(DTYPES))}"
        )
    if wrapping(config) is None:
        known = not config.assumptions and config.architecture not in BY_LANGUAGE_MODEL
        yield Reason(
            "lora",
            f"--enable-lora: vLLM 0.33 has no LoRA for {config.architecture}"
            if known
            else f"--enable-lora: which modules of {config.architecture} take adapters is not known",
            "leave --enable-lora out",
        )
    yield from _split(config, settings)


def _split(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    tp = settings.tensor_parallel_size
    if not settings.fully_sharded_loras:
        return
    if settings.max_lora_rank % tp:
        yield Reason(
            "fully-sharded-loras",
            f"--fully-sharded-loras: --tensor-parallel-size {tp} does not divide --max-lora-rank "
            f"{settings.max_lora_rank}",
            "raise --max-lora-rank, or leave --fully-sharded-loras out",
        )
    if settings.enable_expert_parallel and any(isinstance(module, Experts) for module in config.modules):
        yield Reason(
            "fully-sharded-loras",
            "--fully-sharded-loras does not work with --enable-expert-parallel",
            "leave one of them out",
        )


def _is_wrapped(name: str, found: Wrapping) -> bool:
    if name.endswith(UNGATED_ROUTER):
        return False
    return name.startswith(LANGUAGE_MODEL) or not found.language_model


def _elements(
    module: Linear | Experts | Embedding,
    found: Wrapping,
    settings: ResolvedSettings,
    ranks: Ranks,
    config: ModelConfig,
) -> int:
    """Elements of one adapter's A and B on one GPU."""
    if isinstance(module, Linear):
        return _linear(module, found, settings, ranks)
    if isinstance(module, Experts):
        return _experts(module, found, settings, ranks, config)
    kind = module.name.rpartition(".")[2]
    if kind not in found.embeddings:
        return 0
    # Neither is split (lora/layers/vocab_parallel_embedding.py, logits_processor.py).
    return settings.max_lora_rank * (config.vocab_size + module.width)


def _linear(linear: Linear, found: Wrapping, settings: ResolvedSettings, ranks: Ranks) -> int:
    rank, tp = settings.max_lora_rank, ranks.dividing(linear)
    share = shard(linear, tp)
    sharded = settings.fully_sharded_loras and tp > 1
    if linear.split == "row":
        return rank * share.inputs + rank * (share.rows // tp if sharded else share.rows)
    adapters = _adapters(linear, found, settings, tp)
    first = rank // tp if sharded and linear.split == "column" else rank
    return adapters * first * share.inputs + (rank * share.rows if adapters else 0)


def _adapters(linear: Linear, found: Wrapping, settings: ResolvedSettings, tp: int) -> int:
    """How many adapters a layer takes: one for each of its matrices, one for all, or none."""
    parts = len(linear.parts)
    packed = found.packed.get(linear.name.rpartition(".")[2], 0)
    if parts == 1:
        return 1
    if linear.split == "replicated":
        return packed
    if linear.name.endswith(QKV):
        return min(packed, parts)
    repeated = any(part.replicable and part.units % tp for part in linear.parts)
    if repeated or (DELTA_NET in linear.name and packed < FEW_PARTS):  # no merged layer to vLLM
        return 1
    if packed != FEW_PARTS and parts >= MANY_PARTS:
        return 0 if settings.fully_sharded_loras else parts
    return parts if packed == FEW_PARTS else packed


QKV = ("qkv_proj", "query_key_value", "wqkv", "Wqkv", "qkv", "W_pack")


def _experts(
    experts: Experts, found: Wrapping, settings: ResolvedSettings, ranks: Ranks, config: ModelConfig
) -> int:
    rank, share = settings.max_lora_rank, expert_shard(experts, ranks)
    if config.quantization is not None and config.quantization.method == "mxfp4":
        share = replace(
            share, inputs=round_up(share.inputs, MXFP4_INPUTS), width=round_up(share.width, MXFP4_WIDTH)
        )
    gpus = ranks.tensor * ranks.data
    cut = gpus if settings.fully_sharded_loras and not ranks.expert_parallel else 1
    slices = 1 if found.fused_experts else share.matrices
    up = slices * (rank // cut) * share.inputs + share.matrices * share.width * rank
    down = rank * share.width + (share.inputs // cut) * rank
    return share.experts * (up + down)


def _beside(module: Linear | Experts | Embedding, settings: ResolvedSettings) -> int:
    """Bytes that come with the buffers of a module."""
    if isinstance(module, Experts):
        return 4 * (settings.max_loras + 1)  # which adapters are there, int32
    if isinstance(module, Embedding) and module.is_head and settings.tensor_parallel_size > 1:
        return 8 * padded_vocab(module.vocab)  # where each GPU's share of the logits belongs, int64
    return 0


def _tied_head(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Buffers]:
    adapter = settings.max_lora_rank * (config.vocab_size + config.hidden_size)
    size = settings.max_loras * _element(settings) * adapter
    order = 8 * padded_vocab(config.vocab_size) if settings.tensor_parallel_size > 1 else 0
    yield Buffers("lm_head", 1, size + order)


def _element(settings: ResolvedSettings) -> int:
    dtype = settings.dtype if settings.lora_dtype == "auto" else settings.lora_dtype
    return int(DTYPE_BYTES[dtype])


@cache
def _wrappings() -> dict[str, Wrapping]:
    facts: dict[str, list[dict[str, Any]]] = read_facts("lora")
    found = {}
    for entry in facts["class"]:
        names = entry.pop("architectures")
        known = Wrapping(**{**entry, "embeddings": tuple(entry.get("embeddings", ()))})
        found.update(dict.fromkeys(names, known))
    return found
