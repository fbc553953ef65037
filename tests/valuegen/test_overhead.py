"""The formulas of what a pass holds, by hand-made figures and by laws; test_startup_logs.py has the logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import GIB, model, on_h100

from valuegen import Gpu
from valuegen.calibration import calibration, default_utilization, minor_of
from valuegen.catalog.gpus import all_gpus
from valuegen.overhead import (
    Estimate,
    activation,
    capture_sizes,
    cuda_graphs,
    expert_workspace,
    graph_count,
    has_custom_all_reduce,
    latent_context,
    non_torch,
    peaks,
)
from valuegen.shape import Encoder, Latent, Routed, Shape

if TYPE_CHECKING:
    from valuegen.engine import ResolvedSettings

H100 = Gpu.find("H100")
QWEN = "Qwen/Qwen3-8B"
VERSIONS = [f"0.{minor}" for minor in range(10, 34)]


def settings_of(name: str = QWEN, **changes: object) -> ResolvedSettings:
    return replace(on_h100(model(name)), **changes)  # type: ignore[arg-type]


shapes = st.builds(
    Shape,
    vocab_size=st.integers(1, 300_000),
    hidden_size=st.integers(1, 20_000),
    intermediate_size=st.integers(0, 60_000),
    layers=st.integers(1, 128),
    own_buffers=st.booleans(),
    routed=st.none() | st.builds(Routed, per_token=st.integers(1, 10), width=st.integers(1, 20_000)),
    latent=st.none() | st.builds(Latent, heads=st.integers(1, 128), width=st.integers(1, 512)),
    encoder=st.none()
    | st.builds(
        Encoder,
        hidden_size=st.integers(1, 5_000),
        intermediate_size=st.integers(1, 20_000),
        patch_size=st.integers(1, 32),
        patches_per_token=st.integers(1, 16),
        tokens_per_image=st.integers(1, 20_000),
    ),
    computes_logits=st.booleans(),
    recurrent=st.booleans(),
    sparse=st.booleans(),
    streams=st.integers(1, 8),
)
batches = st.builds(
    lambda seqs, tokens, tensor, eager: settings_of(
        max_num_seqs=seqs, max_num_batched_tokens=tokens, tensor_parallel_size=tensor, enforce_eager=eager
    ),
    st.integers(1, 4096),
    st.integers(1, 65_536),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.booleans(),
)


def peak(shape: Shape, settings: ResolvedSettings, version: str = "0.33") -> Estimate:
    return activation(shape, settings, calibration(version), first_stage=True, last_stage=True)


@given(shapes, batches, st.sampled_from(VERSIONS), st.sampled_from(all_gpus()))
def test_every_estimate_lies_in_its_range(
    shape: Shape, settings: ResolvedSettings, version: str, gpu: Gpu
) -> None:
    fitted = calibration(version)
    for estimate in (
        peak(shape, settings, version),
        non_torch(settings, gpu, fitted),
        cuda_graphs(shape, settings, gpu, fitted),
    ):
        assert 0 <= estimate.low <= estimate.point <= estimate.high


@given(shapes, batches, st.integers(1, 4096), st.integers(1, 65_536))
def test_a_larger_batch_never_needs_less(
    shape: Shape, settings: ResolvedSettings, seqs: int, tokens: int
) -> None:
    larger = replace(
        settings,
        max_num_seqs=max(seqs, settings.max_num_seqs),
        max_num_batched_tokens=max(tokens, settings.max_num_batched_tokens),
    )
    text = replace(shape, encoder=None)  # images are whole ones: their number steps
    assert peak(text, settings).point <= peak(text, larger).point


@given(shapes, batches)
def test_more_gpus_never_need_more_on_each(shape: Shape, settings: ResolvedSettings) -> None:
    wider = replace(settings, tensor_parallel_size=2 * settings.tensor_parallel_size)
    assert peak(shape, wider).point <= peak(shape, settings).point


@pytest.mark.parametrize(
    ("version", "name", "seqs", "gib"),
    [  # GiB that servers logged at 8192 tokens
        ("0.11", QWEN, 1024, 5.62),  # every row is sorted
        ("0.19", QWEN, 1024, 2.21),
        ("0.19", QWEN, 1, 0.83),  # a layer is more than one row of logits
        ("0.19", "Qwen/Qwen3-30B-A3B", 1024, 2.68),
        ("0.11", "Qwen/Qwen3-30B-A3B", 1024, 5.58),  # the experts' buffers are gone before the logits
        ("0.19", "google/gemma-3-4b-it", 1024, 3.89),
        ("0.19", "openai/gpt-oss-120b", 1024, 2.87),
    ],
)
def test_the_peak_is_the_largest_of_what_follows_one_another(
    version: str, name: str, seqs: int, gib: float
) -> None:
    shape = model(name).shape
    settings = settings_of(max_num_seqs=seqs)
    assert peak(shape, settings, version).point / GIB == pytest.approx(gib, abs=0.05)


def test_only_the_last_stage_has_logits_and_only_the_first_has_images() -> None:
    shape = model("google/gemma-3-4b-it").shape
    middle = peaks(shape, settings_of(), calibration("0.33"), first_stage=False, last_stage=False)
    assert list(middle) == ["a layer"]


@pytest.mark.parametrize(
    ("name", "tokens", "patches"),
    [
        ("google/gemma-3-4b-it", 256, 16),
        ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 3025, 4),
        ("Qwen/Qwen3-VL-4B-Instruct", 16384, 4),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 16384, 4),
    ],
)
def test_a_tower_is_read_from_its_own_section(name: str, tokens: int, patches: int) -> None:
    encoder = model(name).shape.encoder
    assert encoder is not None
    assert (encoder.tokens_per_image, encoder.patches_per_token) == (tokens, patches)


def test_experts_share_two_buffers_as_wide_as_what_passes_through() -> None:
    """8192 tokens x 8 experts x 2 bytes x (2048 for the result, 2048 for what is wider of both steps)."""
    routed = Routed(per_token=8, width=768)
    assert expert_workspace(routed, 2048, settings_of()) == 8192 * 8 * 2 * (2048 + 2048)
    whole = settings_of(tensor_parallel_size=8, enable_expert_parallel=True)
    split = settings_of(tensor_parallel_size=8)
    wide = Routed(per_token=8, width=4096)
    assert expert_workspace(wide, 2048, whole) == expert_workspace(wide, 2048, settings_of())
    assert expert_workspace(wide, 2048, split) < expert_workspace(wide, 2048, whole)


def test_latent_attention_unfolds_as_much_context_as_a_step_takes() -> None:
    """65,536 tokens x 128 heads / 8 GPUs x (128 + 128) x 2 bytes."""
    latent = model("deepseek-ai/DeepSeek-V3").shape.latent
    assert latent is not None
    long = settings_of(max_model_len=40960, tensor_parallel_size=8)
    assert latent_context(latent, long) == 65_536 * 16 * 256 * 2
    short = replace(long, max_model_len=1024, max_num_seqs=1)
    assert latent_context(latent, short) == 8 * 1024 * 16 * 256 * 2


@pytest.mark.parametrize(("seqs", "graphs"), [(1, 84), (1024, 166)])
def test_gpt_oss_captures_its_sizes_whatever_the_batch(seqs: int, graphs: int) -> None:
    shape = model("openai/gpt-oss-120b").shape
    settings = settings_of(max_num_seqs=seqs)
    assert len(capture_sizes(shape, settings, H100)) == 83
    assert graph_count(shape, settings, H100) == graphs


def test_recurrent_layers_widen_the_safe_end_of_the_graphs_since_0_26() -> None:
    plain = model(QWEN).shape
    recurrent = replace(plain, recurrent=True)
    for version, grows in (("0.25", False), ("0.26", True)):
        old, new = (
            cuda_graphs(shape, settings_of(), H100, calibration(version)) for shape in (plain, recurrent)
        )
        assert (new.high > old.high) == grows
        assert new.point == old.point


@pytest.mark.parametrize(
    ("gpu", "group", "runs"),
    [("H100", 8, True), ("L40S", 2, True), ("L40S", 4, False), ("T4", 2, False)],
)
def test_vllms_own_all_reduce_needs_nvlink_or_a_pair(gpu: str, group: int, runs: bool) -> None:
    assert has_custom_all_reduce(Gpu.find(gpu), group) == runs


@pytest.mark.parametrize(
    ("version", "minor"),
    [("0.33", (0, 33)), ("v0.33.0", (0, 33)), ("0.26.1rc1.dev156+g0eec", (0, 26)), ("latest", (-1, -1))],
)
def test_a_version_counts_by_its_minor(version: str, minor: tuple[int, int]) -> None:
    assert minor_of(version) == minor


def test_the_share_of_the_memory_was_raised_in_0_20() -> None:
    assert (default_utilization((0, 19)), default_utilization((0, 20))) == (0.9, None)
