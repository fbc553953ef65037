"""Groups and blocks of every kind of cache equal vLLM 0.33.0's, whatever the architecture."""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import GIB, model, on_h100

from valuegen import kvcache, kvgroups
from valuegen.kvspecs import Spec

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "caches.json").read_text())
AVAILABLE = tuple(gib * GIB for gib in (5, 20, 60))
SETTINGS = on_h100(model("meta-llama/Meta-Llama-3.1-8B"))


def caches(case: dict[str, Any]) -> list[Spec]:
    """The layers of a case on one GPU."""
    return [
        spec
        for count, fields in case["caches"]
        for spec in [Spec(**{**fields, "shape": tuple(fields.get("shape", ()))})] * count
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_groups_and_capacity_equal_those_of_vllm(case: dict[str, Any]) -> None:
    for length, bytes_per_block, blocks_per_request, groups, capacities in case["kv"]:
        settings = dataclasses.replace(
            SETTINGS,
            max_model_len=length,
            max_num_batched_tokens=case["in_flight"],
            async_scheduling=False,
            **case["settings"],
        )
        stage = kvcache.layout_of_specs(caches(case), settings)
        assert stage.bytes_per_block == bytes_per_block
        assert stage.blocks_per_request == blocks_per_request
        counted = groupby(
            (group.layers, group.block_bytes, group.blocks_per_request) for group in stage.groups
        )
        assert [[len(list(same)), *key] for key, same in counted] == [
            [count, layers, page[0] if isinstance(page, list) else page * layers, blocks]
            for count, layers, page, blocks in groups
        ]
        layout = kvcache.KvCacheLayout(length, settings.block_size, (stage,))
        for available, (num_blocks, concurrency, tokens, *_) in zip(AVAILABLE, capacities, strict=True):
            capacity = kvcache.capacity(layout, [available])
            assert (capacity.num_blocks, capacity.max_concurrency) == (num_blocks, concurrency)
            assert capacity.fits == (tokens is not None)
            assert tokens is None or capacity.tokens == tokens


def test_the_cases_cover_every_kind_of_cache() -> None:
    kinds = {fields["type"] for case in CASES for _, fields in case["caches"]}
    assert kinds == {
        "full",
        "mla",
        "sliding-window",
        "sliding-window-mla",
        "chunked-local",
        "mamba",
    }
    assert any(fields.get("side_by_side") for case in CASES for _, fields in case["caches"])


@given(st.sampled_from(CASES), st.booleans())
def test_every_layer_is_in_exactly_one_group(case: dict[str, Any], disable_hybrid: bool) -> None:
    layers = caches(case)
    try:
        groups = kvgroups.group(layers, disable_hybrid=disable_hybrid)
    except kvgroups.UngroupableError:
        assert disable_hybrid
        return
    assert sorted(index for group in groups for index in group.members) == list(range(len(layers)))


def test_states_and_compressed_windows_need_the_hybrid_manager() -> None:
    attention = Spec("full", 16, 4096)
    for other in (Spec("mamba", 16, 65536), Spec("sliding-window-mla", 16, 4096, window=128)):
        assert len(kvgroups.group([attention, other], disable_hybrid=False)) == 2
        with pytest.raises(kvgroups.UngroupableError, match="cannot"):
            kvgroups.group([attention, other], disable_hybrid=True)


def test_two_windows_need_the_hybrid_manager() -> None:
    layers = [Spec("full", 16, 4096), *(Spec("sliding-window", 16, 4096, window=w) for w in (512, 1024))]
    assert len(kvgroups.group(layers, disable_hybrid=False)) == 3
    with pytest.raises(kvgroups.UngroupableError, match="windows of 512 and 1024 tokens"):
        kvgroups.group(layers, disable_hybrid=True)


def test_a_page_that_does_not_divide_is_padded_but_for_mla() -> None:
    large = Spec("full", 16, 4096)
    window = Spec("sliding-window", 16, 3072, window=512)
    first, second = kvgroups.group([large, window], disable_hybrid=False)
    assert (first.first.page_bytes, second.first.page_bytes) == (65536, 65536)
    assert second.first.block_size == 16
    latent = Spec("mla", 64, 1152)
    (whole,) = kvgroups.group([large, dataclasses.replace(latent, block_size=16)], disable_hybrid=False)
    assert len(whole.members) == 2  # one kind for vLLM: both keep the whole context
    with pytest.raises(kvgroups.UngroupableError, match="do not divide"):
        kvgroups.group([latent, Spec("chunked-local", 16, 8192, window=512)], disable_hybrid=False)


def test_mla_beside_a_window_keeps_the_whole_context_where_pages_do_not_divide() -> None:
    latent, window = Spec("mla", 16, 1152), Spec("sliding-window", 16, 4096, window=512)
    (group,) = kvgroups.group([latent, window], disable_hybrid=False)
    assert {spec.type for spec in group.members.values()} == {"mla", "full"}


def test_cross_attention_keeps_what_a_step_may_encode() -> None:
    settings = dataclasses.replace(SETTINGS, max_model_len=448, max_num_batched_tokens=1500)
    layers = [*[Spec("full", 16, 4096)] * 4, *[Spec("cross-attention", 16, 4096)] * 4]
    stage = kvcache.layout_of_specs(layers, settings)
    assert [(group.type, group.layers, group.blocks_per_request) for group in stage.groups] == [
        ("full", 4, 448 // 16),
        ("cross-attention", 4, -(-1500 // 16)),
    ]


def test_a_model_without_a_cache_has_room_for_anything() -> None:
    """vLLM then keeps its null block only."""
    stage = kvcache.layout_of_specs([], SETTINGS)
    capacity = kvcache.capacity(kvcache.KvCacheLayout(512, 16, (stage,)), [0])
    assert (stage.bytes_per_block, stage.groups) == (0, ())
    assert (capacity.num_blocks, capacity.fits) == (1, True)
