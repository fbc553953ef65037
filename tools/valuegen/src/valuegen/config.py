"""config.json -> ModelConfig, checked once, here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from valuegen import architectures, quantization_readers, shape
from valuegen.architectures.base import KvLayer, LatentKv, StateKv, text_keys
from valuegen.errors import ModelError
from valuegen.frozen import dataclass
from valuegen.keys import Keys

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, KvCache, Module
    from valuegen.checkpoint import Checkpoint
    from valuegen.quantization import Quantization
    from valuegen.shape import Shape

DTYPES = {"bfloat16": "bfloat16", "float16": "float16", "half": "float16", "float32": "float32"}
# Other names for the longest context (vLLM: transformers_utils/model_arch_config_convertor.py).
LENGTH_KEYS = ("n_positions", "max_seq_len", "seq_length", "max_sequence_length", "max_seq_length", "seq_len")


@dataclass(frozen=True, eq=False)  # compared by identity: every load is its own model
class ModelConfig:
    """A model as far as its memory goes."""

    name: str
    architecture: str  # architectures[0] of config.json
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    max_model_len: int  # tokens; vLLM's default when --max-model-len is unset
    max_model_len_limit: int  # tokens; the longest that vLLM accepts
    tie_word_embeddings: bool
    dtype: str  # of the checkpoint: bfloat16, float16 or float32
    supports_float16: bool
    cache_readers: tuple[tuple[int, int], ...]  # (layer without a cache, the layer whose it reads)
    supports_pipeline: bool
    is_pooling: bool
    quantization: Quantization | None
    modules: tuple[Module, ...]
    kv_layers: tuple[tuple[KvCache, ...], ...]  # the caches of each decoder layer
    shape: Shape  # of a pass
    predict_layers: int = 0  # that draft the next tokens (MTP)
    draft: ModelConfig | None = None  # what --speculative-config adds
    assumptions: tuple[str, ...] = ()  # of a model that was read from its checkpoint's headers alone

    @cached_property
    def caches(self) -> tuple[KvCache, ...]:
        """The caches of all layers."""
        return tuple(cache for layer in self.kv_layers for cache in layer)

    @cached_property
    def sliding_window(self) -> int | None:
        """Tokens that the local layers see; None when there are none."""
        windows = (cache.window for cache in self.caches if not isinstance(cache, StateKv))
        return next((window for window in windows if window is not None), None)

    @property
    def chunks_prompts(self) -> bool:
        """Whether vLLM may spread a prompt over steps; an encoder sees all of it at once."""
        encodes = any(isinstance(cache, KvLayer) and cache.type == "cross-attention" for cache in self.caches)
        return bool(self.caches) and not encodes

    @cached_property
    def has_states(self) -> bool:
        """Whether some layers are recurrent."""
        return any(isinstance(cache, StateKv) for cache in self.caches)

    @cached_property
    def is_latent(self) -> bool:
        """Whether attention is latent (MLA)."""
        return any(isinstance(cache, LatentKv) for cache in self.caches) and not any(
            isinstance(cache, KvLayer) for cache in self.caches
        )

    @cached_property
    def is_compressed(self) -> bool:
        """Whether a layer keeps several tokens as one, in DeepSeek-V4's own format."""
        return any(isinstance(cache, LatentKv) and cache.side_by_side for cache in self.caches)

    @cached_property
    def is_sparse(self) -> bool:
        """Whether sparse kernels read some layers' MLA cache."""
        return any(isinstance(cache, LatentKv) and cache.sparse for cache in self.caches)

    @cached_property
    def is_attention_free(self) -> bool:
        """Whether all layers are recurrent."""
        return self.has_states and all(isinstance(cache, StateKv) for cache in self.caches)

    @classmethod
    def from_dict(
        cls,
        raw: Mapping[str, Any],
        *,
        name: str,
        hf_quant_config: Mapping[str, Any] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> ModelConfig:
        """Read a parsed config.json; raises ModelError that names the key and the rule.

        With a `checkpoint`, an architecture that no file here describes is read from its tensors.
        """
        keys = _root(raw, name)
        architecture = _architecture(keys, name, known_only=checkpoint is None)
        modelopt = None
        if hf_quant_config is not None:
            modelopt = _root(hf_quant_config, name, "hf_quant_config.json")
        described, quantization, assumptions = _described(keys, architecture, modelopt, checkpoint)
        caches = tuple(_caches(layer) for layer in described.kv_layers)
        default_length, limit = _lengths(text_keys(keys), described)
        return cls(
            name=name,
            architecture=architecture,
            hidden_size=described.hidden_size,
            num_hidden_layers=len(described.kv_layers),
            num_attention_heads=described.num_attention_heads,
            num_key_value_heads=described.num_key_value_heads,
            head_dim=described.head_dim,
            intermediate_size=described.intermediate_size,
            vocab_size=described.vocab_size,
            max_position_embeddings=described.max_position_embeddings,
            max_model_len=default_length,
            max_model_len_limit=limit,
            tie_word_embeddings=described.tie_word_embeddings,
            dtype=_dtype(keys),
            supports_float16=described.supports_float16,
            cache_readers=described.cache_readers,
            supports_pipeline=described.supports_pipeline,
            is_pooling=described.is_pooling,
            quantization=quantization,
            modules=described.modules,
            kv_layers=caches,
            shape=shape.read(
                keys,
                architecture=architecture,
                vocab_size=described.vocab_size,
                hidden_size=described.hidden_size,
                intermediate_size=described.intermediate_size,
                layers=len(caches),
                recurrent=any(isinstance(cache, StateKv) for layer in caches for cache in layer),
            ),
            predict_layers=_predict_layers(text_keys(keys), architecture),
            assumptions=assumptions,
        )


def _described(
    keys: Keys, architecture: str, modelopt: Keys | None, checkpoint: Checkpoint | None
) -> tuple[Architecture, Quantization | None, tuple[str, ...]]:
    """The architecture by its own file, or by the checkpoint's headers and what they leave to assume."""
    if architecture in architectures.FAMILIES or checkpoint is None:
        described = architectures.reader(architecture)(keys, architecture)
        return described, quantization_readers.read(keys, modelopt), ()
    from valuegen.architectures import from_headers  # noqa: PLC0415  (like a family: when a model needs it)

    described, assumptions = from_headers.read(keys, checkpoint, _dtype(keys)), from_headers.ASSUMPTIONS
    try:
        return described, quantization_readers.read(keys, modelopt), assumptions
    except ModelError as unknown:
        # Its bytes are in the headers all the same.
        skipped = f"its quantization is taken as it is stored, unchecked: {unknown.message}"
        return described, None, (*assumptions, skipped)


def _root(raw: object, name: str, file: str = "config.json") -> Keys:
    if not isinstance(raw, Mapping):
        raise ModelError(
            f"{name}: {file} holds {type(raw).__name__}; it must be a JSON object",
            "use the model's original file",
        )
    return Keys(raw, model=name, file=file)


def _architecture(keys: Keys, name: str, *, known_only: bool) -> str:
    if not keys.has("architectures"):
        kind = keys.text("_class_name", "") or keys.text("model_type", "")
        hint = f" (it describes {kind!r})" if kind else ""
        raise ModelError(
            f"{name}: config.json key architectures is missing{hint}; a language model names its class there",
            "use the config.json of a model that vLLM serves; `valuegen models` lists some",
        )
    listed = keys.strings("architectures")
    if not listed or (known_only and listed[0] not in architectures.FAMILIES):
        asked = listed[0] if listed else "(empty list)"
        near = ", ".join(architectures.near(asked))
        raise ModelError(
            f"{name}: architecture {asked} is not supported; {len(architectures.FAMILIES)} others are",
            f"{f'near it are {near}; ' if near else ''}give a directory or Hub id with its safetensors files, "
            "or add it as docs/adding-an-architecture.md says",
        )
    return listed[0]


def _lengths(text: Keys, described: Architecture) -> tuple[int, int]:
    """(default, longest) max_model_len in tokens.

    Source: config/model.py (_get_and_verify_max_len).
    """
    lengths = [described.max_position_embeddings]
    lengths.extend(text.positive(key) for key in LENGTH_KEYS if text.has(key))
    limit = text.positive("model_max_length", min(lengths))
    limit = int(limit * described.rope.length_factor)
    if described.rope.type == "longrope":  # the long factors cost quality: not used unless asked for
        return text.positive("original_max_position_embeddings", limit), limit
    return limit, limit


def _predict_layers(text: Keys, architecture: str) -> int:
    """Source: config/speculative.py (hf_config_override), models/qwen3_next_mtp.py (the default of 1)."""
    for key in ("num_nextn_predict_layers", "mtp_num_hidden_layers"):
        if text.has(key):
            return text.count(key, 0)
    return 1 if architecture == "Qwen3NextForCausalLM" else 0


def _caches(layer: KvCache | tuple[KvCache, ...] | None) -> tuple[KvCache, ...]:
    if layer is None:
        return ()
    return layer if isinstance(layer, tuple) else (layer,)


def _dtype(keys: Keys) -> str:
    """The checkpoint's type: `dtype` (transformers 5), `torch_dtype`, at the root or in text_config."""
    sections = [keys]
    if keys.has("text_config"):
        sections.append(keys.section("text_config"))
    for section in sections:
        for key in ("dtype", "torch_dtype"):
            if section.has(key):
                value = section.text(key).removeprefix("torch.")
                section.one_of(key, value, tuple(DTYPES))
                return DTYPES[value]
    return "float32"
