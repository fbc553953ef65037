"""What a pod asks for beside its GPUs is enough for what was logged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import starts
from valuegen import Gpu, Model, fit
from valuegen.host import Pace, drain_seconds, host_needs, shared_memory, startup_seconds
from valuegen.units import GIB, MIB

if TYPE_CHECKING:
    from valuegen.engine import ResolvedSettings

STARTS, SHARED_MEMORY = starts.read()
GB = 10**9


@pytest.fixture(scope="module")
def settings() -> ResolvedSettings:
    return fit(Model.load("Qwen3-8B"), Gpu.find("H100")).settings


@pytest.mark.parametrize("start", STARTS, ids=lambda start: f"{start.stated['model']}-{start.seconds:.0f}")
def test_every_logged_start_ends_within_its_budget(start: starts.Start) -> None:
    """A download over a home line does, once --storage-speed says how slow it is."""
    assert (start.seconds <= start.budget) != start.is_home_line
    told = Pace(storage_bytes_per_second=int(start.bytes_per_second))
    assert start.seconds <= startup_seconds(start.checkpoint_bytes, told)


@pytest.mark.parametrize("need", SHARED_MEMORY, ids=lambda need: f"{need['needed_mib']}-MiB")
def test_shared_memory_covers_what_servers_asked_for(
    settings: ResolvedSettings, need: dict[str, Any]
) -> None:
    several = replace(settings, tensor_parallel_size=need["tensor_parallel_size"])
    assert shared_memory(several) >= need["needed_mib"] * MIB


@given(st.integers(1, 2000 * GB), st.integers(10**6, 10**11), st.integers(10**6, 10**11))
def test_faster_storage_never_needs_a_longer_start(checkpoint: int, one: int, other: int) -> None:
    slow, fast = sorted((one, other))
    assert startup_seconds(checkpoint, Pace(fast)) <= startup_seconds(checkpoint, Pace(slow))


@pytest.mark.parametrize(
    ("checkpoint", "speed", "seconds"),
    [
        (16 * GB, 50 * 10**6, 660),  # 320 s and 300 s, in whole minutes
        (16 * GB, 10**9, 600),  # never below vLLM's own patience
        (960 * GB, 10**11, 960),  # the loader reads no faster than 1.5 GB/s
    ],
)
def test_a_start_reads_every_byte_once(checkpoint: int, speed: int, seconds: int) -> None:
    assert startup_seconds(checkpoint, Pace(speed)) == seconds


@pytest.mark.parametrize(("answer", "seconds"), [(4096, 210), (40000, 2010), (100, 120), (10**6, 2070)])
def test_a_drain_waits_for_the_longest_answer_but_never_for_more_than_the_context(
    settings: ResolvedSettings, answer: int, seconds: int
) -> None:
    assert drain_seconds(settings, Pace(longest_answer_tokens=answer)) == seconds


def test_a_model_with_images_may_hold_processed_ones_in_both_servers(settings: ResolvedSettings) -> None:
    text = host_needs(settings, 16 * GB)
    images = host_needs(settings, 16 * GB, takes_images=True)
    assert images.memory_limit_bytes - text.memory_limit_bytes == 8 * GIB
    assert images.memory_request_bytes == text.memory_request_bytes
