"""config.json is checked once: a good one gives a ModelConfig, any other ModelError and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.models import document, model, on_h100

from valuegen import kvcache, parallel, weights
from valuegen.architectures.base import KvLayer
from valuegen.config import ModelConfig
from valuegen.errors import ModelError

LLAMA = "meta-llama/Meta-Llama-3.1-8B"

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"hidden_size": None}, "hidden_size is missing"),
    ({"hidden_size": 0}, "hidden_size is 0"),
    ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
    ({"num_attention_heads": "32"}, "num_attention_heads is '32'"),
    ({"intermediate_size": 14336.5}, "intermediate_size is 14336.5"),
    ({"vocab_size": True}, "vocab_size is True"),
    ({"num_key_value_heads": 5}, "num_key_value_heads, which is 5, must divide it"),
    ({"head_dim": None, "num_attention_heads": 24}, "num_attention_heads, which is 24, must divide it"),
    ({"torch_dtype": "float128"}, "torch_dtype is 'float128'"),
    ({"rope_scaling": {"rope_type": "spiral"}}, "rope_scaling.rope_type is 'spiral'"),
    ({"rope_scaling": {"rope_type": "linear"}}, "rope_scaling.factor is missing"),
    ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantization_config.quant_method"),
    ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config.bits is missing"),
    ({"quantization_config": []}, "quantization_config is []"),
    ({"architectures": None}, "architectures is missing"),
    ({"architectures": None, "_class_name": "FluxPipeline"}, "it describes 'FluxPipeline'"),
    ({"architectures": ["CLIPModel"]}, "architecture CLIPModel is not supported"),
    ({"architectures": []}, "architecture (empty list) is not supported"),
    ({"architectures": "LlamaForCausalLM"}, "must be a list of strings"),
]


@pytest.mark.parametrize(("changes", "complaint"), BROKEN, ids=lambda value: str(value)[:60])
def test_a_broken_key_is_named_with_its_rule_and_a_next_step(changes: dict[str, Any], complaint: str) -> None:
    config = document(LLAMA) | changes
    for key in [key for key, value in changes.items() if value is None]:
        config.pop(key, None)
    with pytest.raises(ModelError) as error:
        ModelConfig.from_dict(config, name="broken")
    assert complaint in error.value.message
    assert error.value.message.startswith("broken: ")
    assert error.value.fix
    assert error.value.exit_code == 2


@pytest.mark.parametrize("raw", [[], "text", 3, None])
def test_a_document_that_is_no_object_is_refused(raw: Any) -> None:
    with pytest.raises(ModelError, match="must be a JSON object"):
        ModelConfig.from_dict(raw, name="broken")


@pytest.mark.parametrize(
    ("architecture", "near"),
    [
        ("LlamaForCausallM", "LlamaForCausalLM"),  # a slip
        ("Qwen9ForCausalLM", "Qwen3ForCausalLM"),  # a generation that is newer than this list
        ("gemma3forcausallm", "Gemma3ForCausalLM"),
    ],
)
def test_an_unknown_architecture_is_answered_with_those_near_it(architecture: str, near: str) -> None:
    with pytest.raises(ModelError, match="is not supported") as error:
        model(LLAMA, architectures=[architecture])
    assert near in error.value.fix
    assert "docs/adding-an-architecture.md" in error.value.fix


def layer_types(config: ModelConfig) -> list[str]:
    return [cache.type for cache in config.caches if isinstance(cache, KvLayer)]


def test_nested_text_config_is_read_instead_of_defaults() -> None:
    gemma = model("google/gemma-3-12b-it")
    assert (gemma.hidden_size, gemma.num_hidden_layers, gemma.num_key_value_heads) == (3840, 48, 8)
    assert layer_types(gemma).count("full") == 8
    assert gemma.sliding_window == 1024


def test_gemma_3_config_with_most_keys_left_out_has_the_defaults_of_its_class() -> None:
    config = document("google/gemma-3-4b-it")
    kept = (
        "model_type",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "rope_scaling",
        "sliding_window",
    )
    config["text_config"] = {key: config["text_config"][key] for key in kept}
    short = ModelConfig.from_dict(config, name="as Google publishes it")
    assert short.num_attention_heads == 8
    assert short.vocab_size == 262208
    full = model("google/gemma-3-4b-it")
    one_gpu = on_h100(full)
    assert weights.rank_weights_bytes(short, one_gpu, 0) == weights.rank_weights_bytes(full, one_gpu, 0)


@pytest.mark.parametrize(
    ("name", "changes", "default", "limit"),
    [
        (LLAMA, {}, 131072, 131072),  # llama3: already in max_position_embeddings
        (LLAMA, {"rope_scaling": {"type": "linear", "factor": 2.0}}, 262144, 262144),
        (LLAMA, {"rope_scaling": {"type": "yarn", "factor": 4.0}}, 131072, 131072),
        (LLAMA, {"max_seq_len": 4096}, 4096, 4096),
        ("google/gemma-3-4b-it", {}, 131072, 131072),
        (
            "microsoft/phi-4",
            {
                "max_position_embeddings": 131072,
                "original_max_position_embeddings": 4096,
                "rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]},
            },
            4096,
            131072,
        ),
    ],
)
def test_max_model_len_follows_the_rotary_embedding(
    name: str, changes: dict[str, Any], default: int, limit: int
) -> None:
    config = model(name, **changes)
    assert (config.max_model_len, config.max_model_len_limit) == (default, limit)


def test_a_sliding_window_of_qwen_counts_only_when_it_is_switched_on() -> None:
    assert model("Qwen/Qwen3-8B", sliding_window=4096).sliding_window is None
    on = model("Qwen/Qwen3-8B", sliding_window=4096, use_sliding_window=True, max_window_layers=0)
    assert layer_types(on) == ["sliding-window"] * 36
    with pytest.raises(ModelError, match="max_window_layers applies to 8 of 36 layers"):
        model("Qwen/Qwen3-8B", sliding_window=4096, use_sliding_window=True, max_window_layers=28)


SOURCES = [
    LLAMA,
    "google/gemma-3-4b-it",
    "microsoft/phi-4",
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4",
    "Qwen/Qwen3-8B-FP8",
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16",
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.extend(paths(item, (*path, key)))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A real config.json with up to three values replaced or removed."""
    config = copy.deepcopy(document(draw(st.sampled_from(SOURCES))))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(paths(config)))
        target: Any = config
        for key in parents:
            target = target[key]
        if isinstance(target, dict) and draw(st.booleans()):
            del target[last]
        else:
            target[last] = draw(JSON | st.integers(0, 300))
    return config


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_any_document_is_either_refused_or_computed_to_the_end(config: dict[str, Any]) -> None:
    try:
        parsed = ModelConfig.from_dict(config, name="mutated")
    except ModelError:
        return
    engine = on_h100(parsed, tensor_parallel_size=2)
    if not parallel.refusals(parsed, engine):
        assert weights.rank_weights_bytes(parsed, engine, 0) > 0
        assert kvcache.layout(parsed, engine).bytes_per_block > 0
    assert weights.parameter_count(parsed) > 0
    assert weights.checkpoint_bytes(parsed) > 0


def test_a_model_type_that_vllm_has_no_config_for_is_refused() -> None:
    with pytest.raises(ModelError, match="model_type is 'deepseek_ref'; known are deepseek_v4"):
        model("deepseek-ai/DeepSeek-V4-Flash", model_type="deepseek_ref")
