"""Speculative decoding: what --speculative-config asks for, and the draft that joins a model.

Source: vLLM 0.33.0 config/speculative.py, config/vllm.py (num_lookahead_tokens, _set_max_num_scheduled_tokens,
_limit_max_model_len_to_draft), v1/worker/gpu/spec_decode/* (what is loaded, shared and allocated),
model_executor/models/*_mtp.py.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from valuegen.architectures.base import Buffer, Embedding, Linear, Part, Place, Weight
from valuegen.errors import ModelError, Reason, UsageError
from valuegen.frozen import dataclass
from valuegen.limits import any_of
from valuegen.schemes import DTYPE_BYTES
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valuegen.architectures.base import Module
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.model import Model

FLAG = "--speculative-config"
NOT_COUNTED = "is not counted here"
EAGLE = ("eagle", "eagle3")
WITH_MODEL = ("draft_model", *EAGLE)
WITHOUT_DRAFT = ("ngram", "ngram_gpu", "suffix")
COUNTED = (*WITH_MODEL, "mtp", *WITHOUT_DRAFT)
UNCOUNTED = ("custom_class", "dflash", "dspark", "extract_hidden_states")
SUFFIX_TOKENS = 24  # suffix_decoding_max_tree_depth, where num_speculative_tokens is unset
AUX_STATES = 3  # hidden states of the model that EAGLE3 reads
NGRAM_BLOCK, NGRAM_ENTRY = 256, 8  # v1/worker/gpu/spec_decode/ngram/speculator.py
# Where an MTP layer is one more decoder layer with two norms, a projection and a last norm.
MTP_CLASSES = {
    "DeepseekV3ForCausalLM": "eh_proj",
    "DeepseekV32ForCausalLM": "eh_proj",
    "GlmMoeDsaForCausalLM": "eh_proj",
    "Glm4MoeForCausalLM": "eh_proj",
    "MiMoForCausalLM": "input_proj",
    "Qwen3NextForCausalLM": "fc",
    "Qwen3_5ForConditionalGeneration": "fc",
    "Qwen3_5MoeForConditionalGeneration": "fc",
}
SPLIT_PROJECTION = "fc"  # Qwen's is split over GPUs
# Keys that change no memory; vLLM reads them all the same.
OTHER_KEYS = frozenset(
    {
        "attention_backend",
        "code_revision",
        "disable_eagle_block_drop",
        "disable_lookahead_block_hashes",
        "disable_padded_drafter_batch",
        "draft_load_config",
        "enforce_eager",
        "fly_entropy_threshold",
        "fly_entropy_top_k",
        "fly_window_size",
        "index_share_for_mtp_iteration",
        "moe_backend",
        "prompt_lookup_max",
        "prompt_lookup_min",
        "rejection_sample_method",
        "suffix_decoding_max_cached_requests",
        "suffix_decoding_max_spec_factor",
        "suffix_decoding_max_tree_depth",
        "suffix_decoding_min_token_prob",
        "synthetic_acceptance_length",
        "synthetic_acceptance_rates",
        "use_heterogeneous_vocab",
        "use_local_argmax_reduction",
    }
)


@dataclass(frozen=True)
class Speculation:
    """--speculative-config as far as memory goes; `text` is all of it as JSON."""

    method: str
    num_speculative_tokens: int | None = None
    model: str | None = None
    revision: str | None = None
    max_model_len: int | None = None
    draft_tensor_parallel_size: int | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    draft_sample_method: str = "greedy"
    text: str = ""

    @property
    def tokens(self) -> int:
        """Tokens that are drafted in a step, once the draft has been joined."""
        return self.num_speculative_tokens or 0


MEMORY_KEYS = {field.name for field in fields(Speculation)} - {"text"}
COUNTS = ("num_speculative_tokens", "max_model_len", "draft_tensor_parallel_size")


def parse(text: str) -> Speculation:
    """JSON as vLLM reads it; UsageError names the key and the rule."""
    try:
        given = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise UsageError(
            f"{FLAG}: {text[:60]!r} is no JSON", 'write {"method": "ngram", "num_speculative_tokens": 4}'
        ) from None
    if not isinstance(given, dict):
        raise UsageError(f"{FLAG}: is no JSON object", 'write {"method": ..., "num_speculative_tokens": ...}')
    return from_dict(given)


def from_dict(given: Mapping[str, Any]) -> Speculation:
    """The parsed object; UsageError names the key and the rule."""
    values = {str(key).replace("-", "_"): value for key, value in given.items() if value is not None}
    for key in values:
        if key not in MEMORY_KEYS and key not in OTHER_KEYS:
            raise UsageError(
                f"{FLAG}: {key} is no key of vLLM 0.33, or what it does {NOT_COUNTED}",
                f"known are {', '.join(sorted(MEMORY_KEYS))}",
            )
    for key in COUNTS:
        count = values.get(key)
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise UsageError(f"{FLAG}: {key} is {count!r}; it must be at least 1", f"set {key} to 1 or more")
    for key in MEMORY_KEYS - set(COUNTS):
        if key in values and not isinstance(values[key], str):
            raise UsageError(f"{FLAG}: {key} is {values[key]!r}; it must be a text", f"set {key} to a text")
    known = {key: value for key, value in values.items() if key in MEMORY_KEYS}
    return Speculation(
        **{**known, "method": _method(values)},
        text=json.dumps(values, sort_keys=True, separators=(", ", ": ")),
    )


def _method(values: Mapping[str, Any]) -> str:
    model = values.get("model")
    method = str(values.get("method") or ("ngram" if model in ("ngram", "[ngram]") else "draft_model"))
    method = "mtp" if method.endswith("_mtp") else method.strip("[]")
    if "method" not in values and isinstance(model, str):  # as vLLM guesses by the name
        lower = model.lower()
        method = "eagle" if "eagle-" in lower else "eagle3" if "eagle3" in lower else method
    if method in UNCOUNTED:
        raise UsageError(
            f"{FLAG}: what method {method} needs {NOT_COUNTED}",
            f"leave it out and leave room for it, or use {any_of(list(COUNTED))}",
        )
    if method not in COUNTED:
        raise UsageError(
            f"{FLAG}: vLLM 0.33 has no method {method}", f"use {any_of(sorted({*COUNTED, *UNCOUNTED}))}"
        )
    if method in WITH_MODEL and not model:
        raise UsageError(
            f"{FLAG}: method {method} needs a draft model", 'set "model" to a name, a Hub id or a directory'
        )
    if "num_speculative_tokens" not in values and method != "suffix":
        raise UsageError(f"{FLAG}: num_speculative_tokens is missing", 'set "num_speculative_tokens", 3 say')
    return method


def joined(model: Model, speculation: Speculation) -> tuple[Model, Speculation]:
    """The model with its draft, and the speculation with every default filled in.

    Raises ModelError if the draft cannot be read, or has no such layers.
    """
    config, tokens = _joined(model.config, speculation)
    return replace(model, config=config), replace(speculation, num_speculative_tokens=tokens)


@cache
def _joined(config: ModelConfig, speculation: Speculation) -> tuple[ModelConfig, int]:
    method = speculation.method
    if method in WITHOUT_DRAFT:
        return config, speculation.num_speculative_tokens or SUFFIX_TOKENS
    if method == "mtp":
        draft = predictor(config)
        return replace(config, draft=draft), speculation.tokens
    return replace(config, draft=draft_of(speculation).config), speculation.tokens


@cache
def draft_of(speculation: Speculation) -> Model:
    """The model that drafts, of a method that has one of its own; ModelError if it cannot be read."""
    from valuegen.model import Model  # noqa: PLC0415  (only a draft of its own is loaded)

    try:
        return Model.load(
            speculation.model or "",
            revision=speculation.revision,
            draft_prefix={"eagle": "Eagle", "eagle3": "Eagle3"}.get(speculation.method, ""),
        )
    except ModelError as error:
        raise ModelError(f"{FLAG}: model {error.message}", error.fix) from None


def predictor(config: ModelConfig) -> ModelConfig:
    """The MTP layers of a checkpoint as a model of their own; embedding and head are those of the model."""
    count = config.predict_layers
    if config.architecture not in MTP_CLASSES:
        raise ModelError(
            f"{FLAG}: the MTP layers of {config.architecture} are not counted here",
            f"leave method mtp out; it is counted for {', '.join(sorted(MTP_CLASSES))}",
        )
    if count == 0:
        raise ModelError(
            f"{FLAG}: {config.name} has no MTP layers (num_nextn_predict_layers)",
            "use a checkpoint that has them, or another method",
        )
    last = config.num_hidden_layers - 1
    place = Place(layers=tuple(range(last + 1, last + 1 + count)))
    hidden = config.hidden_size
    projection = MTP_CLASSES[config.architecture]
    split = projection == SPLIT_PROJECTION
    name = f"mtp.{projection}" if split else f"model.layers.*.{projection}"
    modules: list[Module] = [
        replace(module, place=place)
        for module in config.modules
        if last in module.place.layers and not module.place.shared and not isinstance(module, Buffer)
    ]
    once = Place(first=True) if split else place
    modules += [
        Weight("mtp.enorm.weight", once, (hidden,)),
        Weight("mtp.hnorm.weight", once, (hidden,)),
        Weight("mtp.norm.weight", once, (hidden,)),
        Linear(
            name,
            once,
            2 * hidden,
            (Part(hidden, hidden),),
            "column" if split else "replicated",
            checkpoint_names=(name,),
            quantizable=split,
        ),
    ]
    return replace(
        config,
        modules=tuple(modules),
        num_hidden_layers=config.num_hidden_layers + count,
        kv_layers=(config.kv_layers[last],) * count,
        draft=None,
    )


def draft_settings(settings: ResolvedSettings, draft: ModelConfig) -> ResolvedSettings:
    """The settings with which the draft is built: one stage, its own types."""
    asked = settings.speculative_config
    if asked is None:
        raise ValueError("there is a draft without speculation")
    own = asked.quantization
    if own is None and draft.quantization is not None:
        own = draft.quantization.method
    return replace(
        settings,
        pipeline_parallel_size=1,
        quantization=settings.quantization if asked.method == "mtp" else own,
        kv_cache_dtype=asked.kv_cache_dtype or settings.kv_cache_dtype,
        enable_expert_parallel=settings.enable_expert_parallel and draft.shape.routed is not None,
    )


def weights_bytes(
    config: ModelConfig, settings: ResolvedSettings, pipeline_stage: int, *, loaded: bool = True
) -> int:
    """Bytes of the draft's weights on a GPU of a stage; all of it is on the last one.

    `loaded` as in weights.rank_tensors.
    """
    from valuegen import weights  # noqa: PLC0415  (only a draft needs it here)

    draft = config.draft
    if draft is None or settings.speculative_config is None:
        return 0
    if pipeline_stage != settings.pipeline_parallel_size - 1:
        return 0
    mine = draft_settings(settings, draft)
    tables = set()
    if settings.speculative_config.method == "draft_model":
        tables = {module.shape for module in config.modules if isinstance(module, Buffer)}
    # A rotary table of the same sizes is one object (layers/rotary_embedding/__init__.py, get_rope).
    alone = replace(draft, modules=tuple(each for each in draft.modules if not _is_table_of(each, tables)))
    count = weights.loaded_weights_bytes if loaded else weights.rank_weights_bytes
    held = count(alone, mine, 0)
    if settings.speculative_config.method in EAGLE:
        held += _longer_table(draft, settings)
    if settings.pipeline_parallel_size > 1 and not config.tie_word_embeddings:
        # The embedding of the model stands on the last stage too (models/utils.py,
        # spec_decode_needs_target_embed).
        rows = next(each for each in config.modules if isinstance(each, Embedding))
        alone = replace(config, modules=(replace(rows, place=Place(first=True)),), draft=None)
        held += weights.loaded_weights_bytes(alone, replace(settings, pipeline_parallel_size=1), 0)
    return held


def _longer_table(draft: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes by which a head's rotary table grows to the model's length (_rope_only_sizes_cache)."""
    rows = max(0, settings.max_model_len - draft.max_position_embeddings)
    return DTYPE_BYTES[settings.dtype] * rows * draft.head_dim


