"""What valuegen predicts is near what real servers logged, and never better at its safe end."""

from __future__ import annotations

from statistics import mean, median
from typing import Any

import pytest

import accuracy
import predictions
from accuracy import MISS, NEWER, WEIGHTS_MISS
from coefficients import fit as fit_coefficients
from coefficients import written
from fit import COEFFICIENTS, REPORT
from predictions import Comparison, Held
from records import Record, predicted, read
from valuegen import EngineSettings, Model, fit
from valuegen.calibration import _document

RECORDS = read()


@pytest.fixture(scope="module")
def held() -> Held:
    return Held(RECORDS)


@pytest.fixture(scope="module")
def kv_cache(held: Held) -> list[Comparison]:
    return predictions.kv_cache(RECORDS, held)


def errors(compared: list[Comparison]) -> list[float]:
    return [abs(one.error) for one in compared]


def test_the_coefficients_are_those_of_the_logs() -> None:
    """After a change of records.toml or of a formula run tools/valuegen/calibration/fit.py."""
    assert COEFFICIENTS.read_text() == written(fit_coefficients(RECORDS))


def test_the_accuracy_report_is_that_of_the_logs() -> None:
    """After a change of anything that predicts run tools/valuegen/calibration/fit.py."""
    assert REPORT.read_text() == accuracy.document(RECORDS)


def test_the_kv_cache_of_a_model_never_seen_is_near_the_log(kv_cache: list[Comparison]) -> None:
    newer = [one for one in kv_cache if one.record.minor >= NEWER]
    older = [one for one in kv_cache if one.record.minor < NEWER]
    assert len(kv_cache) >= 30
    assert len(newer) >= 12
    assert median(errors(kv_cache)) <= 0.03
    assert mean(errors(newer)) <= 0.05
    assert mean(errors(older)) <= 0.08


def test_the_readme_names_the_figures_of_the_report(kv_cache: list[Comparison]) -> None:
    readme = " ".join(REPORT.parents[1].joinpath("README.md").read_text().split())
    newer = [one for one in kv_cache if one.record.minor >= NEWER]
    older = [one for one in kv_cache if one.record.minor < NEWER]
    assert f"against {len(kv_cache)} start-up logs" in readme
    figures = [median(errors(kv_cache)), mean(errors(newer)), mean(errors(older))]
    total, since, before = (f"{100 * figure:.1f} %" for figure in figures)
    assert f"median error {total}, mean {since} since 0.19 and {before} before" in readme


def test_the_safe_end_promises_no_more_than_the_log_had(kv_cache: list[Comparison]) -> None:
    for one in kv_cache:
        assert one.estimate.low <= one.logged, one.record.id


def test_every_large_miss_is_explained(kv_cache: list[Comparison], held: Held) -> None:
    for one in [*kv_cache, *predictions.part(RECORDS, held, "activation", lambda parts: parts.activation)]:
        assert abs(one.error) <= MISS or one.record.stated.get("explained"), one.record.id


def test_no_server_that_did_not_start_would_be_accepted() -> None:
    failed = predictions.failures(RECORDS)
    assert len(failed) >= 8
    for record, result in failed:
        assert result.verdict == "too-big", record.id


def test_the_activation_peak_of_a_model_never_seen_is_near_the_log(held: Held) -> None:
    peaks = predictions.part(RECORDS, held, "activation", lambda parts: parts.activation)
    assert len(peaks) >= 45
    assert median(errors(peaks)) <= 0.01
    assert sum(abs(one.estimate.point - one.logged) <= 0.1 * 2**30 for one in peaks) >= len(peaks) - 2


def test_weights_are_what_servers_logged() -> None:
    weights = predictions.weights(RECORDS)
    assert len(weights) > 80
    assert median(errors(weights)) <= 0.005
    for one in weights:
        assert abs(one.error) <= WEIGHTS_MISS or one.record.stated.get("weights_explained"), one.record.id


JUDGED = [
    record
    for record in RECORDS
    if record.config is not None
    and record.run is not None
    and "text_only" not in record.stated
    and "pooling" not in record.stated
]


@pytest.mark.parametrize("record", JUDGED, ids=lambda record: record.id)
def test_fit_predicts_a_log_as_the_report_does(record: Record) -> None:
    assert record.config is not None
    assert record.gpu is not None
    settings: dict[str, Any] = {"max_model_len": 8192} | record.stated["settings"]
    model = Model(record.config.name, record.config, "config", "a test", "")
    result = fit(model, record.gpu, EngineSettings(**settings), vllm_version=record.stated["vllm"])
    parts = predicted(record, _document())
    assert parts is not None
    rank = result.ranks[0]
    assert (rank.activation, rank.non_torch) == (parts.activation, parts.non_torch)
    assert rank.cuda_graphs.point == (parts.graphs.point if parts.graphs_in_budget else 0)
