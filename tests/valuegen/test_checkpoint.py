"""A checkpoint's headers give its tensors; one that cannot be true is refused by file and rule."""

from __future__ import annotations

import json
import struct
from math import prod
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.valuegen.checkpoints import TENSORS, UNKNOWN, encoded, entries, folder, in_shards, safetensors
from tests.valuegen.models import document, on_h100

from valuegen import Model, ModelError
from valuegen.architectures.base import KvLayer
from valuegen.checkpoint import (
    DTYPE_BITS,
    INDEX_FILE,
    Checkpoint,
    CheckpointTensor,
    header_length,
    load,
    parse,
)
from valuegen.config import ModelConfig
from valuegen.folder import Folder
from valuegen.weights import checkpoint_bytes, loaded_weights_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BYTES = 2 * sum(prod(shape) for shape in TENSORS.values())
whole_bytes = [name for name, bits in DTYPE_BITS.items() if bits % 8 == 0]
some_tensors = st.lists(
    st.builds(
        CheckpointTensor,
        st.text(min_size=1).filter(lambda name: name != "__metadata__"),
        st.sampled_from(whole_bytes),
        st.lists(st.integers(1, 9), max_size=4).map(tuple),
    ),
    unique_by=lambda tensor: tensor.name,
)


@given(some_tensors)
def test_what_is_written_is_read(tensors: list[CheckpointTensor]) -> None:
    header, size = entries(tensors)
    start = encoded(header)
    assert header_length(start, file="f", file_bytes=len(start) + size) == len(start) - 8
    assert parse(start[8:], file="f", data_bytes=size) == tuple(tensors)


@given(some_tensors.filter(bool), st.integers(1, 1000))
def test_a_file_that_is_cut_or_too_long_is_refused(tensors: list[CheckpointTensor], wrong: int) -> None:
    header, size = entries(tensors)
    for data in (size - min(wrong, size), size + wrong):
        with pytest.raises(ModelError, match=r"^cut\.safetensors: "):
            parse(json.dumps(header).encode(), file="cut.safetensors", data_bytes=data)


class Bytes:
    """One file of any content."""

    def __init__(self, content: bytes, index: str = INDEX_FILE) -> None:
        self.content, self.index = content, index

    def read(self, name: str) -> bytes | None:
        return self.content if name == self.index else None

    def start(self, _: str, size: int) -> tuple[bytes, int] | None:
        return self.content[:size], len(self.content)

    def place(self, name: str) -> str:
        return name

    def each(self, function: Any, names: Any) -> Any:
        return map(function, names)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("dtype"), inner),
)
almost_entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(list(DTYPE_BITS)) | json_values,
        "shape": st.lists(st.integers(-1, 2**70)) | json_values,
        "data_offsets": st.lists(st.integers(-1, 2**70), max_size=3) | json_values,
    },
)


def refusal(attempt: Callable[[], object]) -> str | None:
    """What is said when it is refused; any other exception passes."""
    try:
        attempt()
    except ModelError as error:
        return str(error)
    return None


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused_in_one_line(content: bytes) -> None:
    said = [
        refusal(lambda: parse(content, file="f", data_bytes=len(content))),
        refusal(lambda: load(Bytes(content))),
        refusal(lambda: load(Bytes(content, index="none"))),
        refusal(lambda: load(Bytes(struct.pack("<Q", len(content)) + content, index="none"))),
    ]
    assert said[1] is not None
    assert not any("\n" in line for line in said if line)


@given(st.dictionaries(st.text(), almost_entries))
def test_any_header_is_read_or_refused_by_its_file(header: dict[str, Any]) -> None:
    said = refusal(lambda: parse(json.dumps(header).encode(), file="any", data_bytes=0))
    assert said is None or said.startswith("any: ")


def one(**changes: Any) -> bytes:
    """A file of two tensors, the second one changed."""
    header, size = entries([CheckpointTensor("a", "F32", (4,)), CheckpointTensor("b", "F32", (4,))])
    header["b"].update(changes)
    return encoded(header) + bytes(size)


