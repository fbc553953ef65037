"""What a person calls a model -> Model: a path, a catalogue name, a Hub id or a size."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from valuegen import hub
from valuegen.catalog.models import find_model, nearest_model
from valuegen.config import ModelConfig
from valuegen.errors import ModelError

MAX_CONFIG_BYTES = 16 * 1024**2  # the largest config.json in use is far below 1 MiB

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[bBmM])")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """A model's configuration and where it came from."""

    name: str
    config: ModelConfig
    source: Literal["config", "size"]  # "size": the shape is an assumption
    origin: str  # for people: which file, catalogue entry or assumption
    uri: str  # what the chart's `source.uri` gets: hf://..., an absolute path, or empty
    revision: str = ""  # branch, tag or commit that was read from the Hub; empty: its default

    @classmethod
    def load(cls, name: str, *, revision: str | None = None) -> Model:
        """The model that `name` means: a directory or config.json, a catalogue name, a Hub id, or a size.

        With a `revision` the Hub is asked, also for a model of the catalogue. Raises ModelError if
        nothing of that name can be read as a language model.
        """
        if not name.strip():
            raise ModelError("MODEL: is empty", "`valuegen models` lists names to start with")
        path = Path(name).expanduser()
        if name.startswith((".", "/", "~")) or name.endswith(".json") or path.is_dir():
            if revision is not None:
                raise ModelError(f"{name}: a file has no revision", "drop --revision, or name a Hub id")
            return _from_path(path)
        known = find_model(name)
        if revision is not None:
            return _from_hub(known.hub if known else name, revision)
        if known is not None:
            config = ModelConfig.from_dict(
                known.config, name=known.name, hf_quant_config=known.hf_quant_config
            )
            return cls(known.name, config, "config", f"catalogue: {known.source}", f"hf://{known.hub}")
        size = SIZE.fullmatch(name)
        if size is not None:
            return _from_size(name, float(size["number"]) * {"b": 1e9, "m": 1e6}[size["unit"].lower()])
        if HUB_ID.fullmatch(name):
            return _from_hub(name, None)
        suggestion = nearest_model(name)
        fix = f"did you mean {suggestion}? " if suggestion else ""
        raise ModelError(
            f"{name}: no such file, catalogue name, Hub id (org/name) or size (70B)",
            f"{fix}`valuegen models` lists the catalogue",
        )


def _from_path(path: Path) -> Model:
    config_file = path / "config.json" if path.is_dir() else path
    raw = _read_json(config_file)
    folder = config_file.resolve().parent
    quant_file = config_file.parent / "hf_quant_config.json"
    hf_quant_config = _read_json(quant_file) if quant_file.is_file() else None
    config = ModelConfig.from_dict(raw, name=folder.name, hf_quant_config=hf_quant_config)
    return Model(folder.name, config, "config", str(config_file), str(folder))


def _from_hub(repo_id: str, revision: str | None) -> Model:
    if not HUB_ID.fullmatch(repo_id):
        raise ModelError(
            f"{repo_id}: a revision needs a Hub id (org/name)", "drop --revision, or name the Hub id"
        )
    config_file = hub.fetch(repo_id, "config.json", revision=revision)
    if config_file is None:
        raise ModelError(
            f"{repo_id}: the repository has no config.json", "use a repository in Transformers format"
        )
    quant_file = hub.fetch(repo_id, "hf_quant_config.json", revision=revision)
    hf_quant_config = _read_json(quant_file) if quant_file is not None else None
    name = repo_id.rpartition("/")[2]
    config = ModelConfig.from_dict(_read_json(config_file), name=name, hf_quant_config=hf_quant_config)
    origin = f"config.json of {repo_id}" + (f" at {revision}" if revision else "")
    return Model(name, config, "config", origin, f"hf://{repo_id}", revision or "")


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a small file; ModelError names the file and what is wrong with it."""
    fix = "give the directory of a checkpoint, or its config.json"
    try:
        # A pipe or a device would block, or never end.
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: is no regular file", fix)
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path}: larger than {MAX_CONFIG_BYTES // 1024**2} MiB, no config.json is", fix)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", fix) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", fix) from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: no text file", fix) from None
    if not text.strip():
        raise ModelError(f"{path}: is empty", "download the file again")
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nesting"
        raise ModelError(f"{path}: is no JSON ({where})", "download the file again") from None
    if not isinstance(document, dict):
        raise ModelError(f"{path}: holds no JSON object", fix)
    return document


# Shapes of the Llama 3 family, and like it: hidden, intermediate, layers, heads. A size in
# between keeps the width of the nearest one and gets more or fewer layers.
LLAMA_SHAPES = (
    (1024, 4096, 16, 16),
    (2048, 8192, 16, 32),
    (3072, 8192, 28, 24),
    (4096, 14336, 32, 32),
    (5120, 17920, 40, 40),
    (8192, 28672, 80, 64),
    (12288, 28672, 88, 96),
    (16384, 53248, 126, 128),
)
LLAMA_VOCAB, LLAMA_KV_HEADS, LLAMA_CONTEXT = 128256, 8, 131072
SMALLEST, LARGEST = 0.3e9, 2000e9  # parameters


def _from_size(name: str, parameters: float) -> Model:
    if not SMALLEST <= parameters <= LARGEST:
        raise ModelError(f"{name}: no size of a language model", "give a size from 300M to 2000B")

    def per_layer(shape: tuple[int, int, int, int]) -> int:
        hidden, intermediate, _, heads = shape
        head_dim = hidden // heads
        return 2 * hidden * hidden + 2 * hidden * LLAMA_KV_HEADS * head_dim + 3 * hidden * intermediate

    def total(shape: tuple[int, int, int, int], layers: int) -> int:
        return 2 * LLAMA_VOCAB * shape[0] + layers * per_layer(shape)

    shape = min(LLAMA_SHAPES, key=lambda candidate: abs(total(candidate, candidate[2]) - parameters))
    hidden, intermediate, _, heads = shape
    layers = max(1, round((parameters - 2 * LLAMA_VOCAB * hidden) / per_layer(shape)))
    raw = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": LLAMA_KV_HEADS,
        "vocab_size": LLAMA_VOCAB,
        "max_position_embeddings": LLAMA_CONTEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    config = ModelConfig.from_dict(raw, name=name)
    return Model(name, config, "size", f"assumed: a Llama-like model of {layers} layers, bfloat16", "")
