"""Which sizes of tensor, pipeline, data, expert and decode context parallelism vLLM accepts for a model.

Source: vLLM 0.33.0 config/model.py (verify_with_parallel_config), config/parallel.py, and the layers'
own checks (model_executor/layers/linear.py, layers/fused_moe/config.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen import limits
from valuegen.architectures.base import Embedding, Experts, Linear
from valuegen.errors import Reason
from valuegen.limits import any_of
from valuegen.split import Ranks, expert_shard, padded_vocab, pipeline_layers, shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

LARGEST_SUGGESTED_TP = 16


def refusals(
    config: ModelConfig,
    settings: ResolvedSettings,
    *,
    compute_capability: tuple[int, int] | None = None,
) -> list[Reason]:
    """Everything for which vLLM would refuse this model with these settings.

    With a compute capability, also what the GPU cannot do.
    """
    sizes = list(limits.not_positive(settings))
    if sizes:
        return sizes
    found = [
        *_tensor_parallel(config, settings),
        *_pipeline(config, settings),
        *_decode_context(config, settings),
        *_expert(config, settings),
        *limits.refusals(config, settings),
    ]
    found.extend(_features(config, settings))
    if compute_capability is not None:
        found.extend(limits.gpu_refusals(config, settings, compute_capability))
    return found


def _features(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    """Features that most engines do without; each is loaded when it is used, and needs this module."""
    if settings.enable_lora:
        from valuegen import lora  # noqa: PLC0415

        yield from lora.refusals(config, settings)
    if settings.speculative_config is not None:
        from valuegen import speculation  # noqa: PLC0415

        yield from speculation.refusals(config, settings)
    if settings.offloads:
        from valuegen import offload  # noqa: PLC0415

        yield from offload.refusals(settings)


def _tensor_parallel(config: ModelConfig, settings: ResolvedSettings) -> list[Reason]:
    ranks = Ranks.of(settings)
    problems = problems_of(config, ranks)
    if not problems:
        return []
    sizes = [
        str(size)
        for size in range(1, LARGEST_SUGGESTED_TP + 1)
        if size != ranks.tensor and not problems_of(config, replace(ranks, tensor=size))
    ]
    fixes = [f"use --tensor-parallel-size {any_of(sizes)}"] if sizes else []
    if not ranks.expert_parallel and not problems_of(config, replace(ranks, expert_parallel=True)):
        fixes.append("add --enable-expert-parallel")
    fix = ", or ".join(fixes) or "use another checkpoint of this model"
    return [Reason(code, message, fix) for code, message in problems]


def tensor_parallel_problems(config: ModelConfig, tp: int) -> list[tuple[str, str]]:
    """(code, message) of each rule that a tensor parallel size breaks on its own."""
    return problems_of(config, Ranks(tp))


def problems_of(config: ModelConfig, ranks: Ranks) -> list[tuple[str, str]]:
    """(code, message) of each rule that a division over GPUs breaks."""
    tp, heads, kv_heads = ranks.tensor, config.num_attention_heads, config.num_key_value_heads
    if heads % tp:
        return [("heads", f"--tensor-parallel-size {tp} does not divide the {heads} attention heads")]
    if kv_heads % tp and tp % kv_heads:
        return [
            (
                "kv-heads",
                f"--tensor-parallel-size {tp} neither divides the {kv_heads} key/value heads "
                "nor is a multiple of them",
            )
        ]
    problems: dict[tuple[str, str], None] = {}  # keeps the order, drops repetitions
    for module in config.modules:
        if isinstance(module, Embedding) and padded_vocab(module.vocab) % tp:
            rows = padded_vocab(module.vocab)
            problems[
                "vocabulary", f"--tensor-parallel-size {tp} does not divide the {rows} rows of the vocabulary"
            ] = None
        if isinstance(module, Linear):
            problems.update(dict.fromkeys(_linear_problems(config, module, ranks)))
        if isinstance(module, Experts):
            problems.update(dict.fromkeys(_expert_problems(config, module, ranks)))
    return list(problems)


def _linear_problems(config: ModelConfig, linear: Linear, ranks: Ranks) -> Iterator[tuple[str, str]]:
    tp = ranks.dividing(linear)
    divided = [part.units for part in linear.parts if not part.replicable and part.multiple == 1]
    if linear.split == "row":
        divided = [linear.inputs] if linear.inputs_multiple == 1 else []
    if linear.split != "replicated":
        for units in divided:
            if units % tp:
                yield "split", f"--tensor-parallel-size {tp} does not divide the {units} of {linear.name}"
                return
    for part in linear.parts:
        if linear.split == "column" and part.replicable and part.units % tp and tp % part.units:
            yield (
                "kv-heads",
                f"--tensor-parallel-size {tp} neither divides the {part.units} key/value heads "
                f"of {linear.name} nor is a multiple of them",
            )
            return
    if config.quantization is None:
        return
    for scheme in config.quantization.by_scheme(linear, linear.place.layers):
        problem = scheme.problem(shard(linear, tp))
        if problem is not None:
            yield "quantization-alignment", f"--tensor-parallel-size {tp}: {linear.name} has {problem}"


def _expert_problems(config: ModelConfig, experts: Experts, ranks: Ranks) -> Iterator[tuple[str, str]]:
    if experts.one_per_gpu and ranks.tensor > experts.count:
        yield "experts", f"--tensor-parallel-size {ranks.tensor} exceeds the {experts.count} experts"
    gpus = ranks.tensor * ranks.data
    shown = f"--tensor-parallel-size {ranks.tensor}"
    if ranks.data > 1:
        shown += f" times --data-parallel-size {ranks.data}"
    if not ranks.expert_parallel and experts.width % gpus:
        yield "split", f"{shown} does not divide the width {experts.width} of {experts.name}"
        return
    if config.quantization is None:
        return
    for scheme in config.quantization.by_expert_scheme(experts, experts.place.layers):
        problem = scheme.problem(expert_shard(experts, ranks))
        if problem is not None:
            yield "quantization-alignment", f"{shown}: {experts.name} has {problem}"


def _pipeline(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    pp, layers = settings.pipeline_parallel_size, config.num_hidden_layers
    stages = pipeline_layers(layers, min(pp, layers))
    if any(
        (reader in stage) != (owner in stage) for reader, owner in config.cache_readers for stage in stages
    ):
        yield Reason(
            "pipeline-shared-cache",
            f"--pipeline-parallel-size {pp} puts layers apart that share a KV cache",
            "use --pipeline-parallel-size 1 and a larger --tensor-parallel-size",
        )
    if pp > 1 and not config.supports_pipeline:
        yield Reason(
            "pipeline",
            f"--pipeline-parallel-size {pp}: vLLM 0.33 cannot split {config.architecture} into stages",
            "use --pipeline-parallel-size 1",
        )
    if pp > layers:
        yield Reason(
            "pipeline",
            f"--pipeline-parallel-size {pp} exceeds the {layers} layers",
            f"use --pipeline-parallel-size {layers} or less",
        )


def _decode_context(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    dcp, tp = settings.decode_context_parallel_size, settings.tensor_parallel_size
    if dcp == 1:
        return
    flag = "--decode-context-parallel-size"
    kv_heads = config.num_key_value_heads
    if config.is_attention_free:
        yield Reason("decode-context", f"{flag} needs attention layers; this model has none", f"use {flag} 1")
        return
    queries = config.num_attention_heads // kv_heads
    largest = tp // kv_heads
    fitting = [str(size) for size in range(1, largest + 1) if queries % size == 0 and tp % size == 0]
    fix = f"use {flag} {any_of(fitting or ['1'])}"
    if tp <= kv_heads:
        yield Reason(
            "decode-context",
            f"{flag} {dcp} needs --tensor-parallel-size above the {kv_heads} key/value heads; it is {tp}",
            f"use {flag} 1 or --tensor-parallel-size {2 * kv_heads}",
        )
    elif dcp > largest:
        yield Reason(
            "decode-context",
            f"{flag} {dcp} exceeds {largest}, which is --tensor-parallel-size {tp} "
            f"over {kv_heads} key/value heads",
            fix,
        )
    elif queries % dcp or tp % dcp:
        yield Reason(
            "decode-context",
            f"{flag} {dcp} must divide --tensor-parallel-size {tp} and the {queries} query heads "
            "of each key/value head",
            fix,
        )
    if config.sliding_window is not None:
        yield Reason("decode-context-window", f"{flag} does not work with a sliding window", f"use {flag} 1")


def _expert(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    blocks = [module for module in config.modules if isinstance(module, Experts)]
    if settings.enable_expert_parallel and not blocks:
        yield Reason(
            "expert-parallel",
            "--enable-expert-parallel needs a model with experts; this one has none",
            "leave --enable-expert-parallel out",
        )
    ranks = Ranks.of(settings)
    gpus = ranks.tensor * ranks.data * settings.pipeline_parallel_size
    for width in sorted({block.width for block in blocks if block.even_width and block.width % gpus}):
        yield Reason(
            "experts",
            f"the {gpus} GPUs of all stages and replicas do not divide the experts' width of {width}",
            "use a --pipeline-parallel-size and --data-parallel-size that make their number divide it",
        )
