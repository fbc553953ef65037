"""The words in which an architecture file describes a model: modules, places, KV layers."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from valuegen.frozen import dataclass

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

    def __post_init__(self) -> None:
        """Sort the layers: `within` looks for the ends of a stage."""
        object.__setattr__(self, "layers", tuple(sorted(self.layers)))

    def within(self, stage: range) -> tuple[int, ...]:
        """Those of `layers` that a stage runs."""
        return self.layers[bisect_left(self.layers, stage.start) : bisect_left(self.layers, stage.stop)]

    def count(self, stage: range, *, first: bool, last: bool) -> int:
        """Copies on a stage that runs the decoder layers of `stage`."""
        here = len(self.within(stage))
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
    multiple: int = 1  # to which a GPU's share is rounded up


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
    dtype: str = MODEL_DTYPE  # of weight and bias; float32 for some routers
    inputs_multiple: int = 1  # to which a GPU's share of the inputs is rounded up
    plain_copy: bool = False  # where it is quantized, decoding keeps a copy that is not (MLA)
    whole_unless: int | None = None  # units: unless GPUs divide them, the layer is whole on every GPU
    sequence_parallel: bool = False  # whole on every GPU where the experts beside it run so (Ranks)

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
    bias: bool = False

    @property
    def is_head(self) -> bool:
        """Whether it is the language model head, which some methods quantize."""
        return self.name.endswith("lm_head")


@dataclass(frozen=True)
class Experts:
    """The routed experts of a layer: w13 of `inputs` x `matrices` * `width`, w2 back, one of each per expert.

    Without expert parallelism every GPU holds a slice of each expert's width; with it, whole experts.
    Router and shared experts are modules of their own; architectures/moe.py makes all of a layer.
    """

    name: str  # ends in `.experts`; `*` stands for the layer
    place: Place
    count: int  # in a layer
    inputs: int  # the hidden size, or the latent one that the experts see
    width: int  # of one expert, before splitting
    matrices: int = 2  # merged into w13: gate and up; 1 where nothing gates
    bias: bool = False
    projections: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")  # in the checkpoint
    checkpoint_name: str = ""  # as quantization configs name them, where that is not `name`
    one_per_gpu: bool = False  # the model's file refuses more tensor parallel GPUs than experts
    even_width: bool = False  # the model's file wants the GPUs of all stages to divide the width

    @property
    def known_as(self) -> str:
        """The name for lists of modules in a quantization config."""
        return self.checkpoint_name or self.name


@dataclass(frozen=True)
class Weight:
    """A parameter that no method quantizes, such as a norm; whole on every GPU unless `units` says."""

    name: str
    place: Place
    shape: tuple[int, ...]
    dtype: str = MODEL_DTYPE
    units: int | None = None  # what tensor parallelism divides along the first dimension, as in Part
    replicable: bool = False


@dataclass(frozen=True)
class Buffer:
    """GPU memory that is computed, not loaded, such as a rotary embedding's table."""

    name: str
    place: Place
    shape: tuple[int, ...]
    dtype: str = MODEL_DTYPE
    units: int | None = None  # as in Weight
    replicable: bool = False
    view: bool = False  # of a weight: listed by vLLM, but no memory of its own
    kernels: tuple[int, tuple[int, ...]] | None = None  # (units, shares): only where a GPU has such a share


@dataclass(frozen=True)
class Attention:
    """vLLM's attention layer: scales of the KV cache, some of them the quantization method's."""

    name: str
    place: Place
    latent: bool = False  # MLA, whose scales only ModelOpt stores


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


Module = Linear | Experts | Embedding | Weight | Buffer | Attention | HeaderTensor


@dataclass(frozen=True)
class KvLayer:
    """Keys and values of an attention layer, before splitting."""

    type: Literal["full", "sliding-window", "chunked-local", "cross-attention"]
    kv_heads: int
    head_size: int
    window: int | None = None  # tokens of the sliding window or of a chunk
    head_size_v: int | None = None  # of values, where it differs
    kernel_block: int | None = None  # tokens, where this layer's kernels need larger blocks than usual


@dataclass(frozen=True)
class LatentKv:
    """One vector per token, whole on every GPU: MLA, the index of sparse attention, compressed caches."""

    width: int  # elements
    type: Literal["mla", "sliding-window-mla"] = "mla"
    dtype: str | None = None  # None: the engine's --kv-cache-dtype
    bytes: int | None = None  # of one vector, where it is more than its elements
    window: int | None = None  # tokens
    sparse: bool = False  # read by sparse kernels, which have a format of their own for fp8
    tokens_per_vector: int = 1
    block_size: int | None = None  # tokens, where it is not the engine's
    kernel_block: int | None = None  # tokens, where this layer's kernels need larger blocks than usual
    alignment: int = 1  # bytes to which a block is rounded up
    side_by_side: bool = False  # kernels that want the layers of a block next to each other


@dataclass(frozen=True)
class StateKv:
    """The state of a recurrent layer (Mamba, gated delta net): of one size, whatever the context."""

    conv_rows: int  # the convolution's kernel - 1
    conv_width: int  # channels, split over GPUs
    units: int  # heads or channels of the recurrent state, split over GPUs
    unit_size: int  # elements
    dtype: str = MODEL_DTYPE  # of the recurrent state
    groups: int = 0  # of the convolution; those that do not divide are repeated on every GPU
    group_width: int = 0  # channels of a group
    checkpoint: int | None = None  # tokens between the states that a prefill can save; None: it cannot
    keeps_drafts: bool = True  # a row of the convolution more for each drafted token
    checkpoint_capability: int = 0  # of the GPU (major), from which on it can


KvCache = KvLayer | LatentKv | StateKv


@dataclass(frozen=True)
class Architecture:
    """What an architecture file reads from config.json.

    `kv_layers` has one entry per decoder layer: its cache, a tuple of several, or None.
    """

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    modules: tuple[Module, ...]
    kv_layers: tuple[KvCache | tuple[KvCache, ...] | None, ...]
    max_position_embeddings: int
    rope: Rope  # as far as it lengthens the context
    supports_float16: bool = True
    cache_readers: tuple[tuple[int, int], ...] = ()  # (layer without a cache, the layer whose it reads)
    supports_pipeline: bool = True
    is_pooling: bool = False  # an embedder or classifier: nothing is generated


def text_keys(root: Keys) -> Keys:
    """The language model's part of config.json: `text_config` where it is nested."""
    return root.section("text_config") if root.has("text_config") else root
