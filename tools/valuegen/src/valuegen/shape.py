"""What of a model decides the memory of one pass over a batch, read alike for every family.

Weights and KV cache depend on each layer; what a pass holds depends on its widest ones only, and
these have the same keys in every config.json.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from valuegen.architectures.base import text_keys
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from valuegen.keys import Keys

PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "top_k_experts")
EXPERT_WIDTH = ("moe_intermediate_size", "expert_hidden_size", "intermediate_size")
# The experts' kernels have buffers of their own (layers/fused_moe/experts/gpt_oss_triton_kernels_moe.py).
OWN_BUFFERS = "mxfp4"
# Whatever max_num_seqs is (model_executor/models/config.py, GptOssForCausalLMConfig).
GRAPH_SIZES_UP_TO = {"GptOssForCausalLM": 1024}
# Towers that take images of any size: what Qwen's processors allow, and start-up logs say.
ANY_SIZE_TOKENS = 16384
GEMMA3_TOKENS = 256  # mm_tokens_per_image of every Gemma 3


@dataclass(frozen=True)
class Routed:
    """The routed experts of a layer, as far as a batch needs buffers for them."""

    per_token: int
    width: int  # of one expert, before splitting


@dataclass(frozen=True)
class Latent:
    """Latent attention (MLA), whose cache is unfolded in pieces for a prompt's earlier tokens."""

    heads: int
    width: int  # of one head's key without rotary part and value


@dataclass(frozen=True)
class Encoder:
    """A vision tower: the largest image, and what its patches cost."""

    hidden_size: int
    intermediate_size: int
    patch_size: int  # pixels along a side
    patches_per_token: int  # merged into one embedding
    tokens_per_image: int


@dataclass(frozen=True)
class Shape:
    """The widths of a pass."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int  # the widest MLP, before splitting; 0 where experts take its place
    layers: int
    routed: Routed | None = None
    own_buffers: bool = False  # the experts' kernels keep what they need to themselves
    latent: Latent | None = None
    streams: int = 1  # hidden states side by side (hyper-connections)
    sparse: bool = False  # an indexer picks the tokens that attention sees
    encoder: Encoder | None = None
    computes_logits: bool = True  # embedding models pool instead
    graph_sizes_up_to: int | None = None  # where the model's class asks for more than its settings do
    recurrent: bool = False  # some layers keep a state instead of a cache


def read(
    keys: Keys,
    *,
    architecture: str,
    vocab_size: int,
    hidden_size: int,
    intermediate_size: int,
    layers: int,
    recurrent: bool = False,
) -> Shape:
    """Complete the widths that a family knows with what config.json says of experts and images."""
    text = text_keys(keys)
    per_token = _first(text, PER_TOKEN)
    return Shape(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=0 if per_token else intermediate_size,
        layers=layers,
        own_buffers=bool(per_token) and not _has_workspace(keys),
        routed=Routed(per_token, _first(text, EXPERT_WIDTH)) if per_token and _has_workspace(keys) else None,
        latent=_latent(text),
        streams=max(1, text.count("hc_mult", 1)),
        sparse=text.count("index_topk", 0) > 0,
        encoder=encoder(keys),
        graph_sizes_up_to=GRAPH_SIZES_UP_TO.get(architecture),
        recurrent=recurrent,
    )


def encoder(keys: Keys) -> Encoder | None:
    """The vision tower of `vision_config`; None where there is none or it states no patches."""
    tower = keys.section("vision_config") if keys.has("vision_config") else None
    if tower is None or not tower.has("patch_size"):
        return None
    hidden = _first(tower, ("embed_dim", "hidden_size"))
    if hidden == 0:
        return None
    patch = tower.positive("patch_size")
    merge, tokens = _image_tokens(keys, tower, patch)
    return Encoder(
        hidden_size=hidden,
        intermediate_size=_first(tower, ("intermediate_size",)) or 4 * hidden,
        patch_size=patch,
        patches_per_token=merge**2,
        tokens_per_image=tokens,
    )


def _image_tokens(keys: Keys, tower: Keys, patch: int) -> tuple[int, int]:
    """(patches along a side of what becomes one token, tokens of the largest image)."""
    if tower.has("default_output_length"):  # Gemma 4
        return tower.positive("pooling_kernel_size", 3), tower.positive("default_output_length")
    if not tower.has("image_size"):
        return tower.positive("spatial_merge_size", 2), ANY_SIZE_TOKENS
    side = tower.positive("image_size") // patch
    if tower.text("model_type", "").startswith("siglip") and keys.text("model_type", "") == "gemma3":
        tokens = keys.positive("mm_tokens_per_image", GEMMA3_TOKENS)
        return max(1, side // isqrt(tokens)), tokens
    merge = keys.positive("spatial_merge_size", tower.positive("spatial_merge_size", 1))
    return merge, max(1, side // merge) ** 2


def _latent(text: Keys) -> Latent | None:
    if not text.count("kv_lora_rank", 0):
        return None
    width = text.count("qk_nope_head_dim", 0) + text.count("v_head_dim", 0)
    return Latent(text.positive("num_attention_heads"), width)


def _has_workspace(keys: Keys) -> bool:
    if not keys.has("quantization_config"):
        return True
    return keys.section("quantization_config").text("quant_method", "") != OWN_BUFFERS


def _first(keys: Keys, names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := keys.count(name, 0))), 0)
