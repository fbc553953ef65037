"""`check` reads values as Helm and the chart do, and says where each of them is written."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.valuegen.checking import KEY, SCENARIOS, SEVERAL, checked, good, unreachable

from valuegen.check import check
from valuegen.valuesfile import overlay, read


def test_a_finding_stands_where_its_value_is_written_and_is_told_once(in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(SEVERAL)
    report = check(read([Path("values.yaml")]))
    assert list(report.models) == ["a", "a/big"]
    assert [(finding.id, finding.path, finding.line) for finding in report.findings] == [
        ("grace-period", "models.a.shutdown.drainSeconds", 2),
        ("startup-budget", "defaults.startup.budgetSeconds", 6),
    ]


def test_several_files_are_merged_as_helm_does(in_folder: Path) -> None:
    (in_folder / "a.yaml").write_text(SEVERAL)
    (in_folder / "b.yaml").write_text(
        "models:\n  a:\n    # comment\n    shutdown: null\n    cache: {size: 1Gi}\n"
    )
    report = check(read([Path("a.yaml"), Path("b.yaml")]))
    assert [(finding.id, finding.file, finding.line) for finding in report.findings] == [
        ("startup-budget", "a.yaml", 6),
        ("grace-period", "b.yaml", 4),
        ("cache-size", "b.yaml", 5),
    ]


def test_a_value_that_is_not_written_is_found_at_its_model(in_folder: Path) -> None:
    (in_folder / "values.yaml").write_text(
        "models:\n  ok:\n    source: {uri: hf://Qwen/Qwen3-8B}\n"
        "    accelerator: {product: NVIDIA-L40S}\n  q:\n    source: {uri: hf://Qwen/Qwen2.5-72B-Instruct}\n"
        "    accelerator: {product: NVIDIA-H200}\n    parallelism: {tensor: 4}\n"
    )
    (finding,) = check(read([Path("values.yaml")])).findings
    assert (finding.id, finding.path, finding.line) == ("startup-budget", "models.q.startup.budgetSeconds", 5)


def test_models_beside_a_broken_one_are_judged() -> None:
    bad = overlay(good(), {"models": {"other": {"replicas": "x", "source": 3}}})
    report = checked(bad)
    assert {finding.id for finding in report.findings} == {"schema"}
    assert report.models["other"] is None
    assert report.models[KEY] is not None
    broken_defaults = checked(overlay(good(), {"defaults": {"replicas": "x"}}))
    assert broken_defaults.models == {KEY: None}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_charts_scenarios_are_written_as_check_wants_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valuegen.hub.Repository", unreachable)
    report = check(read([path]))
    assert {finding.level for finding in report.findings} <= {"unknown"}, report.findings


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_values(draw: st.DrawFn) -> dict[str, Any]:
    """The values of a scenario of the chart with something else in one place."""
    data: dict[str, Any] = copy.deepcopy(read([draw(st.sampled_from(SCENARIOS))]).data)
    node: Any = data
    for _ in range(draw(st.integers(0, 4))):
        below = [value for value in (node.values() if isinstance(node, dict) else node) if value]
        below = [value for value in below if isinstance(value, dict | list)]
        if not below:
            break
        node = draw(st.sampled_from(below))
    wild = draw(YAML_VALUES)
    if isinstance(node, list):
        node.insert(draw(st.integers(0, len(node))), wild)
    else:
        flags = ["max-model-len", "max-num-seqs", "gpu-memory-utilization", "block-size", "dtype"]
        node[draw(st.sampled_from([*node, *flags]) | st.text(max_size=6))] = wild
    return data


@settings(max_examples=100, deadline=None)
@given(changed_values())
def test_whatever_stands_in_values_check_comes_to_an_end(data: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("valuegen.hub.Repository", unreachable)
        report = checked(data)
    assert set(json.loads(json.dumps(report.to_dict()))) == {"schema", "findings", "models"}
    for finding in report.findings:
        assert finding.message
        assert finding.fix


DATES = "models:\n  q:\n    source: {uri: hf://Qwen/Qwen3-8B}\n    accelerator: {product: NVIDIA-L40S}\n"


def test_dates_and_words_for_true_are_read_as_helm_reads_them(in_folder: Path) -> None:
    more = "    rollout: {restartedAt: 2026-11-20T10:00:00Z}\n    disruption: {enabled: off}\n"
    (in_folder / "values.yaml").write_text(DATES + more)
    values = read([Path("values.yaml")])
    assert values.data["models"]["q"]["rollout"] == {"restartedAt": "2026-11-20T10:00:00Z"}
    assert values.data["models"]["q"]["disruption"] == {"enabled": False}
    assert check(values).findings == ()
