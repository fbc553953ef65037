"""The search tries tensor, data and expert parallelism, then stages, then nodes; it stays in the room given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.models import FOLDER, model

from valuegen import EngineSettings, Gpu, GpuOffer, Model, plan
from valuegen.catalog.gpus import planned_gpus
from valuegen.fit import judge
from valuegen.nearest import nearest_miss
from valuegen.parallel import problems_of
from valuegen.split import Ranks
from valuegen.weights import rank_weights_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = sorted(path.stem.replace("__", "/", 1) for path in FOLDER.glob("*.json"))
DEEPSEEK, MOE = "deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-30B-A3B"


def golden(name: str) -> Model:
    return Model(name.rpartition("/")[2], model(name), "config", "golden", f"hf://{name}")


def splits(made: Any) -> set[tuple[int, int, int, bool, int]]:
    return {
        (
            entry.fit.settings.tensor_parallel_size,
            entry.fit.settings.pipeline_parallel_size,
            entry.fit.settings.data_parallel_size,
            entry.fit.settings.enable_expert_parallel,
            entry.fit.nodes,
        )
        for entry in made.candidates
    }


def test_experts_are_divided_over_replicas_of_attention_and_dense_models_are_not() -> None:
    found = splits(plan(golden(MOE), [Gpu.find("H100")]))
    assert {(1, 1, 8, True, 1), (2, 1, 4, True, 1), (8, 1, 1, False, 1)} <= found
    assert all(tensor * data <= 8 for tensor, _, data, _, _ in found)
    assert {split[2:4] for split in splits(plan(Model.load("Qwen3-8B")))} == {(1, False)}


def test_whole_experts_are_tried_where_slices_are_refused() -> None:
    """Its experts' scales do not divide by eight; whole experts do."""
    name = "synthetic/Qwen3-30B-A3B-GPTQ-Int4"
    wide = next(
        entry.fit
        for entry in plan(golden(name), [Gpu.find("H100")]).candidates
        if entry.fit.settings.tensor_parallel_size == 8 and entry.fit.settings.data_parallel_size == 1
    )
    refused = bool(problems_of(golden(name).config, Ranks(8)))
    assert wide.settings.enable_expert_parallel == (refused and wide.verdict != "invalid")


def test_expert_parallelism_that_is_switched_off_stays_off() -> None:
    made = plan(golden(MOE), [Gpu.find("H100")], EngineSettings(enable_expert_parallel=False))
    assert {split[2:4] for split in splits(made)} == {(1, False)}


def test_nodes_are_tried_only_when_asked_and_when_one_does_not_do() -> None:
    one = plan(golden(DEEPSEEK), [Gpu.find("H100")])
    assert not one.ranked
    several = plan(golden(DEEPSEEK), [Gpu.find("H100")], max_nodes=4)
    best = several.ranked[0].fit
    assert (best.settings.tensor_parallel_size, best.settings.pipeline_parallel_size, best.nodes) == (8, 2, 2)
    assert {entry.fit.nodes for entry in several.candidates} == {1, 2}
    assert {split[4] for split in splits(plan(Model.load("Qwen3-8B"), max_nodes=4)) if split[4] > 1} == set()


def test_each_pod_of_several_nodes_asks_for_its_own_share_of_the_host() -> None:
    best = plan(golden(DEEPSEEK), [Gpu.find("H100")], max_nodes=2).ranked[0].fit
    alone = plan(golden(DEEPSEEK), [Gpu.find("H200")], EngineSettings(tensor_parallel_size=8)).ranked[0].fit
    assert best.host is not None
    assert alone.host is not None
    assert best.host.cpu == alone.host.cpu
    assert best.host.shared_memory_bytes == alone.host.shared_memory_bytes


def test_nodes_that_would_do_are_named() -> None:
    made = plan(golden(DEEPSEEK), max_gpus_per_node=4)
    assert made.ranked or "--max-nodes" in nearest_miss(made).fix


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_replica_takes_more_gpus_of_a_node_than_it_may(most: int) -> None:
    made = plan(Model.load("Qwen3-8B"), max_gpus_per_node=most)
    assert max(entry.fit.gpus for entry in made.candidates) <= most
    assert {entry.fit.gpu.name for entry in made.candidates} == {gpu.name for gpu in planned_gpus()}


def test_a_slice_of_a_gpu_is_never_joined_with_another() -> None:
    part = Gpu.find("H100-MIG-3g.40gb")
    made = plan(Model.load("Qwen3-8B"), [part], max_nodes=4, concurrency=200)
    assert splits(made) == {(1, 1, 1, False, 1)}
    assert made.ranked[0].replicas > 1


def test_all_shows_every_configuration_with_why_it_lost(valuegen: Callable[..., Any]) -> None:
    made = plan(Model.load("Qwen3-8B"), [GpuOffer(Gpu.find("L40S"), 3), Gpu.find("T4")], concurrency=30)
    page = valuegen(
        "plan", "Qwen3-8B", "--gpu", "L40S:3", "--gpu", "T4", "--concurrency", "30", "--all"
    ).stdout
    rows = [line for line in page.splitlines() if " x " in line]
    assert len(rows) == len(made.candidates)
    assert "(is the first)" in rows[0]
    for word in ("costs ", "too big: "):
        assert word in page
    assert max(map(len, page.splitlines())) <= 80


# Properties ---------------------------------------------------------------------------------------


@given(name=st.sampled_from(GOLDEN), stages=st.sampled_from([1, 2]))
def test_more_tensor_parallelism_never_raises_weights_per_rank(name: str, stages: int) -> None:
    described, gpu = golden(name), Gpu.find("B200")
    held = []
    for size in (1, 2, 4, 8):
        asked = EngineSettings(tensor_parallel_size=size, pipeline_parallel_size=stages)
        result = judge(described, gpu, asked)
        if result.verdict != "invalid":
            held.append(rank_weights_bytes(described.config, result.settings, 0))
    assert held == sorted(held, reverse=True)


@settings(max_examples=60)
@given(
    name=st.sampled_from(GOLDEN),
    gpu=st.sampled_from(["A100-80GB", "L40S", "H100", "B200"]),
    lengths=st.lists(st.integers(64, 40000), min_size=2, max_size=4, unique=True),
)
def test_a_longer_context_never_raises_concurrency(name: str, gpu: str, lengths: list[int]) -> None:
    """With a fixed batch: a longer context may otherwise let vLLM choose a larger one."""
    held = []
    for length in sorted(lengths):
        asked = EngineSettings(max_model_len=length, max_num_batched_tokens=40960, max_num_seqs=64)
        result = judge(golden(name), Gpu.find(gpu), asked)
        if result.capacity is not None:
            held.append(result.capacity.max_concurrency)
    assert held == sorted(held, reverse=True)
