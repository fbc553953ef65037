"""DeepSeek-V2, V3, V3.1, R1, V3.2, Kimi-K2 and GLM-5: latent attention, experts, sparse attention.

Source: vLLM 0.33.0 model_executor/models/deepseek_v2.py, models/deepseek_v32/nvidia/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.architectures import dense, mla, moe, rope

if TYPE_CHECKING:
    from valuegen.architectures.base import Architecture, Buffer, LatentKv, Module
    from valuegen.keys import Keys


def read(keys: Keys, architecture: str) -> Architecture:
    """Describe a text-only model of this family; V3.2 and GLM-5 are those with an indexer."""
    return language_model(keys, scales="" if architecture in SPARSE else "mla_attn.mla_attn")


SPARSE = ("DeepseekV32ForCausalLM", "GlmMoeDsaForCausalLM")


def language_model(
    keys: Keys, *, scales: str = "mla_attn.mla_attn", prefix: str = "", extra: tuple[Module, ...] = ()
) -> Architecture:
    """The decoder, also as the language model of a multimodal one."""
    heads = keys.positive("num_attention_heads")
    m = mla.read(keys, heads)
    s = dense.sizes(keys.without("num_key_value_heads", "head_dim"), num_key_value_heads=1, head_dim=m.width)
    max_position = keys.positive("max_position_embeddings", 8192)
    rotary = rope.read(keys, max_position)
    options = dense.Options(prefix=prefix)
    layers = range(s.layers)
    attention = mla.attention(m, s.hidden, layers, prefix=prefix, scales=scales)
    tables: tuple[Buffer, ...] = (
        mla.rotary_table(m, rotary, layers, max_position=max_position, prefix=prefix),
    )
    latent = mla.cache(m, sparse=keys.has("index_topk"))
    caches: tuple[tuple[LatentKv, ...], ...] = ((latent,),) * s.layers
    if keys.has("index_topk"):
        index = mla.Indexer(keys.positive("index_n_heads"), keys.positive("index_head_dim"))
        scoring = _scoring_layers(keys, s.layers)
        attention += mla.indexer(m, index, s.hidden, scoring, prefix=prefix)
        indexed = mla.index_cache(index), latent
        caches = tuple(indexed if layer in scoring else (latent,) for layer in layers)
        if not keys.flag("indexer_rope_interleave", default=False):  # else they share one table
            tables += (
                mla.rotary_table(
                    m, rotary, scoring, max_position=max_position, prefix=prefix, name="indexer_rope_emb"
                ),
            )
    return dense.decoder(
        s,
        tie=keys.flag("tie_word_embeddings", default=False),
        max_position=max_position,
        rope=rotary,
        tables=tables,
        kv_layers=caches,
        options=options,
        attention_blocks=attention,
        feed_forward=moe.mixed(s, block(keys), _sparse_layers(keys, s.layers), options=options),
        extra=extra,
    )


def block(keys: Keys) -> moe.Block:
    """The experts."""
    width = keys.positive("moe_intermediate_size")
    bias = keys.text("topk_method", "greedy") == "noaux_tc"
    return moe.Block(
        experts=keys.positive("n_routed_experts"),
        width=width,
        routing_bias="gate.e_score_correction_bias" if bias else None,
        shared_width=width * keys.count("n_shared_experts", 0),
        shared_sequence_parallel=True,
    )


def _sparse_layers(keys: Keys, layers: int) -> tuple[bool, ...]:
    first, step = keys.count("first_k_dense_replace", 0), keys.positive("moe_layer_freq", 1)
    return tuple(layer >= first and layer % step == 0 for layer in range(layers))


def _scoring_layers(keys: Keys, layers: int) -> list[int]:
    """The layers with an indexer of their own; others use the choice of the one before."""
    if keys.has("index_topk_pattern"):
        pattern = keys.text("index_topk_pattern")
        return [layer for layer in range(layers) if pattern[layer : layer + 1] != "S"]
    step, offset = keys.positive("index_topk_freq", 1), keys.count("index_skip_topk_offset", 2)
    return [layer for layer in range(layers) if max(layer - offset + 1, 0) % step == 0]
