"""plan() finds what carries the load, cheapest first, and says why the rest does not."""

from __future__ import annotations

import pytest

from valuegen import EngineSettings, Gpu, GpuOffer, Model, UsageError, plan
from valuegen.catalog.gpus import planned_gpus, slices
from valuegen.nearest import nearest_miss


def test_candidates_are_ranked_by_cost_and_carry_the_load() -> None:
    made = plan(Model.load("Qwen3-8B"), concurrency=64)
    ranked = made.ranked
    assert len(ranked) > 10
    assert [candidate.rank for candidate in ranked] == list(range(1, len(ranked) + 1))
    assert [c.cost_per_hour for c in ranked] == sorted(c.cost_per_hour for c in ranked)
    for candidate in ranked:
        assert candidate.fit.fits
        assert candidate.replicas * candidate.requests_per_replica >= 64
        assert (candidate.replicas - 1) * candidate.requests_per_replica < 64
        assert candidate.gpus == candidate.replicas * candidate.fit.gpus
        assert candidate.cost_per_hour == pytest.approx(candidate.gpus * candidate.offer.gpu.usd_per_hour)
        # The promise holds at the safe end of the estimates.
        assert candidate.fit.capacity_range is not None
        assert candidate.requests_per_replica <= candidate.fit.capacity_range[0].max_concurrency


def test_every_gpu_that_clouds_rent_is_looked_at_and_every_rejection_has_a_reason() -> None:
    made = plan(Model.load("Llama-3.1-70B-Instruct"))
    assert {candidate.fit.gpu.name for candidate in made.candidates} == {gpu.name for gpu in planned_gpus()}
    assert made.rejected
    for candidate in made.rejected:
        assert candidate.rejected is not None
        assert candidate.rejected.message


def test_the_context_defaults_to_8192_or_the_models_own() -> None:
    assert plan(Model.load("Qwen3-8B")).request.max_model_len == 8192
    assert plan(Model.load("gemma-2-27b-it")).request.max_model_len == 8192
    pinned = plan(Model.load("Qwen3-8B"), settings=EngineSettings(max_model_len=4096))
    assert pinned.request.max_model_len == 4096


def test_no_more_gpus_are_used_than_are_offered() -> None:
    offer = GpuOffer(Gpu.find("L40S"), at_most=4)
    made = plan(Model.load("Llama-3.1-70B-Instruct"), [offer], concurrency=4)
    assert all(candidate.gpus <= 4 for candidate in made.ranked)
    assert max(candidate.fit.gpus for candidate in made.candidates) <= 4
    crowded = plan(Model.load("Llama-3.1-70B-Instruct"), [offer], concurrency=400)
    assert not crowded.ranked
    assert "not-enough-gpus" in {c.rejected.code for c in crowded.rejected if c.rejected}


def test_a_price_decides() -> None:
    gpus = [Gpu.find("L40S"), Gpu.find("H100")]
    assert plan(Model.load("Qwen3-8B"), gpus).ranked[0].fit.gpu.name == "L40S"
    cheap = plan(Model.load("Qwen3-8B"), gpus, prices={"H100-80GB": 0.5})
    assert cheap.ranked[0].fit.gpu.name == "H100-80GB"
    assert cheap.ranked[0].cost_per_hour == 0.5


def test_a_load_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="--concurrency 0"):
        plan(Model.load("Qwen3-8B"), concurrency=0)


def test_pinned_sizes_are_kept() -> None:
    settings = EngineSettings(tensor_parallel_size=4, max_num_seqs=64)
    made = plan(Model.load("Qwen3-32B"), [Gpu.find("L40S")], settings)
    assert {candidate.fit.settings.tensor_parallel_size for candidate in made.candidates} == {4}
    assert {candidate.fit.settings.max_num_seqs for candidate in made.candidates} == {64}


def test_a_smaller_batch_is_tried_where_vllms_own_takes_the_models_room() -> None:
    """1024 rows of logits do not fit beside half of a 70B model on an H100; 256 do."""
    settings = EngineSettings(max_model_len=4096)
    made = plan(Model.load("Llama-3.1-70B-Instruct"), [Gpu.find("H100")], settings, concurrency=1)
    best = made.ranked[0].fit.settings
    assert (best.tensor_parallel_size, best.max_num_seqs) == (2, 256)


def test_pipeline_parallelism_is_tried_where_tensor_parallelism_finds_nothing() -> None:
    """phi-4 has 10 KV heads, which no tensor parallel size above 2 divides."""
    made = plan(Model.load("phi-4"), [Gpu.find("T4")], EngineSettings(max_model_len=4096), concurrency=1)
    assert made.ranked
    assert made.ranked[0].fit.settings.pipeline_parallel_size > 1


@pytest.mark.parametrize(
    ("model", "gpus", "concurrency", "says"),
    [
        ("Llama-3.1-70B-Instruct", ["T4"], 16, "use --gpu "),
        ("Qwen3-8B", ["L40S"], 9000, "offer "),
        ("1500B", [], 1, "use a quantized checkpoint"),
    ],
)
def test_what_nothing_carries_is_answered_with_what_would(
    model: str, gpus: list[str], concurrency: int, says: str
) -> None:
    offers = [GpuOffer(Gpu.find(name), at_most=8) for name in gpus]
    made = plan(Model.load(model), offers, concurrency=concurrency)
    assert not made.ranked
    assert says in nearest_miss(made).fix


def test_the_json_is_the_request_and_fit_documents() -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("T4"), Gpu.find("L40S")])
    document = made.to_dict()
    assert list(document) == ["schema", "request", "candidates"]
    for candidate, entry in zip(made.candidates, document["candidates"], strict=True):
        assert {key: entry[key] for key in candidate.fit.to_dict()} == candidate.fit.to_dict()
        assert ("rejected" in entry) != ("rank" in entry)
        assert ("rank" in entry) == ("cost_per_hour" in entry)


def test_slices_are_offered_by_name_one_for_each_replica_and_priced_by_their_share() -> None:
    whole = Gpu.find("A100-80GB")
    made = plan(Model.load("Qwen3-0.6B"), slices(whole), prices={whole.name: 7.0}, concurrency=64)
    assert {candidate.fit.gpus for candidate in made.candidates} == {1}
    prices = {candidate.fit.gpu.profile: candidate.offer.price for candidate in made.ranked}
    assert prices["1g.10gb"] == 1.0
    assert prices["1g.20gb"] == 1.75
    assert prices["7g.80gb"] == 7.0