LIES = {
    "empty": (b"", "begins with 8"),
    "a length beyond the file": (struct.pack("<Q", 1000) + b"{}", "the file itself has 10"),
    "a length beyond the format's limit": (struct.pack("<Q", 2**63) + b"{}", "at most 100000000"),
    "a length into the header": (struct.pack("<Q", 20) + one()[8:], "is no JSON"),
    "a list": (encoded([]), "no JSON object"),  # type: ignore[arg-type]
    "not text": (struct.pack("<Q", 2) + b"\xff\xfe", "no text"),
    "truncated data": (one()[:-1], "is truncated"),
    "data of nobody": (one() + b"0", "bytes that no tensor owns"),
    "an overlap": (one(data_offsets=[8, 24]), "'b' overlaps the one before it"),
    "a hole": (one(data_offsets=[20, 36]), "'b' leaves a hole"),
    "offsets that run backwards": (one(data_offsets=[32, 16]), "must be \\[begin, end\\]"),
    "an unknown type": (one(dtype="F128"), "dtype is 'F128'; known are"),
    "a type that is none": (one(dtype=[]), "dtype is \\[\\]"),
    "a negative size": (one(shape=[-4]), "shape is \\[-4\\]"),
    "a true size": (one(shape=[True]), "shape is \\[True\\]"),
    "a shape that needs more": (one(shape=[5]), "F32 of its shape needs 20"),
    "a name twice": (
        struct.pack("<Q", 16) + b'{"a":{}, "a":{}}',
        "names a key twice",
    ),
}


@pytest.mark.parametrize(("content", "rule"), LIES.values(), ids=LIES.keys())
def test_a_header_that_lies_is_refused_by_file_and_rule(tmp_path: Path, content: bytes, rule: str) -> None:
    with pytest.raises(ModelError, match=rule) as refused:
        Model.load(str(folder(tmp_path, {"model.safetensors": content})))
    assert "model.safetensors" in refused.value.message
    assert refused.value.fix


INDICES = {
    "a path": ({"weight_map": {"a": "../model.safetensors"}}, "a shard is a file beside it"),
    "a shard that is missing": ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors: no such file"),
    "no map": ({"weight_map": []}, "weight_map must be an object"),
    "a tensor that no shard has": (
        {"weight_map": {"other": "model-0.safetensors"}},
        "'other' is in model-0.safetensors, whose header does not",
    ),
}


@pytest.mark.parametrize(("index", "rule"), INDICES.values(), ids=INDICES.keys())
def test_an_index_that_lies_is_refused(tmp_path: Path, index: Any, rule: str) -> None:
    files = {**in_shards(TENSORS), INDEX_FILE: json.dumps(index).encode()}
    with pytest.raises(ModelError, match=rule):
        Model.load(str(folder(tmp_path, files)))


def test_shards_are_links_into_a_cache_but_no_loop(tmp_path: Path) -> None:
    where = folder(tmp_path / "m", in_shards(TENSORS))
    shard = where / "model-0.safetensors"
    shard.rename(tmp_path / "blob")
    shard.symlink_to(tmp_path / "blob")
    stored = load(Folder(where))
    assert stored is not None
    assert stored.bytes == BYTES
    shard.unlink()
    shard.symlink_to(shard.name)
    with pytest.raises(ModelError, match=r"model-0.safetensors: cannot be read \(Too many levels"):
        load(Folder(where))


def test_an_unknown_architecture_is_read_from_its_headers(tmp_path: Path) -> None:
    model = Model.load(str(folder(tmp_path, in_shards(TENSORS))))
    assert model.source == "safetensors"
    assert model.checkpoint is not None
    assert (model.checkpoint.bytes, checkpoint_bytes(model.config)) == (BYTES, BYTES)
    assert model.unexpected_bytes == 0
    assert model.config.caches == (KvLayer("full", 2, 16),) * 2


def test_projections_are_split_and_all_else_is_on_each_gpu(tmp_path: Path) -> None:
    config = Model.load(str(folder(tmp_path, {"model.safetensors": safetensors(TENSORS)}))).config
    table = 2048 * 16  # the rotary embedding
    for size in (1, 2, 4):
        layer = (64 * 64 + 256 * 64) // size + 32 * 64 // min(size, 2) + 8 * 64 + 64
        expected = 2 * (320 * 64 // size + 2 * layer + table)
        assert loaded_weights_bytes(config, on_h100(config, tensor_parallel_size=size), 0) == expected


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=4),
    st.sampled_from(["q_proj", "k_proj", "qkv_proj", "experts.3.w1", "router", "odd"]),
    st.sampled_from(["BF16", "F32", "F8_E4M3", "U8"]),
)
def test_more_gpus_never_raise_what_each_holds(
    shapes: list[tuple[int, int]], module: str, dtype: str
) -> None:
    tensors = tuple(
        CheckpointTensor(f"model.layers.{number % 2}.{number}.{module}.weight", dtype, shape)
        for number, shape in enumerate(shapes)
    )
    config = ModelConfig.from_dict(UNKNOWN, name="any", checkpoint=Checkpoint(("one",), tensors))
    held = [loaded_weights_bytes(config, on_h100(config, tensor_parallel_size=size), 0) for size in (1, 2, 4)]
    assert held == sorted(held, reverse=True)
    # And together they hold every byte.
    assert 4 * held[-1] >= checkpoint_bytes(config)


