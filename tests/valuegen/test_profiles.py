"""Profiles set what is left unset, each setting with its reason and source."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import FOLDER, model

from valuegen import EngineSettings, Gpu, Model, UsageError, fit, plan
from valuegen.cli.planning import PROFILES as OFFERED
from valuegen.fit import judge
from valuegen.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = sorted(path.stem for path in FOLDER.glob("*.json"))


def settings(profile: str, gpu: str = "H100", name: str = "Qwen3-8B", **asked: Any) -> dict[str, Any]:
    """What a profile chooses."""
    result = fit(Model.load(name), Gpu.find(gpu), EngineSettings(**asked), profile=profile)
    return {choice.setting: choice.value for choice in result.choices}


@pytest.mark.parametrize(
    ("profile", "gpu", "chosen"),
    [
        # engine/arg_utils.py: performance_mode throughput doubles both defaults.
        ("throughput", "H100", {"max_num_batched_tokens": 16384, "max_num_seqs": 2048}),
        ("throughput", "L40S", {"max_num_batched_tokens": 4096, "max_num_seqs": 512}),
        # config/scheduler.py: DEFAULT_MAX_NUM_BATCHED_TOKENS and DEFAULT_MAX_NUM_SEQS.
        ("latency", "B200", {"max_num_batched_tokens": 2048, "max_num_seqs": 128}),
        (
            "cost",
            "H100",
            {"gpu_memory_utilization": 0.95, "kv_cache_dtype": "fp8", "max_num_seqs": 256},
        ),
        ("cost", "A100-80GB", {"gpu_memory_utilization": 0.95}),  # no FP8, and 256 requests already
        ("cost", "T4", {}),  # 5 % of it is less than twice what CUDA takes
        (
            "long-context",
            "L40S",
            {
                "gpu_memory_utilization": 0.95,
                "kv_cache_dtype": "fp8",
                "max_num_batched_tokens": 8192,
                "max_num_seqs": 128,
            },
        ),
    ],
)
def test_a_profile_sets_what_is_for_its_purpose(profile: str, gpu: str, chosen: dict[str, Any]) -> None:
    assert settings(profile, gpu) == {**chosen, "enable_prefix_caching": True}


@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_user_set_wins(profile: str) -> None:
    asked: dict[str, Any] = {
        "max_num_batched_tokens": 1000,
        "max_num_seqs": 33,
        "gpu_memory_utilization": 0.5,
        "kv_cache_dtype": "auto",
        "enable_prefix_caching": False,
    }
    assert settings(profile, **asked) == {}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_batch_never_has_more_requests_than_tokens(profile: str) -> None:
    assert settings(profile, max_num_batched_tokens=64).get("max_num_seqs", 0) <= 64
    assert settings(profile, max_num_seqs=9000).get("max_num_batched_tokens", 9000) >= 9000


def test_every_choice_says_why_and_where_vllm_says_so() -> None:
    names = {field.name for field in fields(EngineSettings)}
    for profile in PROFILES:
        for choice in fit(Model.load("Qwen3-8B"), Gpu.find("L40S"), profile=profile).choices:
            assert choice.setting in names
            assert choice.reason
            assert choice.source.startswith(("vllm/", "docs/"))


@given(
    name=st.sampled_from(GOLDEN),
    gpu=st.sampled_from(["T4", "A100-80GB", "L40S", "H100", "B200"]),
    profile=st.sampled_from(sorted(PROFILES)),
    tensor=st.sampled_from([1, 2, 8]),
)
def test_a_profile_never_makes_vllm_refuse_what_it_would_accept(
    name: str, gpu: str, profile: str, tensor: int
) -> None:
    described = Model(name, model(name.replace("__", "/")), "config", "golden", "")
    asked = EngineSettings(tensor_parallel_size=tensor)
    plain = judge(described, Gpu.find(gpu), asked)
    chosen = judge(described, Gpu.find(gpu), asked, profile=profile)
    if plain.verdict != "invalid":
        assert chosen.verdict != "invalid", chosen.reasons


def test_cost_holds_more_requests_on_a_gpu_and_long_context_plans_for_the_whole_length() -> None:
    qwen, gpu = Model.load("Qwen3-8B"), Gpu.find("H100")
    plain, cost = (plan(qwen, [gpu], profile=name).ranked[0] for name in (None, "cost"))
    assert cost.requests_per_replica > 1.9 * plain.requests_per_replica
    assert plan(qwen, [gpu], profile="long-context").request.max_model_len == 40960
    asked = EngineSettings(max_model_len=1000)
    assert plan(qwen, [gpu], asked, profile="long-context").request.max_model_len == 1000


def test_of_equal_cost_latency_takes_fewer_larger_replicas_and_throughput_more_smaller_ones() -> None:
    chosen = {
        name: plan(
            Model.load("Qwen3-8B"),
            [Gpu.find("H100")],
            EngineSettings(max_num_seqs=32),
            concurrency=64,
            profile=name,
        ).ranked[0]
        for name in ("latency", "throughput")
    }
    assert chosen["latency"].cost_per_hour == chosen["throughput"].cost_per_hour
    assert chosen["latency"].replicas <= chosen["throughput"].replicas


def test_the_command_offers_each_and_explains_and_writes_what_it_set(valuegen: Callable[..., Any]) -> None:
    assert set(OFFERED) == set(PROFILES)
    page = valuegen("fit", "Qwen3-8B", "--gpu", "H100", "--profile", "throughput", "--explain").stdout
    assert "Twice this GPU's 8192: larger steps, more tokens per second" in page
    assert "vllm/engine/arg_utils.py" in page
    text = valuegen(
        "values", "Qwen3-8B", "--gpu", "H100", "--profile", "cost", "--max-num-seqs", "100"
    ).stdout
    arguments = yaml.safe_load(text)["models"]["qwen3-8b"]["args"]
    assert (arguments["kv-cache-dtype"], arguments["max-num-seqs"]) == ("fp8", 100)
    assert "# Half the bytes; compare your answers (docs/features/quantization/" in text
    assert "# Requests in one batch, as asked for." in text


def test_an_unknown_profile_is_refused(valuegen: Callable[..., Any]) -> None:
    outcome = valuegen("plan", "Qwen3-8B", "--profile", "speed")
    assert outcome.code == 2
    assert "'latency'" in outcome.stderr
    with pytest.raises(UsageError, match="throughput, latency, cost, long-context"):
        fit(Model.load("Qwen3-8B"), Gpu.find("L40S"), profile="speed")
