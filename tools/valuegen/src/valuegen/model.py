"""What a person calls a model -> Model: a path, a catalogue name, a Hub id or a size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from valuegen import checkpoint, weights
from valuegen.catalog.models import find_model, nearest_model
from valuegen.config import ModelConfig
from valuegen.errors import ModelError
from valuegen.folder import Folder
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.checkpoint import Checkpoint, Files

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[bBmM])")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """A model's configuration and where it came from."""

    name: str
    config: ModelConfig
    source: Literal["config", "safetensors", "size"]  # "size": the shape is an assumption
    origin: str  # for people: which file, catalogue entry or assumption
    uri: str  # what the chart's `source.uri` gets: hf://..., an absolute path, or empty
    revision: str = ""  # branch, tag or commit that was read from the Hub; empty: its default
    assumptions: tuple[str, ...] = ()  # what is not known about it, in sentences
    checkpoint: Checkpoint | None = None  # the tensors on disk, where their headers were read

    @property
    def is_unexpected(self) -> bool:
        """Whether the bytes on disk tell of another model than config.json does.

        Scales of a quantized checkpoint may lie on disk in another form than vLLM's: up to 1 % is theirs.
        """
        if self.checkpoint is None or self.config.quantization is None:
            return self.unexpected_bytes != 0
        return 100 * abs(self.unexpected_bytes) > self.checkpoint.bytes

    @property
    def unexpected_bytes(self) -> int:
        """Bytes on disk beyond what the architecture lists (below zero: missing); 0 without headers."""
        if self.checkpoint is None:
            return 0
        return loadable_bytes(self.checkpoint, self.config) - weights.checkpoint_bytes(self.config)

    @classmethod
    def load(cls, name: str, *, revision: str | None = None, draft_prefix: str = "") -> Model:
        """The model that `name` means: a directory or config.json, a catalogue name, a Hub id, or a size.

        With a `revision` the Hub is asked, also for a model of the catalogue. A head that drafts is read as
        the class that vLLM makes of it, with a `draft_prefix` before its name. Raises ModelError if
        nothing of that name can be read as a language model.
        """
        if not name.strip():
            raise ModelError("MODEL: is empty", "`valuegen models` lists names to start with")
        path = Path(name).expanduser()
        if name.startswith((".", "/", "~")) or name.endswith(".json") or path.is_dir():
            if revision is not None:
                raise ModelError(f"{name}: a file has no revision", "drop --revision, or name a Hub id")
            return _from_path(path, draft_prefix)
        known = find_model(name)
        if revision is not None:
            return _from_hub(known.hub if known else name, revision, draft_prefix)
        if known is not None:
            config = ModelConfig.from_dict(
                known.config, name=known.name, hf_quant_config=known.hf_quant_config
            )
            return cls(known.name, config, "config", f"catalogue: {known.source}", f"hf://{known.hub}")
        size = SIZE.fullmatch(name)
        if size is not None:
            return _from_size(name, float(size["number"]) * {"b": 1e9, "m": 1e6}[size["unit"].lower()])
        if HUB_ID.fullmatch(name):
            return _from_hub(name, None, draft_prefix)
        suggestion = nearest_model(name)
        fix = f"did you mean {suggestion}? " if suggestion else ""
        raise ModelError(
            f"{name}: no such file, catalogue name, Hub id (org/name) or size (70B)",
            f"{fix}`valuegen models` lists the catalogue",
        )


def loadable_bytes(stored: Checkpoint, config: ModelConfig) -> int:
    """Bytes on disk without the tensors that vLLM skips for any model.

    Source: vLLM 0.33.0 model_executor/models/utils.py (rotary tables), models/llama.py (a tied lm_head),
    model_loader/weight_utils.py (scales of the KV cache, which belong to the attention layer).
    """
    if config.assumptions:  # nothing else is known about it
        return stored.bytes
    skipped = SKIPPED_TIED if config.tie_word_embeddings else SKIPPED
    return sum(each.bytes for each in stored.tensors if not skipped.search(each.name))


