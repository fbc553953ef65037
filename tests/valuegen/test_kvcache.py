"""KV cache laws; the golden test has vLLM's own figures."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import GIB, model, on_h100

from valuegen import kvcache
from valuegen.architectures.base import KvLayer

NAMES = [
    "meta-llama/Meta-Llama-3.1-8B",
    "mistralai/Mistral-7B-v0.1",
    "google/gemma-2-2b",
    "google/gemma-3-4b-it",
]
CONFIGS = {name: model(name) for name in NAMES}


@pytest.mark.parametrize(
    ("name", "memory", "tokens"),
    [  # KV memory and token count that vLLM logged on H100
        ("meta-llama/Meta-Llama-3.1-8B", 58.11, 476_016),
        ("Qwen/Qwen2.5-7B-Instruct", 58.53, 1_096_000),
    ],
)
def test_tokens_agree_with_a_logged_run(name: str, memory: float, tokens: int) -> None:
    config = model(name)
    layout = kvcache.layout(config, on_h100(config, max_model_len=8192))
    # The log rounds memory to 0.01 GiB.
    assert kvcache.capacity(layout, [int(memory * GIB)]).tokens == pytest.approx(tokens, rel=0.01 / memory)


def test_each_stage_keeps_its_share_of_every_group_of_the_whole_model() -> None:
    """34 layers, 29 of them local: groups of 5 layers, dealt out so that stages stay even."""
    config = CONFIGS["google/gemma-3-4b-it"]
    settings = on_h100(config, pipeline_parallel_size=2, max_model_len=8192)
    layout = kvcache.layout(config, settings)
    first, last = layout.stages
    page = 4 * 16 * 2 * 256 * 2
    assert [group.layers for group in first.groups] == [3, 3, 3, 2, 2, 2, 2]
    assert [group.layers for group in last.groups] == [2, 2, 2, 3, 3, 2, 3]
    assert (first.bytes_per_block, last.bytes_per_block) == (3 * page, 3 * page)
    assert {group.type for group in first.groups} == {"sliding-window", "full"}
    assert layout.blocks_per_request == 6 * 513 + 512


def test_the_tightest_stage_decides_the_number_of_blocks() -> None:
    config = CONFIGS["meta-llama/Meta-Llama-3.1-8B"]
    layout = kvcache.layout(config, on_h100(config, pipeline_parallel_size=2, max_model_len=8192))
    even = kvcache.capacity(layout, [10 * GIB, 10 * GIB])
    tight = kvcache.capacity(layout, [10 * GIB, 4 * GIB])
    assert tight.num_blocks == 4 * GIB // layout.stages[1].bytes_per_block < even.num_blocks


@pytest.mark.parametrize("available", [0, -GIB])
def test_no_memory_is_no_block(available: int) -> None:
    config = CONFIGS["meta-llama/Meta-Llama-3.1-8B"]
    capacity = kvcache.capacity(kvcache.layout(config, on_h100(config)), [available])
    assert (capacity.num_blocks, capacity.tokens, capacity.fits) == (0, 0, False)


def test_smaller_pages_of_one_kind_take_longer_blocks() -> None:
    """Layers with half the heads hold twice the tokens in an equal page."""
    config = CONFIGS["google/gemma-2-2b"]
    layers = [
        (dataclasses.replace(cache, kv_heads=2) if cache.type == "full" else cache,)
        for (cache,) in config.kv_layers
        if isinstance(cache, KvLayer)
    ]
    layout = kvcache.layout_of_layers(layers, on_h100(config))
    assert {(group.type, group.block_size) for group in layout.groups} == {
        ("sliding-window", 16),
        ("full", 32),
    }
    assert len({group.block_bytes // group.layers for group in layout.groups}) == 1


lengths = st.lists(st.integers(1, 8192), min_size=2, max_size=2).map(sorted)
engines = st.fixed_dictionaries(
    {
        "tensor_parallel_size": st.sampled_from([1, 2, 4]),
        "pipeline_parallel_size": st.integers(1, 3),
        "max_num_batched_tokens": st.sampled_from([1024, 2048, 8192]),
        "async_scheduling": st.booleans(),
        "disable_hybrid_kv_cache_manager": st.booleans(),
        "block_size": st.sampled_from([16, 32, 64]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
    }
)


@given(st.sampled_from(NAMES), engines, lengths, st.integers(0, 60 * GIB))
def test_a_longer_context_never_raises_concurrency(
    name: str, engine: dict[str, object], lengths: list[int], available: int
) -> None:
    config = CONFIGS[name]
    found = []
    for length in lengths:
        settings = on_h100(config, max_model_len=length, **engine)
        layout = kvcache.layout(config, settings)
        found.append(kvcache.capacity(layout, [available] * settings.pipeline_parallel_size))
    shorter, longer = found
    assert longer.max_concurrency <= shorter.max_concurrency
    assert longer.fits <= shorter.fits


@given(st.sampled_from(NAMES), engines, st.integers(0, 4 * GIB))
def test_the_longest_context_that_fits_is_the_longest(
    name: str, engine: dict[str, object], available: int
) -> None:
    config = CONFIGS[name]
    settings = on_h100(config, **engine)
    memory = [available] * settings.pipeline_parallel_size
    longest = kvcache.largest_max_model_len(config, settings, memory)

    def fits(length: int) -> bool:
        layout = kvcache.layout(config, dataclasses.replace(settings, max_model_len=length))
        return kvcache.capacity(layout, memory).fits

    assert longest == 0 or fits(longest)
    assert longest == settings.max_model_len or not fits(longest + 1)


@given(st.sampled_from(NAMES), engines)
def test_every_layer_is_in_one_group_of_one_stage(name: str, engine: dict[str, object]) -> None:
    config = CONFIGS[name]
    layout = kvcache.layout(config, on_h100(config, **engine))
    assert sum(group.layers for stage in layout.stages for group in stage.groups) == len(config.kv_layers)
    for one, other in pairwise(layout.stages):
        assert one.blocks_per_request == other.blocks_per_request
