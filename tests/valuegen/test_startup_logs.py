"""The estimated KV cache is near what real servers logged."""

from __future__ import annotations

import tomllib
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from valuegen import EngineSettings, Gpu, Model, fit
from valuegen.catalog.models import find_model
from valuegen.config import ModelConfig

RUNS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("startup_logs.toml").read_text())["run"]

WORST = 0.04  # of any one run
MEAN = 0.015  # absolute, over the runs that took no part in the fit, and over all


def error(run: dict[str, Any]) -> float:
    """Relative error of the estimated tokens."""
    entry = find_model(run["model"])
    assert entry is not None
    raw = dict(entry.config)
    if "quantization_config" in run:
        raw["quantization_config"] = run["quantization_config"]
    model = Model(entry.name, ModelConfig.from_dict(raw, name=entry.name), "config", "a test", "")
    result = fit(model, Gpu.find(run["gpu"]), EngineSettings(**run["settings"]), vllm_version=run["vllm"])
    assert result.capacity is not None
    return float(result.capacity.tokens / run["tokens"] - 1)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run['model']}-{run['gpu']}-{run['tokens']}")
def test_no_estimate_is_far_from_its_log(run: dict[str, Any]) -> None:
    assert abs(error(run)) <= WORST


@pytest.mark.parametrize("which", ["held out", "all"])
def test_the_mean_error_is_small(which: str) -> None:
    runs = [run for run in RUNS if which == "all" or not run["fitted"]]
    assert len(runs) >= 4
    assert mean(abs(error(run)) for run in runs) <= MEAN
