"""LoRA buffers, drafts and the KV cache with them equal what vLLM 0.33.0's own code computes."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from valuegen import drafts, kvcache, lora, offload, parallel, speculation, weights
from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from valuegen.engine import ResolvedSettings

GOLDEN = Path(__file__).parent / "golden"
FIGURES = json.loads((GOLDEN / "features.json").read_text())
GIB = 1024**3
H100: dict[str, Any] = {
    "gpu_memory_bytes": 85_029_158_912,  # 79.19 GiB
    "gpu_name": "NVIDIA H100 80GB HBM3",
    "compute_capability": (9, 0),
}
USUAL_LENGTH = 8192


def golden_config(name: str) -> ModelConfig:
    golden = json.loads((GOLDEN / "models" / f"{name}.json").read_text())
    return ModelConfig.from_dict(golden["config"], name=name, hf_quant_config=golden["hf_quant_config"])


def golden_draft(name: str, method: str) -> ModelConfig:
    if name not in FIGURES["heads"]:
        return golden_config(name)
    raw = FIGURES["heads"][name]
    prefix = {"eagle": "Eagle", "eagle3": "Eagle3"}.get(method, "")
    names = [each if "Eagle" in each else prefix + each for each in raw["architectures"]]
    return ModelConfig.from_dict({**raw, "architectures": names}, name=name)


def settings_of(config: ModelConfig, case: str, **features: Any) -> ResolvedSettings:
    sizes: dict[str, Any] = {
        "tensor_parallel_size": int(case[2]),
        "pipeline_parallel_size": 2 if "_pp2" in case else 1,
        "enable_expert_parallel": case.endswith("_ep"),
    }
    asked = EngineSettings(
        max_model_len=min(USUAL_LENGTH, config.max_model_len),
        max_num_batched_tokens=8192,
        max_num_seqs=1024,
        **sizes,
        **features,
    )
    return resolve(config, asked, **H100)


def stage_of(case: str) -> int:
    return int(case[-1]) if "_pp2" in case else 0


@pytest.mark.parametrize("name", sorted({row[0] for row in FIGURES["lora"]}))
def test_adapter_buffers_equal_those_of_vllm(name: str) -> None:
    config = golden_config(name)
    for _, case, expected in (row for row in FIGURES["lora"] if row[0] == name):
        settings = settings_of(
            config,
            case,
            enable_lora=True,
            max_loras=4,
            max_lora_rank=32,
            fully_sharded_loras=case.endswith("_fs"),
        )
        reasons = parallel.refusals(config, settings)
        if isinstance(expected, str):
            assert reasons, f"{case}: vLLM refuses it: {expected}"
        else:
            assert not reasons, case
            assert lora.rank_bytes(config, settings, stage_of(case)) == expected, case


@pytest.mark.parametrize(
    "row",
    FIGURES["drafts"],
    ids=lambda row: (
        f"{row[0]}-{row[1]['num_speculative_tokens']}-{row[1].get('model', row[1].get('method'))}-{row[2]}"
    ),
)
def test_drafts_equal_those_of_vllm(row: list[Any], record_property: Callable[[str, object], None]) -> None:
    name, given, case, expected, *rest = row
    asked = speculation.from_dict(given)
    config = golden_config(name)
    if asked.model in FIGURES["heads"] or asked.method == "draft_model":
        config = dataclasses.replace(config, draft=golden_draft(asked.model or "", asked.method))
    elif asked.method == "mtp":
        config = dataclasses.replace(config, draft=drafts.predictor(config))
    settings = settings_of(config, case, speculative_config=asked)
    reasons = parallel.refusals(config, settings)
    if isinstance(expected, str):
        assert reasons, f"vLLM refuses it: {expected}"
        return
    length, kv = rest
    if reasons:
        assert [reason.code for reason in reasons] == ["draft-pipeline"]  # built, but it could not run
        return
    if config.max_model_len >= USUAL_LENGTH:
        assert settings.max_model_len == length
    counts = Counter(figures=1)
    stage = stage_of(case)
    if settings.pipeline_parallel_size == 1:
        held = drafts.weights_bytes(config, settings, stage, loaded=False) - own_head(config, settings)
        assert held == expected
    for tokens, bytes_per_block, blocks_per_request, groups, _ in kv:
        if settings.pipeline_parallel_size > 1:
            continue  # vLLM's figure is that of a stage taken alone
        layout = kvcache.layout(config, dataclasses.replace(settings, max_model_len=tokens))
        assert layout.bytes_per_block == bytes_per_block, tokens
        assert layout.blocks_per_request == blocks_per_request, tokens
        keys = [(each.layers, each.block_bytes, each.blocks_per_request) for each in layout.groups]
        found = [[len(list(same)), *key] for key, same in groupby(keys)]
        wanted = [
            [n, layers, page[0] if isinstance(page, list) else page * layers, b]
            for n, layers, page, b in groups
        ]
        assert found == wanted, tokens
        counts["figures"] += 3
    record_property("golden", {"counts": dict(counts), "excluded": {}})


@pytest.mark.parametrize("row", FIGURES["offload"], ids=lambda row: f"{row[0]}-tp{row[1]}")
def test_offloaded_parameters_equal_those_of_vllm(row: list[Any]) -> None:
    name, tensor, asked, moved = row
    config = golden_config(name)
    settings = settings_of(config, f"tp{tensor}", cpu_offload_gb=asked)
    found = offload.offloaded(config, settings, 0).saved
    if config.is_latent:  # its parameters are created in another order: the last one moved differs
        largest = max(each.bytes for each in weights.layer_tensors(config, settings, 0))
        assert abs(found - moved) < largest
    else:
        assert found == moved


def own_head(config: ModelConfig, settings: ResolvedSettings) -> int:
    """vLLM's run loaded no weights, so a head of the draft's own counted as the model's."""
    if config.draft is None:
        return 0
    own = [
        each
        for each in config.draft.modules
        if settings.speculative_config is not None
        and settings.speculative_config.method == "eagle3"
        and each.name in ("lm_head", "model.embed_tokens")
    ]
    draft = dataclasses.replace(config.draft, modules=tuple(own), max_position_embeddings=10**6)
    return drafts.weights_bytes(dataclasses.replace(config, draft=draft), settings, 0, loaded=False)
