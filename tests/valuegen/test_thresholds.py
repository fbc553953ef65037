"""Thresholds of alerts follow from objectives and the plan, are edges of vLLM's buckets, and join what a person wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from valuegen import thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("values", "Qwen3-8B", "--gpu", "L40S", "--name", "m")
METRICS = {
    "time_to_first_token_seconds": thresholds.FIRST_TOKEN_EDGES,
    "inter_token_latency_seconds": thresholds.INTER_TOKEN_EDGES,
    "e2e_request_latency_seconds": thresholds.REQUEST_EDGES,
    "request_queue_time_seconds": thresholds.REQUEST_EDGES,
}


def written(text: str) -> Any:
    return yaml.safe_load(text)["monitoring"]["rules"]["models"]["m"]


@pytest.mark.parametrize("metric", METRICS)
def test_the_edges_are_those_that_a_running_vllm_told(metric: str) -> None:
    pages = (ROOT / "tests/valuegen/vllm_buckets.txt").read_text().splitlines()
    told = next(line.split()[1:] for line in pages if line.startswith(f"vllm:{metric} "))
    assert [float(edge) for edge in told] == [float(edge) for edge in METRICS[metric]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        # 4096 tokens at 20 a second take 204.8 s: a drain of 210, and a tenth of it for the queue.
        (["--thresholds"], {"requestSeconds": 120, "queueSeconds": 20}),
        (
            ["--thresholds", "--longest-answer", "8000"],
            {"requestSeconds": 240, "queueSeconds": 40},
        ),
        (
            ["--thresholds", "--max-model-len", "1024"],
            {"requestSeconds": 120, "queueSeconds": 5},
        ),
        (
            ["--time-to-first-token", "1", "--inter-token", "0.18"],
            {
                "timeToFirstTokenSeconds": 1,
                "interTokenSeconds": 0.15,
                "requestSeconds": 120,
                "queueSeconds": 1,
            },
        ),
        (["--request-time", "45"], {"requestSeconds": 40, "queueSeconds": 20}),
        # Nothing shorter than 0.3 s can be told of a queue: the chart's own threshold stays.
        (["--time-to-first-token", "0.25"], {"timeToFirstTokenSeconds": 0.25, "requestSeconds": 120}),
    ],
    ids=lambda asked: " ".join(asked) if isinstance(asked, list) else "",
)
def test_a_threshold_is_what_was_asked_for_or_follows_from_the_plan(
    valuegen: Callable[..., Any], asked: list[str], found: dict[str, float]
) -> None:
    outcome = valuegen(*COMMAND, *asked)
    assert (outcome.code, written(outcome.stdout)) == (0, found)
    lines = outcome.stdout.splitlines()
    for number, line in enumerate(lines):
        if re.search(r"Seconds: ", line):
            assert lines[number - 1].lstrip().startswith("# "), line


def test_a_model_without_a_kv_cache_has_no_alerts_about_one(
    valuegen: Callable[..., Any], tmp_path: Path
) -> None:
    config = json.loads((ROOT / "tests/valuegen/golden/models/BAAI__bge-m3.json").read_text())["config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = ("values", tmp_path, "--gpu", "L4", "--name", "m", "--source", "hf://BAAI/bge-m3")
    outcome = valuegen(*command, "--thresholds", "--request-time", "1")
    assert written(outcome.stdout) == {"requestSeconds": 1, "kvCacheUsage": None, "preemptedShare": None}
    refused = valuegen(*command, "--inter-token", "1")
    assert (refused.code, refused.stdout) == (2, "")
    assert "writes no tokens" in refused.stderr


@pytest.mark.parametrize(("share", "is_left_out"), [("0.97", False), ("0.98", True), ("0.99", True)])
def test_an_alert_that_the_plan_itself_would_raise_is_left_out(
    valuegen: Callable[..., Any], share: str, is_left_out: bool
) -> None:
    found = written(valuegen(*COMMAND, "--thresholds", "--gpu-memory-utilization", share).stdout)
    assert ("gpuMemoryUsage" in found) == is_left_out
    assert found.get("gpuMemoryUsage") is None


def test_nothing_is_written_where_nothing_was_asked_for(valuegen: Callable[..., Any]) -> None:
    assert "monitoring" not in valuegen(*COMMAND).stdout


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--inter-token", "0.001", "--inter-token 0.001: vLLM counts nothing shorter than 0.01 s apart"),
        ("--request-time", "0.2", "--request-time 0.2: vLLM counts nothing shorter than 0.3 s apart"),
        ("--time-to-first-token", "0", "'0' is not above 0"),
        ("--time-to-first-token", "nan", "'nan' is not above 0"),
        ("--inter-token", "50ms", "'50ms' is no number"),
    ],
)
def test_an_objective_that_can_be_no_threshold_is_refused(
    valuegen: Callable[..., Any], option: str, value: str, said: str
) -> None:
    outcome = valuegen(*COMMAND, option, value)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.stderr


FILES = {
    "none": "models: {}\n",
    "other parts": "monitoring:\n  podMonitor: {enabled: true}  # ours\nmodels: {}\n",
    "other thresholds": (
        "monitoring:\n  rules:\n    enabled: true\n    thresholds:\n      gpuCelsius: 80  # ours\n"
        "    models:\n      tiny: {failedShare: 0.1}\n"
        "models:\n  tiny:\n    source: {uri: hf://a/b}\n"
    ),
    "braces": "monitoring: {rules: {enabled: true}}  # ours\nmodels: {}\n",
    "nothing below": "monitoring:\nmodels: {}\n",
    "a person's": (
        "monitoring:\n  rules:\n    models:\n      m:\n        queueSeconds: 3\n        failedShare: 0.2  # ours\n"
        "models: {}\n"
    ),
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_thresholds_join_what_stands_below_monitoring(
    valuegen: Callable[..., Any], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    command = (*COMMAND, "--thresholds", "--into", str(path))
    assert valuegen(*command).code == 0
    after = path.read_text()
    before, loaded = yaml.safe_load(text).get("monitoring") or {}, yaml.safe_load(after)["monitoring"]
    own = ((before.get("rules") or {}).get("models") or {}).get("m") or {}
    assert written(after) == {**own, "requestSeconds": 120, "queueSeconds": 20}
    for part, value in before.items():
        if part != "rules":
            assert loaded[part] == value
    for part, value in (before.get("rules") or {}).items():
        if part != "models":
            assert loaded["rules"][part] == value
    assert ("# ours" in after) == ("# ours" in text)
    again = valuegen(*command)
    assert (again.code, path.read_text()) == (0, after)


def test_the_command_writes_what_check_accepts(valuegen: Callable[..., Any], in_folder: Path) -> None:
    assert valuegen(*COMMAND, "--time-to-first-token", "1", "-o", "values.yaml").code == 0
    assert valuegen("check", "values.yaml").code == 0
    assert written((in_folder / "values.yaml").read_text())["timeToFirstTokenSeconds"] == 1
