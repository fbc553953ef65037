"""Every figure equals the one that vLLM 0.33.0's own code computes."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from valuegen import kvcache, parallel, split, weights
from valuegen.config import ModelConfig
from valuegen.engine import EngineSettings, ResolvedSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 1024**3
AVAILABLE = tuple(gib * GIB for gib in (5, 20, 60))
MODELS = sorted((Path(__file__).parent / "golden" / "models").glob("*.json"))
H100: dict[str, Any] = {
    "gpu_memory_bytes": 85_029_158_912,  # 79.19 GiB
    "gpu_name": "NVIDIA H100 80GB HBM3",
    "compute_capability": (9, 0),
}
USUAL_LENGTH = 8192


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_figures_equal_those_of_vllm(path: Path, record_property: Callable[[str, object], None]) -> None:
    golden = json.loads(path.read_text())
    config = ModelConfig.from_dict(
        golden["config"], name=path.stem, hf_quant_config=golden["hf_quant_config"]
    )
    counts = Counter(models=1)
    excluded: Counter[str] = Counter()
    if golden["max_model_len"] is not None:  # vLLM got as far as deriving it
        assert config.max_model_len == golden["max_model_len"]
        counts["figures"] += 1
    for case in golden["cases"]:
        settings = resolved(config, case["settings"])
        reasons = parallel.refusals(config, settings)
        counts["cases"] += 1
        if "refused" in case:
            assert reasons, f"{case['name']}: vLLM refuses it: {case['refused']}"
            assert all(reason.code and reason.message and reason.fix for reason in reasons)
            counts["refused"] += 1
            if case["refused"].startswith("built"):
                excluded["case that vLLM builds though a checkpoint could not load; refused here"] += 1
            continue
        assert not reasons, f"{case['name']}: vLLM accepts it"
        assert settings.max_in_flight_tokens == case["in_flight"], case["name"]
        counts["figures"] += 1
        if golden["ungraded"]:
            excluded[f"weights of {path.stem} ({golden['ungraded']})"] += 1
        else:
            assert weights.rank_weights_bytes(config, settings, case["pipeline_stage"]) == case["weights"], (
                case["name"]
            )
            counts["figures"] += 1
        for row in case["kv"]:
            counts["figures"] += compare_kv_cache(config, settings, case, row)
    record_property("golden", {"counts": dict(counts), "excluded": dict(excluded)})


def resolved(config: ModelConfig, settings: dict[str, Any]) -> ResolvedSettings:
    length = min(USUAL_LENGTH, config.max_model_len)
    return resolve(config, EngineSettings(max_model_len=length, **settings), **H100)


def compare_kv_cache(
    config: ModelConfig, settings: ResolvedSettings, case: dict[str, Any], row: list[Any]
) -> int:
    """Assert one max_model_len; returns how many figures were compared."""
    length, bytes_per_block, blocks_per_request, groups, capacities = row
    groups = [[count, layers, block_bytes(page, layers), blocks] for count, layers, page, blocks in groups]
    settings = dataclasses.replace(settings, max_model_len=length)
    stages = split.pipeline_layers(config.num_hidden_layers, settings.pipeline_parallel_size)
    stage = stages[case["pipeline_stage"]]
    alone = kvcache.layout_of_layers([config.kv_layers[layer] for layer in stage], settings)
    layout = kvcache.KvCacheLayout(length, settings.block_size, (alone,))
    where = f"{case['name']}, {length} tokens"
    assert layout.bytes_per_block == bytes_per_block, where
    assert layout.blocks_per_request == blocks_per_request, where
    assert layout.bytes_per_request == bytes_per_block * blocks_per_request, where
    assert counted_groups(layout) == groups, where
    if len(set(config.kv_layers)) == 1:  # one kind of layer: a stage alone is the stage of the whole
        whole = kvcache.layout(config, settings)
        assert whole.stages[case["pipeline_stage"]] == alone, where
    compared = 4
    for available, expected in zip(AVAILABLE, capacities, strict=True):
        compared += compare_capacity(layout, available, expected, where)
        if expected[2] is None and settings.pipeline_parallel_size == 1:
            longest = kvcache.largest_max_model_len(config, settings, [available])
            assert longest == expected[3], where
            compared += 1
    return compared


def compare_capacity(layout: kvcache.KvCacheLayout, available: int, expected: list[Any], where: str) -> int:
    capacity = kvcache.capacity(layout, [available])
    num_blocks, concurrency, tokens = expected[:3]
    assert capacity.num_blocks == num_blocks, where
    assert capacity.max_concurrency == concurrency, where  # the same float, not a close one
    assert capacity.fits == (tokens is not None), where
    assert capacity.fits == (available >= capacity.min_available_bytes[0]), where
    if tokens is None:
        return 3
    assert capacity.tokens == tokens, where
    return 4


def counted_groups(layout: kvcache.KvCacheLayout) -> list[list[int]]:
    """Equal neighbours counted: [how many, layers, block_bytes, blocks_per_request]."""
    keys = [(group.layers, group.block_bytes, group.blocks_per_request) for group in layout.groups]
    return [[len(list(same)), *key] for key, same in groupby(keys)]


def block_bytes(page_bytes: int | list[int], layers: int) -> int:
    """Bytes of a group's block: the page of each layer, or, in a list, of all layers together."""
    return page_bytes[0] if isinstance(page_bytes, list) else page_bytes * layers
