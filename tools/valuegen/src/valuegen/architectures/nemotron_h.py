"""Nemotron-H and Nemotron 3: layers of Mamba 2, attention, an MLP or experts, as a pattern says.

Source: vLLM 0.33.0 model_executor/models/nemotron_h.py; the state's type: models/config.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import blocks, dense, mamba2, moe
from valuegen.architectures.base import Attention, Linear, Part, Place
from valuegen.architectures.rope import Rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, KvLayer, Module, StateKv
    from valuegen.keys import Keys

MAMBA, MLP, ATTENTION, EXPERTS = "M-*E"
LETTERS = {"mamba": MAMBA, "mlp": MLP, "attention": ATTENTION, "moe": EXPERTS}
MIXER = "model.layers.*.mixer."
PROJECTIONS = ("up_proj", "down_proj")


def read(keys: Keys, architecture: str) -> Architecture:  # noqa: ARG001 - one signature for every family
    """Describe a hybrid model of this family."""
    pattern = _pattern(keys)
    s = _sizes(keys, len(pattern))
    layers = {kind: tuple(i for i, letter in enumerate(pattern) if letter == kind) for kind in set(pattern)}
    bias = keys.flag("mlp_bias", default=False)
    options = dense.Options(norms=("norm",), every_stage=True)
    mixer = mamba2.Mixer(
        heads=keys.positive("mamba_num_heads", 128),
        head_dim=keys.positive("mamba_head_dim", 64),
        groups=keys.positive("n_groups", 8),
        state=keys.positive("ssm_state_size", 128),
        conv=keys.positive("conv_kernel", 4),
        conv_bias=keys.flag("use_conv_bias", default=True),
        bias=keys.flag("use_bias", default=False),
        state_dtype=keys.text("mamba_ssm_cache_dtype", "float32"),
    )
    mixers: list[Module] = []
    if MAMBA in layers:
        mixers += mixer.modules(MIXER, s.hidden, layers[MAMBA])
    if ATTENTION in layers:
        mixers += _attention(s, layers[ATTENTION])
    feed_forward: list[Module] = []
    if MLP in layers:
        feed_forward += _mlp(MIXER, s.hidden, s.intermediate, layers[MLP], bias=bias)
    if EXPERTS in layers:
        feed_forward += _experts(keys, s, layers[EXPERTS], options)
    caches: dict[str, KvLayer | StateKv | None] = {
        MAMBA: mixer.cache,
        ATTENTION: dense.full_attention(s)[0],
        MLP: None,
        EXPERTS: None,
    }
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=keys.positive("max_position_embeddings", 4096),
        rope=Rope(),
        tables=(),
        kv_layers=tuple(caches[letter] for letter in pattern),
        options=options,
        attention_blocks=tuple(mixers),
        feed_forward=tuple(feed_forward),
    )


def _pattern(keys: Keys) -> str:
    """A letter per layer; newer configs spell the layers out."""
    if keys.has("layers_block_type"):
        blocks_of_layers = keys.strings("layers_block_type")
        for name in blocks_of_layers:
            keys.one_of("layers_block_type", name, tuple(LETTERS))
        return "".join(LETTERS[name] for name in blocks_of_layers)
    pattern = keys.text("hybrid_override_pattern")
    if set(pattern) - set(LETTERS.values()) or not pattern:
        raise keys.fail("hybrid_override_pattern", f"is {pattern!r}; its letters must be M, -, * and E")
    return pattern


def _sizes(keys: Keys, layers: int) -> dense.Sizes:
    heads = keys.positive("num_attention_heads", 32)
    widths = keys.integers("intermediate_size") if isinstance(keys.raw("intermediate_size"), list) else ()
    if len(set(widths)) > 1:
        raise keys.fail("intermediate_size", "differs between layers, which is not supported here")
    return dense.Sizes(
        hidden=keys.positive("hidden_size", 4096),
        intermediate=widths[0] if widths else keys.positive("intermediate_size", 21504),
        layers=layers,
        heads=heads,
        kv_heads=keys.positive("num_key_value_heads", 8),
        head_dim=keys.positive("head_dim", keys.positive("attention_head_dim", 128)),
        vocab=keys.positive("vocab_size", 131072),
    )


def _attention(s: dense.Sizes, layers: tuple[int, ...]) -> tuple[Module, ...]:
    place = Place(layers=layers)
    return (
        blocks.qkv(
            f"{MIXER}qkv_proj",
            place,
            s.hidden,
            heads=s.heads,
            head_dim=s.head_dim,
            kv_heads=s.kv_heads,
            stored_as=blocks.beside(f"{MIXER}qkv_proj", "q_proj", "k_proj", "v_proj"),
        ),
        Linear(
            f"{MIXER}o_proj",
            place,
            s.heads * s.head_dim,
            (Part(s.hidden, s.hidden),),
            "row",
            checkpoint_names=(f"{MIXER}o_proj",),
        ),
        Attention(f"{MIXER}attn", place),
    )


def _mlp(
    name: str,
    hidden: int,
    width: int,
    layers: tuple[int, ...],
    *,
    bias: bool,
    sequence_parallel: bool = False,
) -> tuple[Module, ...]:
    """An MLP without a gate."""
    place = Place(layers=layers)
    up, down = f"{name}up_proj", f"{name}down_proj"
    return (
        Linear(
            up,
            place,
            hidden,
            (Part(width, width),),
            "column",
            bias=bias,
            checkpoint_names=(up,),
            sequence_parallel=sequence_parallel,
        ),
        Linear(
            down,
            place,
            width,
            (Part(hidden, hidden),),
            "row",
            bias=bias,
            checkpoint_names=(down,),
            sequence_parallel=sequence_parallel,
        ),
    )


def _experts(
    keys: Keys, s: dense.Sizes, layers: tuple[int, ...], options: dense.Options
) -> tuple[Module, ...]:
    latent = keys.positive("moe_latent_size") if keys.has("moe_latent_size") else None
    block = moe.Block(
        experts=keys.positive("n_routed_experts"),
        width=keys.positive("moe_intermediate_size"),
        module="mixer",
        routing_bias="gate.e_score_correction_bias",
        gated=False,
        inputs=latent,
        projections=PROJECTIONS,
    )
    found = list(moe.modules(s, block, layers, options=options))
    shared = keys.count("n_shared_experts", 0)
    if shared:
        width = shared * keys.positive("moe_shared_expert_intermediate_size")
        found += _mlp(f"{MIXER}shared_experts.", s.hidden, width, layers, bias=False, sequence_parallel=True)
    if latent is not None:
        place, bias = Place(layers=layers), keys.flag("mlp_bias", default=False)
        for name, inputs, outputs in (("fc1", s.hidden, latent), ("fc2", latent, s.hidden)):
            full = f"{MIXER}{name}_latent_proj"
            found.append(
                blocks.linear(full, place, inputs, outputs, "replicated", bias=bias, stored_as=(full,))
            )
    return tuple(found)
