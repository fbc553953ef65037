"""Files that are no model and no values: how each is made, and the rule that the refusal must name."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.valuegen.models import document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LLAMA = "meta-llama/Meta-Llama-3.1-8B"
GEMMA = "google/gemma-3-12b-it"
GIB = 1024**3


def _holding(content: str | bytes) -> Callable[[Path], None]:
    """Writes that to the file, or to config.json of the folder."""

    def make(path: Path) -> None:
        data = content.encode() if isinstance(content, str) else content
        (path / "config.json" if path.is_dir() else path).write_bytes(data)

    return make


def _changed(model: str = LLAMA, **changes: Any) -> Callable[[Path], None]:
    """A real config.json with some keys changed; None removes one."""
    config = {key: value for key, value in (document(model) | changes).items() if value is not None}
    return _holding(json.dumps(config))


def _file(path: Path) -> Path:
    return path / "config.json" if path.is_dir() else path


def _nothing(_path: Path) -> None:
    """No file at all."""


def _huge(path: Path) -> None:
    with _file(path).open("wb") as stream:
        stream.truncate(2 * GIB)  # a hole: it takes no space


def _folder(path: Path) -> None:
    _file(path).mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(_file(path))


def _loop(path: Path) -> None:
    file = _file(path)
    file.symlink_to(file.name)


def _dangling(path: Path) -> None:
    _file(path).symlink_to("gone")


def _device(path: Path) -> None:
    _file(path).symlink_to("/dev/zero")


def _modelopt(path: Path) -> None:
    _changed()(path)
    (path / "hf_quant_config.json").write_text("[1]")


# name -> (how it is made, what the refusal says)
BROKEN_CONFIGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (_nothing, "no such file"),
    "empty": (_holding(""), "is empty"),
    "truncated": (_holding('{"architectures": ["Qwen3For'), "is no JSON"),
    "a list": (_holding("[1, 2]"), "is no JSON object"),
    "a word": (_holding('"llama"'), "is no JSON object"),
    "null": (_holding("null"), "is no JSON object"),
    "binary": (_holding(bytes(range(128, 256))), "no text file"),
    "another encoding": (_holding('{"hidden_size": 1}'.encode("utf-16")), "no text file"),
    "nested too deeply": (_holding("[" * 100_000), "is no JSON (nesting, size)"),
    "two gigabytes": (_huge, "larger than 16 MiB"),
    "a directory": (_folder, "is no regular file"),
    "a pipe": (_pipe, "is no regular file"),
    "a device": (_device, "is no regular file"),
    "a link to itself": (_loop, "config.json: cannot be read"),
    "a link to nothing": (_dangling, "no such file"),
    "no language model": (_holding('{"_class_name": "UNet2DConditionModel"}'), "architectures is missing"),
    "an unknown class": (_changed(architectures=["CLIPModel"]), "architecture CLIPModel is not supported"),
    "classes that are numbers": (_changed(architectures=[1]), "must be a list of strings"),
    "no text_config": (_changed(GEMMA, text_config=None), "hidden_size is missing"),
    "text_config is a list": (_changed(GEMMA, text_config=[]), "text_config is []"),
    "zero heads": (_changed(num_attention_heads=0), "num_attention_heads is 0"),
    "zero KV heads": (_changed(num_key_value_heads=0), "num_key_value_heads is 0"),
    "heads that do not divide": (_changed(num_key_value_heads=5), "must divide it"),
    "negative layers": (_changed(num_hidden_layers=-1), "num_hidden_layers is -1"),
    "a million layers": (_changed(num_hidden_layers=10**6), "between 1 and 10000"),
    "a negative size": (_changed(hidden_size=-4096), "hidden_size is -4096"),
    "an endless number": (_holding(json.dumps(document(LLAMA) | {"hidden_size": 10**400})), "hidden_size is"),
    "not a number": (_changed(rope_theta=None, vocab_size=float("nan")), "vocab_size is nan"),
    "a size in words": (_changed(intermediate_size="14336"), "intermediate_size is '14336'"),
    "a size with a fraction": (_changed(intermediate_size=14336.5), "intermediate_size is 14336.5"),
    "a size that is true": (_changed(vocab_size=True), "vocab_size is True"),
    "an unknown type": (_changed(torch_dtype="float128"), "torch_dtype is 'float128'"),
    "an unknown quantization": (
        _changed(quantization_config={"quant_method": "magic"}),
        "quantization_config.quant_method",
    ),
    "quantization that is a list": (_changed(quantization_config=[]), "quantization_config is []"),
    "a broken hf_quant_config.json": (_modelopt, "hf_quant_config.json: it is no JSON object"),
}

MODEL = "models:\n  m:\n    source: {uri: hf://Qwen/Qwen3-8B}\n    accelerator: {product: NVIDIA-L40S}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


def _model(line: str) -> Callable[[Path], None]:
    """A values file whose one model has one more line; `values --into` refuses what it would write."""
    return _holding(f"{MODEL}    {line}\n")


# name -> (how it is made, exit code of check, what it says)
BROKEN_VALUES: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "missing": (_nothing, 2, "no such file"),
    "a directory": (_folder, 2, "is a directory"),
    "a pipe": (_pipe, 2, "is no regular file"),
    "a device": (_device, 2, "is no regular file"),
    "a link to itself": (_loop, 2, "cannot be read"),
    "a link to nothing": (_dangling, 2, "no such file"),
    "two gigabytes": (_huge, 2, "larger than 4 MiB"),
    "binary": (_holding(bytes(range(128, 256))), 2, "is no text file"),
    "another encoding": (_holding("models: {}".encode("utf-16")), 2, "is no text file"),
    "a null byte": (_holding("models: {}\0"), 2, "is no YAML"),
    "a list": (_holding("- a\n- b\n"), 2, "is no YAML mapping"),
    "words": (_holding("just words\n"), 2, "is no YAML mapping"),
    "a bracket left open": (_holding("models: [1, 2\n"), 2, "is no YAML at line"),
    "a tab": (_holding("models:\n\tm: {}\n"), 2, "is no YAML at line 2"),
    "a key twice": (_holding("models: {}\nmodels: {}\n"), 2, "is no YAML at line 2"),
    "an unknown anchor": (_holding("models: *gone\n"), 2, "is no YAML"),
    "an alias within itself": (_holding("x-a: &a [*a]\n"), 2, "an alias contains itself"),
    "aliases that multiply": (_holding(BOMB), 2, "expands to more than"),
    "nested too deeply": (_holding("a: " + "[" * 5000 + "]" * 5000), 2, "nested too deeply"),
    "two documents": (_holding("models: {}\n---\nmodels: {}\n"), 2, "is no YAML"),
    "an unknown tag": (_holding("models: !thing {}\n"), 2, "is no YAML"),
    "a tag that runs code": (_holding("x-a: !!python/object/apply:os.getcwd []\n"), 2, "is no YAML"),
    "a merge of a number": (_holding("models:\n  <<: 3\n"), 2, "is no YAML"),
    "a number that is none": (_holding("x-a: !!int abc\n"), 2, "cannot be read"),
    "models that are a list": (_holding("models: [a]\n"), 3, "is not of type 'object'"),
    "models that are a word": (_holding("models: a\n"), 3, "is not of type 'object'"),
    "a model that is a number": (_holding("models: {m: 3}\n"), 3, "3 is not of type"),
    "an unknown key of the chart": (_holding(f"{MODEL}modles: {{}}\n"), 3, "did you mean models?"),
    "an unknown key of a model": (_model("replica: 2"), 3, "did you mean replicas?"),
    "a wrong type": (_model("replicas: two"), 3, "'two' is not of type"),
    "a negative size": (_model("parallelism: {tensor: -1}"), 3, "-1 is less than the minimum of 1"),
    "no size": (_model("parallelism: {tensor: 0}"), 3, "0 is less than the minimum of 1"),
    "a size with a fraction": (_model("parallelism: {tensor: 1.5}"), 3, "1.5 is not of type"),
    "a number without end": (_model("replicas: .inf"), 3, "inf is not of type"),
    "a negative quantity": (_model("cache: {size: -1Gi}"), 3, "'-1Gi' does not match"),
    "arguments that are a list": (_model("args: [a]"), 3, "is not of type 'object'"),
    "arguments that are numbers": (_model("extraArgs: [1]"), 3, "1 is not of type 'string'"),
    "a date for a text": (_model("cost: 2026-11-20"), 3, "does not match"),
}