def _is_table_of(module: Module, tables: set[tuple[int, ...]]) -> bool:
    return isinstance(module, Buffer) and len(module.shape) > 1 and module.shape in tables


def buffer_bytes(config: ModelConfig, settings: ResolvedSettings) -> int:
    """Bytes that drafting holds while a pass runs, beside weights and cache."""
    asked, draft = settings.speculative_config, config.draft
    if asked is None:
        return 0
    if asked.method in ("ngram", "ngram_gpu"):
        return NGRAM_ENTRY * settings.max_num_seqs * ceil_div(settings.max_model_len, NGRAM_BLOCK)
    if draft is None:
        return 0
    held = 0
    element = DTYPE_BYTES[settings.dtype]
    tokens = settings.max_num_batched_tokens
    if asked.method != "draft_model":
        held += element * tokens * draft.hidden_size
    if asked.method == "eagle3":
        held += element * tokens * AUX_STATES * config.hidden_size
    if asked.draft_sample_method == "probabilistic":
        held += element * settings.max_num_seqs * asked.tokens * draft.vocab_size
    return held


def lookahead(settings: ResolvedSettings) -> int:
    """KV slots past a request's own tokens that the draft writes."""
    asked = settings.speculative_config
    return asked.tokens if asked is not None and asked.method not in WITHOUT_DRAFT else 0


