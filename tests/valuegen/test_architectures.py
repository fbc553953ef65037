"""Architecture files: each is proved, refuses what it cannot read, and is found by its guide."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.models import FOLDER, model, on_h100

from valuegen import architectures, kvcache, parallel, weights
from valuegen.config import ModelConfig
from valuegen.errors import ModelError

GUIDE = Path(__file__).parents[2] / "docs" / "adding-an-architecture.md"
PACKAGE = Path(architectures.__file__).parent
BROKEN = [None, 0, -1, True, "x", 1.5, 10**12, float("nan"), [], [1, 2], {}, {"a": 1}]


@cache
def proved() -> dict[str, dict[str, Any]]:
    """A golden config.json of each architecture that has one."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.json")):
        config = json.loads(path.read_text())["config"]
        found.setdefault(config["architectures"][0], config)
    heads = json.loads((FOLDER.parent / "features.json").read_text())["heads"]
    for config in heads.values():  # what drafts is in a file of its own
        if "Eagle" in config["architectures"][0]:
            found.setdefault(config["architectures"][0], config)
    return found


@pytest.mark.parametrize("name", sorted(architectures.FAMILIES))
def test_a_listed_architecture_has_a_file_that_reads_it(name: str) -> None:
    assert callable(architectures.reader(name))


@pytest.mark.parametrize("family", sorted(set(architectures.FAMILIES.values())))
def test_every_family_is_held_to_figures_of_vllm(family: str) -> None:
    members = [name for name, file in architectures.FAMILIES.items() if file == family]
    assert set(members) & set(proved()), f"none of {members} has a golden model"


def keys_of(document: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths to all keys of nested objects."""
    found = []
    for key, value in document.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found.extend(keys_of(value, (*path, key)))
    return found


@given(st.data())
def test_a_broken_key_of_any_family_is_answered_and_never_a_crash(data: st.DataObject) -> None:
    config = copy.deepcopy(proved()[data.draw(st.sampled_from(sorted(proved())))])
    *parents, key = data.draw(st.sampled_from(keys_of(config)))
    section = config
    for parent in parents:
        section = section[parent]
    section[key] = data.draw(st.sampled_from(BROKEN))
    with suppress(ModelError):
        ModelConfig.from_dict(config, name="broken")


def test_the_guide_names_only_files_that_there_are() -> None:
    named = set(re.findall(r"`(?:architectures/)?(\w+\.py)`", GUIDE.read_text()))
    assert len(named) > 10
    assert named - {path.name for path in PACKAGE.glob("*.py")} == {"carry_over.py"}


def test_an_encoder_takes_a_request_in_one_step_and_keeps_no_cache() -> None:
    config = model("BAAI/bge-m3")
    assert on_h100(config).max_num_batched_tokens == config.max_model_len == 8194
    assert not on_h100(config).async_scheduling
    shorter = on_h100(config, max_num_batched_tokens=4096)
    assert [reason.code for reason in parallel.refusals(config, shorter)] == ["max-num-batched-tokens"]
    settings = on_h100(config, max_model_len=512, max_num_batched_tokens=8192)
    held = kvcache.capacity(kvcache.layout(config, settings), [0])
    assert (held.tokens, held.max_concurrency, held.fits) == (0, 16, True)


def test_a_32_bit_encoder_runs_in_half_precision_as_pooling_models_do() -> None:
    assert on_h100(model("BAAI/bge-large-en-v1.5")).dtype == "float16"
    assert on_h100(model("meta-llama/Meta-Llama-3.1-8B", torch_dtype="float32")).dtype == "bfloat16"


def test_an_embedder_is_its_decoder_without_a_head() -> None:
    embedder = model("intfloat/e5-mistral-7b-instruct")
    decoder = model("intfloat/e5-mistral-7b-instruct", architectures=["MistralForCausalLM"])
    head = 32000 * 4096
    assert weights.parameter_count(decoder) - weights.parameter_count(embedder) == head


@pytest.mark.parametrize("name", ["openai/whisper-large-v3", "BAAI/bge-m3"])
def test_models_that_vllm_runs_on_one_stage_refuse_more(name: str) -> None:
    reasons = parallel.refusals(model(name), on_h100(model(name), pipeline_parallel_size=2))
    assert "pipeline" in [reason.code for reason in reasons]


def test_layers_that_share_a_cache_stay_on_one_stage() -> None:
    small, larger = model("google/gemma-4-E2B-text"), model("google/gemma-4-E4B-it")
    apart = parallel.refusals(small, on_h100(small, pipeline_parallel_size=2))
    assert [reason.code for reason in apart] == ["pipeline-shared-cache"]
    assert not parallel.refusals(larger, on_h100(larger, pipeline_parallel_size=2))


def test_a_language_model_inside_another_may_leave_out_the_sizes_of_its_class() -> None:
    name = "llava-hf/llava-v1.6-mistral-7b-hf"
    nested = dict(
        json.loads((FOLDER / f"{name.replace('/', '__')}.json").read_text())["config"]["text_config"]
    )
    for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"):
        del nested[key]
    assert weights.parameter_count(model(name, text_config=nested)) == weights.parameter_count(model(name))


def test_a_language_model_of_an_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="names NoSuchForCausalLM, no language model"):
        model(
            "llava-hf/llava-1.5-7b-hf",
            text_config={"architectures": ["NoSuchForCausalLM"], "hidden_size": 64},
        )
