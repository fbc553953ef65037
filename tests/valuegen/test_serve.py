"""Words of a command line are read as vLLM's own parser reads them, and its flags are the chart's."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from valuegen.check import check
from valuegen.checks import contradiction, flag_conflict, refused
from valuegen.serve.settings import MEMORY_FLAGS, SETTINGS, engine_settings
from valuegen.serve.table import flag_table, removed_flags
from valuegen.serve.words import from_map, from_words
from valuegen.valuesfile import Place, Values
from valuegen.workload import chart

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    tuple(line.split(maxsplit=1))
    for line in (Path(__file__).parent / "serve_lines.txt").read_text().splitlines()
    if not line.startswith("#")
]
KINDS = {  # the chart's word -> the package's
    "switches": ["switch"],
    "trueOnly": ["true-only"],
    "lists": ["list"],
    "repeated": ["repeated"],
    "json": ["json", "text-or-json"],
    "values": ["value"],
}


def script(name: str) -> ModuleType:
    """A script of tools/valuegen."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "valuegen" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def complaints(words: list[str]) -> list[str]:
    """The rules about flags alone that `check` finds broken."""
    body = {"source": {"uri": "pvc://claim/x"}, "extraArgs": words}
    report = check(Values({"models": {"m": body}}, {}, Place("values.yaml", 1)))
    return [finding.message for finding in report.findings if finding.id in ("unknown-flag", "flag-value")]


@pytest.mark.parametrize(("verdict", "line"), LINES, ids=[line for _, line in LINES])
def test_a_command_line_is_accepted_or_refused_as_by_vllm(verdict: str, line: str) -> None:
    assert bool(complaints(line.split())) == (verdict == "refused")


def test_the_flags_are_those_of_the_charts_engine_file() -> None:
    engine = yaml.safe_load((ROOT / "charts/vllm-stack/files/engines/vllm.yaml").read_text())
    table = flag_table()
    assert engine["tag"] == f"v{table.version}"
    for theirs, ours in KINDS.items():
        assert sorted(engine["flags"][theirs].split()) == sorted(
            name for name, kind in table.kinds.items() if kind in ours
        )


def test_what_is_carried_of_the_chart_is_what_the_chart_has() -> None:
    copy = ROOT / "tools/valuegen/src/valuegen/templates/chart.json"
    assert json.loads(copy.read_text()) == script("carry_chart").document() == chart()


def test_the_flag_table_is_made_of_a_parsers_dump() -> None:
    def action(flags: list[str], **facts: Any) -> dict[str, Any]:
        common = {
            "flags": flags,
            "hidden_aliases": [],
            "action": "_StoreAction",
            "nargs": None,
            "choices": None,
        }
        return {**common, "type": "str", **facts}

    made = script("carry_flags").document(
        {
            "vllm_version": "1.2.3",
            "flags": [
                action(["-h", "--help"], nargs=0),
                action(["model_tag"], nargs="?"),
                action(["--level", "-l"], choices=["a", None, 3]),
                action(["--on", "--off"], nargs=0, hidden_aliases=["--no-on"], action="Boolean"),
                action(["--only"], nargs=0, action="_StoreTrueAction"),
                action(["--many"], nargs="+"),
                action(["--each"], action="_AppendAction"),
                action(["--map"], type="optional_type(loads)"),
                action(["--either"], type="union_dict_and_str"),
            ],
        }
    )
    assert made == {
        "vllm_version": "1.2.3",
        "kinds": {
            "json": ["map"],
            "list": ["many"],
            "repeated": ["each"],
            "switch": ["on"],
            "text-or-json": ["either"],
            "true-only": ["only"],
            "value": ["level"],
        },
        "aliases": {"-l": "level"},
        "opposites": {"--no-on": "on", "--off": "on"},
        "choices": {"level": ["a", "3"]},
    }


def test_no_removed_flag_is_one_of_today_and_every_flag_that_is_advised_is() -> None:
    table = flag_table()
    for name, removed in removed_flags().items():
        assert name not in table.kinds
        for advised in re.findall(r"--[a-z][a-z-]*[a-z]", removed.today):
            assert table.find(advised) is not None, (name, advised)