def longest(config: ModelConfig, settings: ResolvedSettings) -> int:
    """The max_model_len that vLLM lowers the one asked for to: an independent draft's own."""
    asked, draft = settings.speculative_config, config.draft
    if asked is None or draft is None or asked.method != "draft_model":
        return settings.max_model_len
    return min(settings.max_model_len, asked.max_model_len or draft.max_model_len)


def refusals(config: ModelConfig, settings: ResolvedSettings) -> Iterator[Reason]:
    """What vLLM refuses of speculative decoding."""
    asked, draft = settings.speculative_config, config.draft
    if asked is None:
        return
    tokens, batch = asked.tokens, settings.max_num_batched_tokens
    if batch <= lookahead(settings):
        yield Reason(
            "speculation-batch",
            f"--max-num-batched-tokens {batch} is not more than the {lookahead(settings)} tokens that are drafted",
            f"raise --max-num-batched-tokens above {lookahead(settings)}",
        )
    needed = settings.max_num_seqs * (tokens + 1)
    if settings.enable_lora and batch < needed:
        yield Reason(
            "speculation-lora",
            f"--enable-lora with {tokens} drafted tokens needs --max-num-batched-tokens of --max-num-seqs "
            f"{settings.max_num_seqs} times {tokens + 1}; it is {batch}",
            f"use --max-num-batched-tokens {needed}, or lower --max-num-seqs",
        )
    size = asked.draft_tensor_parallel_size
    if size not in (None, 1, settings.tensor_parallel_size):
        yield Reason(
            "draft-tensor-parallel",
            f"{FLAG}: draft_tensor_parallel_size {size} is neither 1 nor --tensor-parallel-size "
            f"{settings.tensor_parallel_size}",
            "leave it out",
        )
    if draft is None:
        return
    if asked.method == "mtp" and tokens > config.predict_layers and tokens % config.predict_layers:
        yield Reason(
            "mtp-tokens",
            f"{FLAG}: num_speculative_tokens {tokens} is no multiple of the {config.predict_layers} MTP layers",
            f"use {config.predict_layers}",
        )
    if asked.method == "draft_model" and draft.vocab_size != config.vocab_size and not _mixes(asked):
        yield Reason(
            "draft-vocabulary",
            f"{FLAG}: {draft.name} has a vocabulary of {draft.vocab_size}, {config.name} one of {config.vocab_size}",
            "use a draft of the same family",
        )
    if asked.method in ("draft_model", "eagle") and settings.pipeline_parallel_size > 1:
        yield Reason(
            "draft-pipeline",
            f"{FLAG}: method {asked.method} does not run with --pipeline-parallel-size "
            f"{settings.pipeline_parallel_size}: the draft would be split too",
            "use --pipeline-parallel-size 1 and a larger --tensor-parallel-size",
        )


def _mixes(asked: Speculation) -> bool:
    return json.loads(asked.text).get("use_heterogeneous_vocab") is True
