"""Speculative decoding: what --speculative-config asks for, and what vLLM refuses of it; `drafts` is what it takes.

Source: vLLM 0.33.0 config/speculative.py, config/vllm.py (num_lookahead_tokens, _set_max_num_scheduled_tokens,
_limit_max_model_len_to_draft).
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from valuegen.errors import Reason, UsageError
from valuegen.frozen import dataclass
from valuegen.limits import any_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings

FLAG = "--speculative-config"
NOT_COUNTED = "is not counted here"
EAGLE = ("eagle", "eagle3")
WITH_MODEL = ("draft_model", *EAGLE)
WITHOUT_DRAFT = ("ngram", "ngram_gpu", "suffix")
COUNTED = (*WITH_MODEL, "mtp", *WITHOUT_DRAFT)
UNCOUNTED = ("custom_class", "dflash", "dspark", "extract_hidden_states")
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
