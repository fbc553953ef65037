"""The words in which an architecture file describes a model: modules, places, KV layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from valuegen.architectures.rope import Rope
    from valuegen.keys import Keys

MODEL_DTYPE = "model"  # the engine's --dtype, known only when settings are resolved

Split = Literal["column", "row", "replicated"]
HeaderSplit = Literal["all", "kv-heads", "whole"]
HeaderKind = Literal["engine", "float", "stored"]


@dataclass(frozen=True)
class Place:
    """Which pipeline stages hold a module, and how often."""

    layers: tuple[int, ...] = ()  # one copy for each of these decoder layers
    first: bool = False  # one copy on the first stage
    last: bool = False  # one copy on the last stage
    shared: bool = False  # the layers of a stage share one copy
    copies: int = 1  # per place, for the equal layers of a vision tower

    def count(self, stage: range, *, first: bool, last: bool) -> int:
        """Copies on a stage that runs the decoder layers of `stage`."""
        here = sum(1 for layer in self.layers if layer in stage)
        if self.shared:
            here = min(here, 1)
        if (self.first and first) or (self.last and last):
            here += 1
        return here * self.copies


@dataclass(frozen=True)
class Part:
    """One of the matrices merged into a linear layer, for example k of qkv.

    `units` are what tensor parallelism divides, such as heads. With fewer units than GPUs, several
    GPUs hold the same one where `replicable` (key/value heads); else vLLM refuses.
    """

    width: int
    units: int
    replicable: bool = False


@dataclass(frozen=True)
class Linear:
    """A matrix of `inputs` x sum of `parts`; the one kind of module that a method quantizes."""

    name: str  # vLLM's name; `*` stands for the layer
    place: Place
    inputs: int
    parts: tuple[Part, ...]
    split: Split
    bias: bool = False
    checkpoint_names: tuple[str, ...] = ()  # the same matrices in the checkpoint, `*` as in `name`
    quantizable: bool = True

    @property
    def outputs(self) -> int:
        """Width of all parts before splitting."""
        return sum(part.width for part in self.parts)


@dataclass(frozen=True)
class Embedding:
    """A table of `vocab` rows, padded and split by rows (input embedding, language model head)."""

    name: str
    place: Place
    vocab: int
    width: int


@dataclass(frozen=True)
class Weight:
    """A parameter that every GPU holds whole, such as a norm."""

    name: str
    place: Place
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Buffer:
    """GPU memory that is computed, not loaded, such as a rotary embedding's table."""

    name: str
    place: Place
    shape: tuple[int, ...]
    dtype: str = MODEL_DTYPE


@dataclass(frozen=True)
class Attention:
    """vLLM's attention layer: scales of the KV cache, some of them the quantization method's."""

    name: str
    place: Place


@dataclass(frozen=True)
class HeaderTensor:
    """A tensor as a checkpoint's header states it, of an architecture that has no file here.

    `split`: over all GPUs, over at most as many as there are key/value heads, or not at all.
    `kind`: of the checkpoint's own type, so that the engine's applies; another float, which counts as
    the larger of the two; or what is stored as it is.
    """

    name: str
    place: Place
    elements: int
    bits: int  # of an element on disk
    split: HeaderSplit
    kind: HeaderKind


Module = Linear | Embedding | Weight | Buffer | Attention | HeaderTensor


@dataclass(frozen=True)
class KvLayer:
    """The KV cache of one decoder layer, before splitting."""

    type: Literal["full", "sliding-window"]
    kv_heads: int
    head_size: int
    window: int | None = None  # tokens


@dataclass(frozen=True)
class Architecture:
    """What an architecture file reads from config.json. `kv_layers` has one entry per decoder layer."""

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    modules: tuple[Module, ...]
    kv_layers: tuple[KvLayer, ...]
    max_position_embeddings: int
    rope: Rope  # as far as it lengthens the context
    supports_float16: bool = True


def text_keys(root: Keys) -> Keys:
    """The language model's part of config.json: `text_config` where it is nested."""
    return root.section("text_config") if root.has("text_config") else root
