"""Every sensible way to run a model on one type of GPU, judged one by one.

Source: vLLM's docs/serving/parallelism_scaling.md: tensor parallelism within a node, pipeline parallelism
where that does not do, stages over nodes; data parallelism with expert parallelism for experts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valuegen.architectures.base import Experts
from valuegen.fit import judge
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valuegen.catalog.gpus import Gpu
    from valuegen.engine import EngineSettings
    from valuegen.fit import FitResult
    from valuegen.host import Pace
    from valuegen.model import Model

SIZES = (1, 2, 4, 8, 16)  # of a parallel group: the powers of two up to the largest node
# Smaller batches that are tried when vLLM's default of 1024 takes the room of the model itself: the
# logits of every row are in the activation peak.
SMALLER_BATCHES = (256, 128)


@dataclass(frozen=True)
class Room:
    """The GPUs that one replica may take."""

    per_node: int
    nodes: int = 1
    at_most: int | None = None  # over all nodes

    def holds(self, split: Split) -> bool:
        """Whether a replica of this split finds its GPUs."""
        return (
            split.nodes <= self.nodes
            and split.gpus <= self.per_node * split.nodes
            and (self.at_most is None or split.gpus <= self.at_most)
        )


@dataclass(frozen=True)
class Split:
    """How one replica is divided over GPUs and nodes."""

    tensor: int
    pipeline: int = 1
    data: int = 1
    expert: bool = False
    nodes: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline * self.data

    def of(self, settings: EngineSettings) -> EngineSettings:
        """The settings with this split; what they leave to vLLM stays so."""
        return replace(
            settings,
            tensor_parallel_size=self.tensor,
            pipeline_parallel_size=self.pipeline if self.pipeline > 1 else settings.pipeline_parallel_size,
            data_parallel_size=self.data if self.data > 1 else settings.data_parallel_size,
            enable_expert_parallel=True if self.expert else settings.enable_expert_parallel,
        )


@dataclass(frozen=True)
class Terms:
    """What is the same for every configuration of a search."""

    settings: EngineSettings
    vllm_version: str
    pace: Pace | None = None
    profile: str | None = None


def configurations(model: Model, gpu: Gpu, room: Room, terms: Terms) -> Iterator[FitResult]:
    """Judgements of the splits that `room` holds: the next kind of split is tried when no simpler one fits."""

    def judged(split: Split) -> FitResult:
        return judged_split(model, gpu, split, terms)

    settings = terms.settings
    has_experts = any(isinstance(module, Experts) for module in model.config.modules)
    fits = False
    for split in _in_a_node(settings, has_experts=has_experts):
        if room.holds(split):
            result = judged(split)
            if result.verdict == "invalid" and _may_divide_experts(split, settings, has_experts=has_experts):
                whole = judged(replace(split, expert=True))
                result = whole if whole.verdict != "invalid" else result
            fits = fits or result.fits
            yield result
    more_nodes = (_stages_over_nodes(settings, room, nodes) for nodes in range(2, room.nodes + 1))
    for kind in (_stages_in_a_node(settings), *more_nodes):
        if fits:
            return
        for split in kind:
            if room.holds(split):
                result = judged(split)
                fits = fits or result.fits
                yield result


def smallest(settings: EngineSettings) -> Split:
    """The smallest split that the settings allow."""
    return Split(
        settings.tensor_parallel_size or 1,
        settings.pipeline_parallel_size or 1,
        settings.data_parallel_size or 1,
        expert=bool(settings.enable_expert_parallel),
    )


def _in_a_node(settings: EngineSettings, *, has_experts: bool) -> Iterator[Split]:
    """Tensor parallelism; where there are experts also replicas of attention that share them."""
    if settings.pipeline_parallel_size not in (None, 1):
        return
    expert = bool(settings.enable_expert_parallel)
    for tensor in _sizes(settings.tensor_parallel_size):
        if settings.data_parallel_size is not None:
            yield Split(tensor, data=settings.data_parallel_size, expert=expert)
            continue
        yield Split(tensor, expert=expert)
        if has_experts and settings.enable_expert_parallel is not False:
            for data in SIZES[1:]:
                yield Split(tensor, data=data, expert=True)


def _may_divide_experts(split: Split, settings: EngineSettings, *, has_experts: bool) -> bool:
    """Whether whole experts per GPU are another way: their matrices may not divide."""
    return has_experts and split.gpus > 1 and not split.expert and settings.enable_expert_parallel is None


def _stages_in_a_node(settings: EngineSettings) -> Iterator[Split]:
    smallest_split = smallest(settings)
    for tensor in _sizes(settings.tensor_parallel_size):
        for stages in _sizes(settings.pipeline_parallel_size):
            if stages > 1:
                yield replace(smallest_split, tensor=tensor, pipeline=stages)


def _stages_over_nodes(settings: EngineSettings, room: Room, nodes: int) -> Iterator[Split]:
    """Whole nodes: tensor parallel groups stay within one, and each runs as many stages as another."""
    if settings.data_parallel_size not in (None, 1):
        return
    expert = bool(settings.enable_expert_parallel)
    for tensor in _sizes(settings.tensor_parallel_size):
        each, rest = divmod(room.per_node, tensor)
        pipeline = nodes * each
        if not rest and settings.pipeline_parallel_size in (None, pipeline):
            yield Split(tensor, pipeline, expert=expert, nodes=nodes)


def _sizes(pinned: int | None) -> tuple[int, ...]:
    return SIZES if pinned is None else (pinned,)


def judged_split(model: Model, gpu: Gpu, split: Split, terms: Terms) -> FitResult:
    """The judgement with vLLM's own batch, or with the largest smaller one that fits."""
    settings = split.of(terms.settings)

    def judged(asked: EngineSettings) -> FitResult:
        return judge(
            model,
            gpu,
            asked,
            vllm_version=terms.vllm_version,
            pace=terms.pace,
            nodes=split.nodes,
            profile=terms.profile,
        )

    result = judged(settings)
    if result.verdict == "too-big" and settings.max_num_seqs is None:
        for batch in SMALLER_BATCHES:
            if batch < result.settings.max_num_seqs:
                smaller = judged(replace(settings, max_num_seqs=batch))
                if smaller.fits:
                    return smaller
    return result