def test_every_flag_that_a_rule_names_exists() -> None:
    pairs = [
        *flag_conflict.NEEDS.items(),
        *flag_conflict.EXCLUDES.items(),
        *flag_conflict.AT_MOST,
        *((name, json_flag) for name, (json_flag, _) in flag_conflict.SAME.items()),
    ]
    named = {flag for pair in pairs for flag in pair} | set(contradiction.FIELDS) | set(MEMORY_FLAGS)
    named |= {refused.DEPRECATED, "enable-eplb", "enable-chunked-prefill", "long-prefill-token-threshold"}
    assert named | set(SETTINGS) | set(chart()["owned"]) <= set(flag_table().kinds)


READ = {
    "--max-num-seqs=8k": ("max-num-seqs", "8k"),
    "--max_num_seqs 5": ("max-num-seqs", "5"),
    "-tp 2": ("tensor-parallel-size", "2"),
    "-tp=2": ("tensor-parallel-size", "2"),
    "--device-memory-utilization 0.5": ("gpu-memory-utilization", "0.5"),
    "--max-model-len -1": ("max-model-len", "-1"),
    "--enforce-eager": ("enforce-eager", True),
    "--no-enforce-eager": ("enforce-eager", False),
    "--disable-prefix-caching": ("enable-prefix-caching", False),
    "--enable-hybrid-kv-cache-manager": ("disable-hybrid-kv-cache-manager", False),
    "--cudagraph-capture-sizes 1 2 4": ("cudagraph-capture-sizes", ["1", "2", "4"]),
    "--middleware=a.b": ("middleware", "a.b"),
    "-O3": ("optimization-level", "3"),
    "--speculative-config.method ngram": ("speculative-config", "ngram"),
}


@pytest.mark.parametrize(("line", "expected"), READ.items(), ids=READ.keys())
def test_a_flag_is_read_by_any_of_its_spellings(line: str, expected: tuple[str, Any]) -> None:
    (flag,) = from_words(line.split())
    assert (flag.name, flag.value, flag.problem) == (*expected, None)


def test_settings_are_read_from_both_places_and_the_last_one_counts() -> None:
    args = {"max-model-len": "8K", "max-num-seqs": 1e2, "kv-cache-dtype": "fp8", "enforce-eager": False}
    flags = [*from_map(args), *from_words(["--max-num-seqs", "7", "--gpu-memory-utilization=0.5"])]
    settings = engine_settings({"tensor": 2, "expert": True}, flags)
    assert settings.max_model_len == 8192
    assert settings.max_num_seqs == 7
    assert settings.kv_cache_dtype == "fp8"
    assert settings.enforce_eager is False
    assert settings.gpu_memory_utilization == 0.5
    assert (settings.tensor_parallel_size, settings.enable_expert_parallel) == (2, True)
    assert settings.block_size is None


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["--", "-", "-1", "--seed", "--seed=", "-O", "--O", "--.x", "--max-model-len.y", "--no-", "="]
    ),
    st.sampled_from(sorted(flag_table().kinds)).map(lambda name: f"--{name}"),
    st.sampled_from(sorted(flag_table().kinds)).map(lambda name: f"--{name}=x"),
)


@given(st.lists(WORDS, max_size=6))
def test_any_words_are_read_and_each_is_accounted_for(words: list[str]) -> None:
    flags = list(from_words(words))
    starts = [int(flag.at[1]) for flag in flags]
    assert starts == sorted(set(starts))
    taken = sum(
        len(flag.value) if isinstance(flag.value, list) else 1 for flag in flags if flag.value is not None
    )
    assert len(flags) + taken >= len(words)


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(sorted(flag_table().kinds)), st.integers() | st.text()
    )
)
def test_any_args_are_read(args: dict[str, Any]) -> None:
    assert [flag.at for flag in from_map(args)] == [("args", name) for name in args]
