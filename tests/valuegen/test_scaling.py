"""When a scaler adds a replica: targets that a load can reach, from what a replica holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from valuegen import EngineSettings, Gpu, GpuOffer, Model, UsageError, fit, plan, scaling
from valuegen.autoscaling import Scaler
from valuegen.merge import merge_into
from valuegen.scaling import is_reachable, running_target, scale_down_seconds, waiting_target
from valuegen.values import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from valuegen.autoscaling import Mode
    from valuegen.values import ValuesDocument

HELD = st.integers(1, 100_000)


@given(HELD)
def test_a_full_replica_exceeds_every_target_by_more_than_the_tolerance(held: int) -> None:
    assert 0 < running_target(held) < held
    assert is_reachable(running_target(held), held)
    assert is_reachable(scaling.FULL_SHARE, 1)
    assert 1 <= waiting_target(held) <= max(1, held)


@given(HELD, HELD)
def test_a_replica_that_holds_more_waits_longer_for_help(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert running_target(less) <= running_target(more)
    assert waiting_target(less) <= waiting_target(more)


@pytest.mark.parametrize(
    ("held", "waiting", "running"), [(1, 1, 0.8), (3, 1, 2.4), (5, 1, 4), (20, 2, 16), (256, 26, 204)]
)
def test_targets_are_shares_of_what_a_replica_holds(held: int, waiting: int, running: float) -> None:
    assert (waiting_target(held), running_target(held)) == (waiting, running)


@pytest.mark.parametrize(("startup", "window"), [(60, 300), (660, 660), (7200, 3600)])
def test_no_replica_goes_before_it_could_have_answered(startup: int, window: int) -> None:
    assert scale_down_seconds(startup) == window


def test_a_judgement_carries_its_targets() -> None:
    document = fit(Model.load("Qwen3-8B"), Gpu.find("L40S"), EngineSettings(max_model_len=8192)).to_dict()
    low, _ = document["ranges"]["kv_cache.max_concurrency"]
    assert document["scaling"] == {
        "requests_per_replica": int(low),
        "waiting_requests": waiting_target(int(low)),
        "running_requests": running_target(int(low)),
        "kv_cache_usage": 0.8,
        "scale_down_seconds": document["host"]["startup_seconds"],
        "cost_per_hour": Gpu.find("L40S").usd_per_hour,
    }
    assert document["provenance"]["scaling.waiting_requests"]["kind"] == "assumed"


def test_what_does_not_fit_has_no_targets() -> None:
    assert fit(Model.load("Qwen3-32B"), Gpu.find("L4")).to_dict()["scaling"] is None


def test_batch_rows_bound_a_replica_and_its_engines_add_up() -> None:
    settings = EngineSettings(max_model_len=1024, max_num_seqs=10, data_parallel_size=2)
    found = scaling.targets(fit(Model.load("Qwen3-8B"), Gpu.find("H100"), settings))
    assert found is not None
    assert (found.requests_per_replica, found.running_requests) == (20, 16)


def test_the_cost_of_a_replica_is_the_price_that_was_given() -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S")], prices={"L40S": 0.5})
    for candidate in made.to_dict()["candidates"]:
        replicas, cost = candidate["replicas"], candidate["scaling"]["cost_per_hour"]
        assert cost * replicas == pytest.approx(candidate["cost_per_hour"])


# The values


def values(mode: Mode, *, offered: int | None = None, concurrency: int = 16, **limits: Any) -> ValuesDocument:
    offer = GpuOffer(Gpu.find("L40S"), offered)
    made = plan(
        Model.load("Qwen3-8B"), [offer], EngineSettings(tensor_parallel_size=1), concurrency=concurrency
    )
    return render(made, made.ranked[0], scaler=Scaler(mode, **limits))


def body(document: ValuesDocument) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(document.text)["models"]["qwen3-8b"]
    return found


@pytest.mark.parametrize("mode", ["hpa", "keda", "wva"])
def test_the_scaler_decides_the_replicas(mode: Mode) -> None:
    found = body(values(mode))
    assert found["replicas"] is None
    assert found["autoscaling"]["mode"] == mode
    assert ("metrics" in found["autoscaling"]) == (mode != "wva")


def test_metrics_are_the_targets_of_the_plan() -> None:
    held = 20
    assert body(values("keda"))["autoscaling"]["metrics"] == {
        "waitingRequests": waiting_target(held),
        "runningRequests": running_target(held),
        "kvCacheUsage": 0.8,
    }


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ({}, (1, 2)),
        ({"concurrency": 100}, (1, 5)),
        ({"min_replicas": 3}, (3, 3)),
        ({"min_replicas": 2, "max_replicas": 7}, (2, 7)),
        ({"offered": 1}, (1, 1)),
    ],
    ids=str,
)
def test_limits_are_those_asked_for_else_the_plans(asked: dict[str, int], limits: tuple[int, int]) -> None:
    found = body(values("keda", **asked))["autoscaling"]
    assert (found["minReplicas"], found["maxReplicas"]) == limits


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"min_replicas": 5, "max_replicas": 4}, "--min-replicas 5: more than the most replicas, 4"),
        ({"offered": 2, "max_replicas": 3}, "--max-replicas 3: they need 3 x L40S, 2 are offered"),
        ({"offered": 2, "min_replicas": 3}, "--min-replicas 3: more than the most replicas, 2"),
    ],
    ids=str,
)
def test_limits_that_cannot_be_are_refused(asked: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        values("keda", **asked)


def test_limits_without_a_scaler_are_refused(valuegen: Callable[..., Any]) -> None:
    outcome = valuegen("values", "Qwen3-8B", "--gpu", "L40S", "--max-replicas", "3")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "add --autoscaling" in outcome.stderr


def test_a_model_with_fixed_replicas_is_given_a_scaler_in_place(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("models:\n  qwen3-8b:\n    replicas: 3  # for now\n")
    assert merge_into(path, values("keda"))
    found = yaml.safe_load(path.read_text())["models"]["qwen3-8b"]
    assert found["replicas"] is None
    assert found["autoscaling"]["mode"] == "keda"
    assert "# for now" in path.read_text()
    assert not merge_into(path, values("keda"))


def test_what_keda_asks_is_named_once_and_never_overruled(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("models:\n  tiny: {source: {uri: hf://a/b}}\n# the end\n")
    assert merge_into(path, values("keda"))
    assert yaml.safe_load(path.read_text())["scaling"] == {
        "prometheus": {"serverAddress": "http://prometheus-operated.monitoring:9090"}
    }
    assert "# the end\n\nscaling:" in path.read_text()
    path.write_text(path.read_text().replace("prometheus-operated", "mine"))
    merge_into(path, values("hpa"))
    assert "http://mine.monitoring" in path.read_text()
    assert "scaling" not in values("hpa").data


def test_the_command_writes_what_check_accepts(valuegen: Callable[..., Any], in_folder: Path) -> None:
    asked = ("--gpu", "L40S:8", "--autoscaling", "hpa", "--max-replicas", "4", "-o", "values.yaml")
    assert valuegen("values", "Qwen3-8B", *asked).code == 0
    assert valuegen("check", "values.yaml").code == 0
    written = yaml.safe_load((in_folder / "values.yaml").read_text())
    assert json.loads(valuegen("values", "Qwen3-8B", *asked[:-2], "--json").stdout) == written
