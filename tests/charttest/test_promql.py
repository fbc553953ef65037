"""Queries against what vLLM exports: what a page of it shows is known, and what it never showed is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from charttest.exporters import exporters
from charttest.promql import TARGET, World, read

if TYPE_CHECKING:
    from charttest.plugin import Chart

PAGE = Path(__file__).parent / "vllm_page.txt"
NEWER = {
    "vllm:cache_config_info": frozenset({"simple_cpu_offload_num_blocks"})
}  # labels that the page's 0.32 lacks
WORLD = World(exporters(), TARGET | {"variant"}, frozenset({"vllm:waiting:sum"}), shared=True)
GOOD = [
    'sum(vllm:num_requests_waiting{namespace="a",model_name="m",pod=~"m-.*"})',
    "sum by (namespace, pod, model_name) (vllm:num_requests_waiting)",
    "histogram_quantile(0.95, sum by (le, model_name) (rate(vllm:time_to_first_token_seconds_bucket[5m])))",
    "sum(rate(vllm:prefix_cache_hits_total[5m])) / sum(rate(vllm:prefix_cache_queries_total[5m]))",
    'sum(rate(http_requests_total{handler=~"/v1/.*",status="5xx"}[5m]))',
    'sum by (reason) (rate(vllm:admission_rejections_total{reason!=""}[5m]))',
    'sum by (finished_reason) (increase(vllm:request_success_total{finished_reason="abort"}[1h]))',
    "vllm:num_requests_waiting * on (namespace, pod) group_left (block_size) vllm:cache_config_info",
    "vllm:num_requests_waiting * on (namespace, pod) group_left (node) kube_pod_info",
    'kube_pod_info{created_by_name="x"} * on (pod) group_left () max by (pod) (vllm:num_requests_running)',
    'max by (kind) (label_replace(vllm:kv_cache_usage_perc, "kind", "$1", "pod", "(.*)-.*"))',
    'max by (part) (label_replace(vllm:kv_cache_usage_perc, "part", "vllm", "", ""))',
    'vllm:kv_offload_config_info{cpu_num_chunks="1"}',
    "sum by (tier) (rate(vllm:kv_offload_tiering_read_bytes_total[5m]))",
    "vllm:waiting:sum > 5",
    "absent(vllm:num_requests_running) or vector(0)",
    "max_over_time(sum by (pod) (vllm:num_requests_running)[10m:1m])",
    "topk(3, sum by (pod) (vllm:num_requests_running)) and on (pod) up == 1",
    "sum without (engine, instance) (vllm:num_requests_running)",
    'sum by (variant, exported_namespace) (vllm:num_requests_running{exported_pod="a"})',
    "rate(vllm:generation_tokens_total[$__rate_interval])",
    'vllm:time_to_first_token_seconds_bucket{le="2560.0"} - on (pod) vllm:time_to_first_token_seconds_bucket{le="+Inf"}',
    'vllm:kv_offload_load_size_bucket{le="1e+06"}',
    'vllm:kv_offload_load_size_bucket{le="1.5e+08"}',
    'vllm:request_prompt_tokens_bucket{le="4000.0"}',
    'vllm:time_to_first_token_seconds_bucket{le="$bound"}',
    'vllm:time_to_first_token_seconds_bucket{le=~"0.4|0.5"}',
    "rate(vllm:generation_tokens_total[$window]) and rate(vllm:generation_tokens_total[${window}:1m])",
    'sum by ($by) (vllm:num_requests_running{namespace="$namespace",pod=~"${pod:regex}"})',
    "topk($n, vllm:num_requests_running)",
    "time() - process_start_time_seconds",
    "quantile by (pod) (0.9, vllm:kv_cache_usage_perc) > bool 0.5",
    'count_values by (pod) ("value", vllm:num_requests_running)',
    '{__name__="vllm:num_requests_running",model_name="m"} or {__name__=~"vllm:.*"}',
    "-(vllm:num_requests_running)",
]
BAD = [
    (
        'vllm:request_queue_time_seconds_bucket{le="0.35"}',
        'the bucket le="0.35" of vllm:request_queue_time_seconds_bucket, which it does not have: did you mean le="0.3"?',
    ),
    (
        'sum(rate(vllm:time_to_first_token_seconds_bucket{le="1"}[5m]))',
        'the bucket le="1" of vllm:time_to_first_token_seconds_bucket, which it does not have: did you mean le="1.0"?',
    ),
    (
        'http_request_duration_seconds_bucket{le="fast"}',
        'the bucket le="fast" of http_request_duration_seconds_bucket',
    ),
    ("sum(", "is no PromQL: unclosed left parenthesis"),
    ("rate(vllm:generation_tokens_total)", "is no PromQL: expected type matrix in call to function 'rate'"),
    (
        "sum(vllm:num_request_waiting)",
        "asks for vllm:num_request_waiting, which vLLM 0.33.0 does not export: did you mean vllm:num_requests_waiting?",
    ),
    (
        "max(vllm:gpu_cache_usage_perc)",
        "asks for vllm:gpu_cache_usage_perc, which vLLM 0.33.0 does not export: it is vllm:kv_cache_usage_perc now",
    ),
    (
        "rate(vllm:time_per_output_token_seconds_sum[5m])",
        "vllm:time_per_output_token_seconds_sum, which vLLM 0.33.0 does not export: it is vllm:inter_token_latency_",
    ),
    ("vllm:num_requests_swapped", "does not export: it is gone, and nothing stands for it"),
    ("rate(vllm:num_preemptions[5m])", "does not export: it is the counter vllm:num_preemptions_total"),
    (
        "vllm:time_to_first_token_seconds",
        "it is a histogram; ask for vllm:time_to_first_token_seconds_bucket, vllm:time_to_first_token_seconds_sum or",
    ),
    ("vllm_num_requests_waiting", "does not export: it is vllm:num_requests_waiting"),
    (
        'vllm:num_requests_waiting{model="m"}',
        "chooses vllm:num_requests_waiting by the label model, which it does not have: did you mean model_name?",
    ),
    (
        'rate(http_requests_total{code="500"}[5m])',
        "chooses http_requests_total by the label code, which it does not have",
    ),
    (
        'vllm:cache_config_info{model_name="m"}',
        "chooses vllm:cache_config_info by the label model_name, which it does not have",
    ),
    (
        "sum by (model) (vllm:num_requests_waiting)",
        "groups sum by the label model, which nothing in it has: did you mean model_name?",
    ),
    (
        "sum by (pod) (sum by (namespace) (vllm:num_requests_waiting))",
        "groups sum by the label pod, which nothing in it has",
    ),
    (
        "histogram_quantile(0.9, sum by (pod) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))",
        "takes a histogram_quantile of series without le: keep it, `sum by (le) (…)`",
    ),
    (
        "histogram_quantile(0.9, rate(vllm:e2e_request_latency_seconds_sum[5m]))",
        "takes a histogram_quantile of series without le",
    ),
    (
        "rate(vllm:num_requests_waiting[5m])",
        "takes the rate of vllm:num_requests_waiting, which is a gauge: take delta or deriv",
    ),
    (
        "vllm:num_requests_waiting * on (variant_name) vllm:num_requests_running",
        "matches on the label variant_name, which nothing in it has",
    ),
    (
        "vllm:num_requests_waiting * on (pod) group_left (block_sice) vllm:cache_config_info",
        "takes the label block_sice from the other side, which nothing in it has: did you mean block_size?",
    ),
    (
        'label_replace(vllm:num_requests_waiting, "a", "$1", "podd", "(.*)")',
        "takes the label podd for label_replace, which nothing in it has: did you mean pod?",
    ),
]


@pytest.mark.parametrize("query", GOOD)
def test_a_query_of_what_is_exported_is_fine(query: str) -> None:
    assert read(query, WORLD).problems == ()


@pytest.mark.parametrize(("query", "problem"), BAD, ids=[query for query, _ in BAD])
def test_a_query_of_what_is_not_there_is_told_with_what_to_ask_instead(query: str, problem: str) -> None:
    [told] = read(query, WORLD).problems
    assert problem in told


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("sum by (pod) (vllm:num_requests_running)", {"pod"}),
        ("sum(vllm:num_requests_running)", set()),
        ("topk by (pod) (1, sum by (pod, node) (vllm:num_requests_running))", {"pod", "node"}),
        ("sum without (pod) (sum by (pod, node) (up))", {"node"}),
        ("up * 2", None),
        ("sum by (pod) (vllm:num_requests_running) * 2", {"pod"}),
        (
            "histogram_quantile(0.9, sum by (le, pod) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))",
            {"pod"},
        ),
        ("time()", set()),
    ],
)
def test_the_labels_of_a_result_are_known(query: str, labels: set[str] | None) -> None:
    assert read(query, WORLD).labels == labels


def test_names_that_programs_share_are_left_alone_where_the_engine_may_not_be_the_one() -> None:
    query = 'rate(http_requests_total{code="500"}[5m])'
    assert read(query, World(exporters())).problems == ()


def test_every_series_of_a_real_page_is_in_the_table_with_its_labels() -> None:
    [vllm] = [each for each in exporters() if each.prefix == "vllm:"]
    known = {**vllm.series, **vllm.shared_series}
    rows = [line.split() for line in PAGE.read_text().splitlines() if not line.startswith("#")]
    assert len(rows) > 120
    for name, *labels in rows:
        assert name in known
        assert known[name].labels == frozenset(labels) | NEWER.get(name, frozenset()), name


def test_the_table_and_the_charts_engine_file_name_the_same_metrics(chart: Chart) -> None:
    [vllm] = [each for each in exporters() if each.prefix == "vllm:"]
    engine = yaml.safe_load((chart.path / "files/engines/vllm.yaml").read_text())
    assert set(engine["metrics"]["exported"].split()) == set(vllm.metrics)
    waiting = vllm.series[engine["metrics"]["waiting"]].labels
    assert waiting == frozenset({engine["metrics"]["modelLabel"], "engine"})
    assert vllm.title == f"vLLM {engine['tag'].removeprefix('v')}"


def test_what_replaces_an_old_name_is_exported() -> None:
    for exporter in exporters():
        for old, new in exporter.renamed.items():
            assert old not in exporter.metrics
            assert set(re.findall(rf"{exporter.prefix}\w+", new)) <= set(exporter.metrics)
