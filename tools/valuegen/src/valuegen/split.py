"""A GPU's share of each tensor under tensor, pipeline, data and expert parallelism.

Source: vLLM 0.33.0 distributed/utils.py (get_pp_indices), model_executor/layers/linear.py and
vocab_parallel_embedding.py (the splits), layers/fused_moe/config.py (FusedMoEParallelConfig: the experts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures.base import Buffer, Embedding, Experts, Linear, Part, Weight
from valuegen.expert_schemes import ExpertShard
from valuegen.frozen import dataclass
from valuegen.schemes import Shard
from valuegen.units import ceil_div, round_up

if TYPE_CHECKING:
    from valuegen.engine import ResolvedSettings

VOCAB_PADDING = 64  # rows; vLLM pads embeddings to a multiple


@dataclass(frozen=True)
class Ranks:
    """The GPUs that share a pipeline stage, data parallel replicas included."""

    tensor: int = 1
    data: int = 1
    expert_parallel: bool = False

    @classmethod
    def of(cls, settings: ResolvedSettings) -> Ranks:
        """As the settings say."""
        return cls(
            settings.tensor_parallel_size, settings.data_parallel_size, settings.enable_expert_parallel
        )

    @property
    def sequence_parallel(self) -> bool:
        """Whether GPUs take tokens, not slices, through the modules beside the experts."""
        return self.expert_parallel and self.tensor > 1 and self.data > 1

    def dividing(self, linear: Linear) -> int:
        """How many GPUs divide a layer that is not replicated anyway."""
        if linear.sequence_parallel and self.sequence_parallel:
            return 1
        return 1 if linear.whole_unless is not None and linear.whole_unless % self.tensor else self.tensor


def pipeline_layers(num_layers: int, pipeline_parallel_size: int) -> list[range]:
    """The layers of each pipeline stage.

    What does not divide goes to the stages before the last, from the back, so that the last one,
    which holds the head, stays light.
    """
    base, rest = divmod(num_layers, pipeline_parallel_size)
    counts = [base] * pipeline_parallel_size
    for stage in range(2, rest + 2):
        counts[-stage] += 1
    starts = [sum(counts[:stage]) for stage in range(pipeline_parallel_size)]
    return [range(start, start + count) for start, count in zip(starts, counts, strict=True)]


def padded_vocab(vocab: int) -> int:
    """Rows of an embedding after vLLM's padding."""
    return round_up(vocab, VOCAB_PADDING)


def part_width(part: Part, tensor_parallel_size: int) -> int:
    """A GPU's share of one merged matrix."""
    shares = min(part.units, tensor_parallel_size) if part.replicable else tensor_parallel_size
    return round_up(part.width // shares, part.multiple)


def shard(linear: Linear, tensor_parallel_size: int) -> Shard:
    """A GPU's share of a linear layer."""
    inputs = linear.inputs
    if linear.split == "row":
        inputs = round_up(inputs // tensor_parallel_size, linear.inputs_multiple)
    outputs = tuple(
        part_width(part, tensor_parallel_size) if linear.split == "column" else part.width
        for part in linear.parts
    )
    return Shard(inputs, outputs, linear.inputs, linear.outputs, linear.split)


def head_as_linear(head: Embedding) -> Linear:
    """The layer that a quantization method sees in a language model head."""
    rows = padded_vocab(head.vocab)
    return Linear(head.name, head.place, head.width, (Part(rows, rows),), "column", bias=head.bias)


def weight_shape(weight: Weight | Buffer, tensor_parallel_size: int) -> tuple[int, ...]:
    """A GPU's share of a parameter."""
    if weight.units is None:
        return weight.shape
    part = Part(weight.shape[0], weight.units, weight.replicable)
    return (part_width(part, tensor_parallel_size), *weight.shape[1:])


def expert_shard(experts: Experts, ranks: Ranks, moe_backend: str = "auto") -> ExpertShard:
    """The share of the GPU that holds most: tensor and data parallel GPUs divide experts together."""
    gpus = ranks.tensor * ranks.data
    return ExpertShard(
        experts=ceil_div(experts.count, gpus) if ranks.expert_parallel else experts.count,
        inputs=experts.inputs,
        width=experts.width if ranks.expert_parallel else experts.width // gpus,
        matrices=experts.matrices,
        bias=experts.bias,
        split=gpus > 1 and not ranks.expert_parallel,
        tensor_parallel_size=ranks.tensor,
        backend=moe_backend,
    )
