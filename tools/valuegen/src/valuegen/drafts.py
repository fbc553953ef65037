"""The draft that joins a model, by its method: its weights, its settings, and what drafting holds in memory.

Source: vLLM 0.33.0 v1/worker/gpu/spec_decode/* (what is loaded, shared and allocated),
model_executor/models/*_mtp.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from valuegen.architectures.base import Buffer, Embedding, Linear, Part, Place, Weight
from valuegen.errors import ModelError
from valuegen.schemes import DTYPE_BYTES
from valuegen.speculation import EAGLE, FLAG, WITHOUT_DRAFT
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from valuegen.architectures.base import Module
    from valuegen.config import ModelConfig
    from valuegen.engine import ResolvedSettings
    from valuegen.model import Model
    from valuegen.speculation import Speculation

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
