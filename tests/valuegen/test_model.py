"""MODEL may be a path, a catalogue name, a Hub id or a size."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from valuegen import Model, ModelError
from valuegen.catalog.models import find_model
from valuegen.folder import LARGEST_SMALL_FILE
from valuegen.weights import parameter_count

if TYPE_CHECKING:
    from pathlib import Path


def config_of(name: str) -> dict[str, Any]:
    entry = find_model(name)
    assert entry is not None
    return dict(entry.config)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config_of("Qwen3-8B")))
    return folder


def test_a_directory_and_its_config_are_the_same_model_as_the_catalogue_entry(checkpoint: Path) -> None:
    by_folder, by_file = Model.load(str(checkpoint)), Model.load(str(checkpoint / "config.json"))
    assert (by_folder.name, by_folder.uri) == (by_file.name, by_file.uri) == ("my-model", str(checkpoint))
    expected = parameter_count(Model.load("Qwen3-8B").config)
    assert parameter_count(by_folder.config) == parameter_count(by_file.config) == expected


def test_hf_quant_config_beside_config_is_read(checkpoint: Path) -> None:
    quantized = {
        "producer": {"name": "modelopt", "version": "0.23.0"},
        "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    (checkpoint / "hf_quant_config.json").write_text(json.dumps(quantized))
    loaded = Model.load(str(checkpoint)).config.quantization
    assert loaded is not None
    assert loaded.method == "modelopt"


@pytest.mark.parametrize("size", ["0.5B", "1B", "3B", "8B", "14b", "32B", "70B", "123B", "405B", "500M"])
def test_a_size_becomes_an_assumed_model_of_about_that_many_parameters(size: str) -> None:
    model = Model.load(size)
    wanted = float(size[:-1]) * (1e6 if size.endswith("M") else 1e9)
    assert model.source == "size"
    assert model.uri == ""
    # A whole number of layers cannot hit every size.
    assert parameter_count(model.config) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize("size", ["0B", "50M", "3000B"])
def test_a_size_of_no_language_model_is_refused(size: str) -> None:
    with pytest.raises(ModelError, match="300M to 2000B"):
        Model.load(size)


def test_a_size_says_what_it_assumes() -> None:
    (assumption,) = Model.load("70B").assumptions
    for part in (
        "Llama 3",
        "79 layers",
        "8192 hidden",
        "8 key/value heads",
        "bfloat16",
        "69.70 B parameters",
    ):
        assert part in assumption


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("config.json")
    with pytest.raises(ModelError, match=r"config.json: cannot be read \(Too many levels"):
        Model.load(str(tmp_path))


def test_a_name_like_a_catalogue_name_is_refused_with_that_name() -> None:
    with pytest.raises(ModelError, match="did you mean Qwen3-8B"):
        Model.load("Qwen3-8")


BROKEN = {
    "missing": (None, "no such file"),
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "truncated": ('{"architectures": ["Qwen3ForCausalLM"], "hidden', "is no JSON"),
    "a list": ("[1, 2]", "no JSON object"),
    "a number": ("7", "no JSON object"),
    "deep": ("[" * 100_000, "is no JSON"),
    "an image model": ('{"_class_name": "UNet2DConditionModel", "sample_size": 64}', "architectures"),
    "an object of nothing": ("{}", "architectures"),
}


@pytest.mark.parametrize(("text", "rule"), BROKEN.values(), ids=BROKEN.keys())
def test_a_config_that_is_none_is_refused_by_its_name_and_the_rule(
    tmp_path: Path, text: str | None, rule: str
) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=rule) as refused:
        Model.load(str(tmp_path))
    assert tmp_path.name in refused.value.message
    assert refused.value.fix


def test_a_config_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ModelError, match="no text file"):
        Model.load(str(tmp_path))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ModelError, match="no regular file"):
        Model.load(str(tmp_path))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as stream:
        stream.truncate(LARGEST_SMALL_FILE + 1)
    with pytest.raises(ModelError, match="larger than 16 MiB"):
        Model.load(str(tmp_path))
