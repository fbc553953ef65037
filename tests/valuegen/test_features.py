"""LoRA, speculative decoding and offloading: what they take, what they give back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.models import document

from valuegen.catalog.gpus import Gpu
from valuegen.cli import run
from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings
from valuegen.fit import FitResult, fit
from valuegen.lora import RANKS
from valuegen.model import Model
from valuegen.speculation import parse
from valuegen.units import GIB

if TYPE_CHECKING:
    from pathlib import Path

    from valuegen.speculation import Speculation

MODELS = ("Qwen3-8B", "Qwen3-32B", "Llama-3.1-8B-Instruct")


@cache
def loaded(name: str) -> Model:
    return Model.load(name)


def judged(model: str = "Qwen3-8B", gpu: str = "H100", **asked: Any) -> FitResult:
    return fit(loaded(model), Gpu.find(gpu), EngineSettings(**{"max_model_len": 8192, **asked}))


def drafting(draft: str = "Qwen3-0.6B", tokens: int = 3, **more: Any) -> Speculation:
    return parse(json.dumps({"model": draft, "num_speculative_tokens": tokens, **more}))


def requests(result: FitResult) -> float:
    return result.capacity_range[0].max_concurrency if result.capacity_range else 0.0


def cache_bytes(result: FitResult) -> int:
    return min((rank.kv_cache.low for rank in result.ranks), default=0)


@settings(max_examples=20, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    fewer=st.integers(1, 4),
    more=st.integers(0, 4),
    ranks=st.tuples(st.sampled_from(RANKS), st.sampled_from(RANKS)).map(sorted),
)
def test_more_adapters_or_a_higher_rank_never_give_more_cache(
    model: str, fewer: int, more: int, ranks: list[int]
) -> None:
    plain = judged(model)
    small = judged(model, enable_lora=True, max_loras=fewer, max_lora_rank=ranks[0])
    large = judged(model, enable_lora=True, max_loras=fewer + more, max_lora_rank=ranks[1])
    assert cache_bytes(large) <= cache_bytes(small) <= cache_bytes(plain)


@settings(max_examples=12, deadline=None)
@given(
    tokens=st.integers(1, 8), tensor=st.sampled_from((1, 2, 4)), method=st.sampled_from(("draft", "ngram"))
)
def test_drafting_never_gives_more_requests_at_once(tokens: int, tensor: int, method: str) -> None:
    asked = drafting(tokens=tokens)
    if method == "ngram":
        asked = parse(json.dumps({"method": "ngram", "num_speculative_tokens": tokens}))
    with_draft = judged(tensor_parallel_size=tensor, speculative_config=asked)
    assert requests(with_draft) <= requests(judged(tensor_parallel_size=tensor))


@settings(max_examples=20, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    asked=st.one_of(
        st.builds(dict, cpu_offload_gb=st.floats(0, 40)),
        st.builds(
            dict,
            offload_group_size=st.integers(4, 12),
            offload_num_in_group=st.integers(1, 3),
            offload_prefetch_step=st.just(1),
        ),
        st.builds(dict, kv_offloading_size=st.floats(0.5, 64)),
    ),
)
def test_offloading_never_lowers_the_cache(model: str, asked: dict[str, Any]) -> None:
    with_it, without = judged(model, **asked), judged(model)
    assert cache_bytes(with_it) >= cache_bytes(without)
    assert with_it.host is not None
    assert without.host is not None
    assert with_it.host.memory_request_bytes >= without.host.memory_request_bytes


def test_weights_are_offloaded_by_whole_parameters_of_the_first_layers() -> None:
    """The last parameter may reach past what was asked for; all layers are the most."""
    some = judged(cpu_offload_gb=2).ranks[0]
    assert 2 * GIB <= some.offloaded_bytes < 2 * GIB + 2 * 24576 * 4096
    everything = judged(cpu_offload_gb=1000).ranks[0]
    embeddings = 2 * 2 * 151936 * 4096
    assert everything.weights_bytes - everything.offloaded_bytes > embeddings
    assert everything.weights_bytes - everything.offloaded_bytes < embeddings * 1.1


def test_prefetched_layers_leave_room_for_one_on_the_gpu() -> None:
    """Every fourth of 36 layers is away: nine, but for the room of one."""
    rank = judged(offload_group_size=4).ranks[0]
    layer = judged(cpu_offload_gb=1000).ranks[0].offloaded_bytes // 36
    assert rank.offloaded_bytes == 8 * layer


def test_offloaded_kv_blocks_are_in_shared_memory_unless_a_server_has_them() -> None:
    plain, native = judged().host, judged(kv_offloading_size=16).host
    elsewhere = judged(kv_offloading_size=16, kv_offloading_backend="lmcache").host
    assert plain is not None
    assert native is not None
    assert native.shared_memory_bytes - plain.shared_memory_bytes == 16 * GIB
    assert native.memory_request_bytes - plain.memory_request_bytes == 16 * GIB
    assert elsewhere == plain


def test_an_independent_draft_shortens_the_longest_request() -> None:
    """Model Runner V2 cannot go on without its draft."""
    asked = drafting(max_model_len=4096)
    assert judged(speculative_config=asked).settings.max_model_len == 4096


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"enable_lora": True, "max_lora_rank": 10}, "max-lora-rank"),
        ({"enable_lora": True, "max_loras": 4, "max_cpu_loras": 2}, "max-cpu-loras"),
        ({"enable_lora": True, "lora_dtype": "fp8"}, "lora-dtype"),
        (
            {"enable_lora": True, "fully_sharded_loras": True, "max_lora_rank": 1, "tensor_parallel_size": 2},
            "fully-sharded-loras",
        ),
        ({"speculative_config": drafting(), "pipeline_parallel_size": 2}, "draft-pipeline"),
        ({"speculative_config": drafting("Llama-3.1-8B-Instruct")}, "draft-vocabulary"),
        ({"speculative_config": drafting(draft_tensor_parallel_size=3)}, "draft-tensor-parallel"),
        (
            {"speculative_config": drafting(), "enable_lora": True, "max_num_batched_tokens": 2048},
            "speculation-lora",
        ),
        ({"cpu_offload_gb": -1.0}, "cpu-offload"),
        ({"kv_offloading_size": 0.0}, "kv-offloading"),
        ({"offload_group_size": 2, "offload_num_in_group": 3}, "offload-group"),
        ({"offload_backend": "disk"}, "offload-backend"),
        ({"kv_offloading_backend": "disk", "kv_offloading_size": 1.0}, "offload-backend"),
    ],
)
def test_what_vllm_refuses_is_refused(asked: dict[str, Any], code: str) -> None:
    result = judged(**asked)
    assert result.verdict == "invalid"
    assert code in {reason.code for reason in result.reasons}
    assert all(reason.message and reason.fix for reason in result.reasons)


def test_a_model_without_lora_is_refused() -> None:
    raw = document("EleutherAI/gpt-j-6b")
    model = replace(loaded("Qwen3-8B"), config=ModelConfig.from_dict(raw, name="gpt-j"))
    result = fit(model, Gpu.find("H100"), EngineSettings(enable_lora=True))
    assert {reason.code for reason in result.reasons} == {"lora"}


BROKEN = (
    ("--max-lora-rank -1", "no number", 2),
    ("--max-loras 0", "at least 1", 2),
    ("--max-cpu-loras x", "no number", 2),
    ("--enable-lora --max-lora-rank 7", "none that vLLM has kernels for", 3),
    ("--speculative-config {", "is no JSON", 2),
    ("--speculative-config 3", "no JSON object", 2),
    ('--speculative-config {"method":"medusa","num_speculative_tokens":1}', "no method medusa", 2),
    ('--speculative-config {"method":"dflash","model":"x","num_speculative_tokens":1}', "not counted", 2),
    ('--speculative-config {"method":"ngram"}', "num_speculative_tokens is missing", 2),
    ('--speculative-config {"method":"ngram","num_speculative_tokens":-1}', "must be at least 1", 2),
    ('--speculative-config {"method":"ngram","num_speculative_tokens":true}', "must be at least 1", 2),
    ('--speculative-config {"method":"eagle3","num_speculative_tokens":1}', "needs a draft model", 2),
    ('--speculative-config {"model":"No-Such","num_speculative_tokens":1}', "No-Such", 2),
    ('--speculative-config {"model":7,"num_speculative_tokens":1}', "must be a text", 2),
    ('--speculative-config {"nonsense":7}', "nonsense is no key", 2),
    ('--speculative-config {"method":"mtp","num_speculative_tokens":1}', "MTP layers", 2),
    ("--cpu-offload-gb -1", "not at least 0", 2),
    ("--cpu-offload-gb nan", "not at least 0", 2),
    ("--kv-offloading-size many", "no number", 2),
    ("--kv-offloading-size 0", "holds no KV block", 3),
    ("--kv-offloading-backend disk --kv-offloading-size 1", "disk is unknown", 3),
    ("--offload-backend disk", "disk is unknown", 3),
    ("--offload-group-size 0", "at least 1", 2),
)


@pytest.mark.parametrize(("line", "rule", "code"), BROKEN, ids=[line for line, _, _ in BROKEN])
def test_a_broken_option_is_one_clear_line(
    line: str, rule: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", "Qwen3-8B", "--gpu", "H100", "--max-model-len", "8192", *line.split(" ")]) == code
    shown = capsys.readouterr()
    assert rule in " ".join(shown.err.split())
    assert "Traceback" not in shown.err
    if code == 2:
        assert not shown.out


def test_a_draft_that_is_only_a_size_has_nothing_to_serve(capsys: pytest.CaptureFixture[str]) -> None:
    asked = '{"model": "1B", "num_speculative_tokens": 3, "use_heterogeneous_vocab": true}'
    assert run(["values", "Qwen3-8B", "--gpu", "H100", "--speculative-config", asked]) == 2
    assert "model 1B: a size has no weights to serve" in capsys.readouterr().err


def test_adapters_are_asked_for_by_the_charts_key(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--enable-lora", "--max-lora-rank", "64", "--lora-dtype", "float16"]
    assert run(["values", "Qwen3-8B", "--gpu", "H100", *options, "--json"]) == 0
    (body,) = json.loads(capsys.readouterr().out)["models"].values()
    assert body["lora"] == {"enabled": True, "maxRank": 64}
    assert body["args"]["lora-dtype"] == "float16"
    assert not {"enable-lora", "max-lora-rank"} & set(body["args"])


def test_values_carry_the_flags_and_check_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "values.yaml"
    asked = '{"model": "Qwen3-0.6B", "num_speculative_tokens": 3}'
    options = ["--speculative-config", asked, "--kv-offloading-size", "8", "--cpu-offload-gb", "1"]
    line = ["values", "Qwen3-8B", "--gpu", "H100", "--concurrency", "4", *options, "-o", str(file)]
    assert run(line) == 0
    text = file.read_text()
    assert "speculative:\n      # As asked for.\n      method: draft_model\n" in text
    assert "model: hf://Qwen/Qwen3-0.6B" in text
    assert "sizeGiB: 8.0" in text
    assert "cpu-offload-gb: 1.0" in text
    capsys.readouterr()
    assert run(["check", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    (document,) = found["models"].values()
    assert document["ranks"][0]["draft_weights_bytes"] > GIB
    assert document["ranks"][0]["offloaded_bytes"] >= GIB
    assert document["settings"]["speculative_config"]["method"] == "draft_model"