def test_a_known_model_is_checked_against_its_headers(tmp_path: Path, valuegen: Callable[..., Any]) -> None:
    config = {
        **document("Qwen/Qwen3-8B"),
        "num_hidden_layers": 1,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 320,
        "tie_word_embeddings": True,
    }
    layer = {
        "self_attn.q_proj": (64, 64),
        "self_attn.k_proj": (32, 64),
        "self_attn.v_proj": (32, 64),
        "self_attn.o_proj": (64, 64),
        "self_attn.q_norm": (16,),
        "self_attn.k_norm": (16,),
        "mlp.gate_proj": (128, 64),
        "mlp.up_proj": (128, 64),
        "mlp.down_proj": (64, 128),
        "input_layernorm": (64,),
        "post_attention_layernorm": (64,),
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"model.layers.0.{name}.weight": shape for name, shape in layer.items()
    }
    shapes |= {"model.embed_tokens.weight": (320, 64), "model.norm.weight": (64,)}
    shapes["lm_head.weight"] = (320, 64)  # tied: stored all the same, and not loaded
    where = folder(tmp_path, {"model.safetensors": safetensors(shapes)}, config)
    assert Model.load(str(where)).unexpected_bytes == 0
    shapes["model.layers.0.extra.weight"] = (100,)
    folder(tmp_path, {"model.safetensors": safetensors(shapes)}, config)
    told = valuegen("fit", where, "--gpu", "L40S")
    assert "200 bytes more than Qwen3ForCausalLM" in " ".join(told.stdout.split())
    assert told.code == 0
    made = json.loads(valuegen("fit", where, "--gpu", "L40S", "--json").stdout)
    assert made["model"]["checkpoint"]["unexpected_bytes"] == 200
    assert made["model"]["assumptions"] == []


def test_the_answer_says_what_is_exact_and_what_is_assumed(
    tmp_path: Path, valuegen: Callable[..., Any]
) -> None:
    where = folder(tmp_path, in_shards(TENSORS))
    for command in (
        ["fit", where, "--gpu", "L40S"],
        ["plan", where, "--gpu", "L40S", "--max-model-len", "1024"],
    ):
        told = valuegen(*command)
        assert told.code == 0, told.stderr
        text = " ".join(told.stdout.split())
        assert f"Exact: the weights on disk, {BYTES:,} bytes" in text
        assert "Assumed: valuegen has no file for this architecture" in text
        assert all(len(line) <= 80 for line in told.stdout.splitlines())
    explained = " ".join(valuegen("fit", where, "--gpu", "L40S", "--explain").stdout.split())
    assert "every tensor of the headers" in explained
    written = valuegen("values", where, "--gpu", "L40S", "--name", "mine")
    assert "their split over GPUs and the KV cache are assumed" in " ".join(
        written.stdout.replace("#", "").split()
    )
    made = json.loads(valuegen("fit", where, "--gpu", "L40S", "--json").stdout)
    assert made["model"]["source"] == "safetensors"
    assert made["model"]["checkpoint"] == {"files": 2, "tensors": 11, "bytes": BYTES, "unexpected_bytes": 0}
    kinds = {path: entry["kind"] for path, entry in made["provenance"].items()}
    assert (kinds["model.checkpoint"], kinds["ranks.0.weights_bytes"]) == ("exact", "assumed")
    assert kinds["kv_cache.bytes_per_block"] == "assumed"


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size"])
def test_a_standard_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    config = {name: value for name, value in UNKNOWN.items() if name != key}
    with pytest.raises(ModelError, match=f"key {key} is missing"):
        Model.load(str(folder(tmp_path, in_shards(TENSORS), config)))


def test_an_unknown_architecture_without_headers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="UnheardOfForCausalLM is not supported") as refused:
        Model.load(str(folder(tmp_path, {})))
    assert "safetensors" in refused.value.fix