SKIPPED = re.compile(r"rotary_emb\.|\.(?:k|v|q|kv)_(?:zero_point|scale)$|\.(?:k|v)_proj\.output_scale$")
SKIPPED_TIED = re.compile(rf"{SKIPPED.pattern}|(?:^|\.)lm_head\.weight$")


def _from_path(path: Path, draft_prefix: str) -> Model:
    config_file = path / "config.json" if path.is_dir() else path
    files = Folder(config_file.parent)
    raw = _as_draft(_read_json(files, config_file.name), draft_prefix)
    folder = config_file.resolve().parent  # after reading: a loop of links cannot be resolved
    return _read(files, raw, folder.name, str(config_file), uri=str(folder))


def _from_hub(repo_id: str, revision: str | None, draft_prefix: str) -> Model:
    if not HUB_ID.fullmatch(repo_id):
        raise ModelError(
            f"{repo_id}: a revision needs a Hub id (org/name)", "drop --revision, or name the Hub id"
        )
    from valuegen import hub  # noqa: PLC0415  (only this way in needs the network)

    files = hub.Repository(repo_id, revision)
    found = _read_json(files, "config.json", fix="use a repository in Transformers format")
    raw = _as_draft(found, draft_prefix)
    origin = f"config.json of {repo_id}" + (f" at {revision}" if revision else "")
    return _read(
        files, raw, repo_id.rpartition("/")[2], origin, uri=f"hf://{repo_id}", revision=revision or ""
    )


def _as_draft(raw: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A head's config.json names the class it extends (transformers_utils/configs/eagle.py)."""
    names = raw.get("architectures")
    if not prefix or not isinstance(names, list):
        return raw
    drafts = [name if not isinstance(name, str) or "Eagle" in name else prefix + name for name in names]
    return {**raw, "architectures": drafts}


def _read(
    files: Files, raw: dict[str, Any], name: str, origin: str, *, uri: str, revision: str = ""
) -> Model:
    """The model of a config.json with what stands beside it: quantization, headers."""
    quantized = files.read("hf_quant_config.json")
    stored = checkpoint.load(files)
    config = ModelConfig.from_dict(
        raw,
        name=name,
        hf_quant_config=None if quantized is None else _object(files, "hf_quant_config.json", quantized),
        checkpoint=stored,
    )
    if config.assumptions:
        origin = f"safetensors headers and {origin}"
    return Model(
        name,
        config,
        "safetensors" if config.assumptions else "config",
        origin,
        uri,
        revision,
        config.assumptions,
        stored,
    )


CONFIG_FIX = "give the directory of a checkpoint, or its config.json"


def _read_json(files: Files, name: str, *, fix: str = CONFIG_FIX) -> dict[str, Any]:
    """The JSON object in a small file that must be there; ModelError names it and what is wrong."""
    text = files.read(name)
    if text is None:
        raise ModelError(f"{files.place(name)}: no such file", fix)
    return _object(files, name, text)


def _object(files: Files, name: str, text: bytes) -> dict[str, Any]:
    where = files.place(name)
    if not text.strip():
        raise ModelError(f"{where}: is empty", "download the file again")
    return checkpoint.parse_object(text, file=where)


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
    assumption = (
        f"a size is no model: assumed is the shape of Llama 3, {layers} layers of {hidden} hidden and "
        f"{intermediate} intermediate units, {heads} heads, {LLAMA_KV_HEADS} key/value heads, a vocabulary "
        f"of {LLAMA_VOCAB:,}, {LLAMA_CONTEXT:,} tokens of context, bfloat16: "
        f"{weights.parameter_count(config) / 1e9:.2f} B parameters"
    )
    origin = f"assumed: a Llama-like model of {layers} layers, bfloat16"
    return Model(name, config, "size", origin, "", assumptions=(assumption,))
