"""How many pods there are: replicas, scalers, what they ask, and disruption."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.charttest.check_cases.objects import (
    BY_MODEL,
    GPU,
    KEY,
    LABELS,
    POD_SHOWN,
    TOTAL,
    annotated,
    asking,
    budget,
    core,
    dashboard,
    deployment,
    group,
    monitor,
    other,
    rules,
    scaled_object,
    scaler,
    unscaled,
)

if TYPE_CHECKING:
    from tests.charttest.check_cases.objects import Case

CASES: list[Case] = [
    (
        "replicas",
        [scaler(), deployment()],
        "sets replicas, which HorizontalPodAutoscaler/a owns",
        [scaler(), unscaled()],
    ),
    ("replicas", [unscaled()], "sets no replicas, and no scaler owns them", [deployment(replicas=0)]),
    ("replicas", [scaler("b")], "scales Deployment/b, which is neither rendered", []),
    (
        "scalers",
        [asking(TOTAL, metricType="Value"), unscaled()],
        "compares prometheus as a Value",
        [asking(TOTAL, metricType="AverageValue"), unscaled()],
    ),
    (
        "scalers",
        [asking("sum(vllm:num_requests_waiting)"), unscaled()],
        "without a namespace",
        [asking(TOTAL), unscaled()],
    ),
    (
        "scalers",
        [asking('vllm:num_requests_waiting{namespace="a"}'), unscaled()],
        "without a sum",
        [asking(TOTAL), unscaled()],
    ),
    (
        "scalers",
        [scaled_object({"type": "cpu", "metadata": {"value": "80"}}), unscaled(copy.deepcopy(GPU))],
        "scales by cpu, which says nothing",
        [scaled_object({"type": "cpu", "metadata": {"value": "80"}}), unscaled()],
    ),
    ("scalers", [scaler(), unscaled(copy.deepcopy(GPU))], "scales by cpu", [scaler(), unscaled()]),
    (
        "scalers",
        [scaled_object({"metadata": {"query": TOTAL}}, minReplicaCount=3, maxReplicaCount=2), unscaled()],
        "at least 3 pods and at most 2",
        [scaled_object({"metadata": {"query": TOTAL}}, minReplicaCount=2, maxReplicaCount=2), unscaled()],
    ),
    (
        "scalers",
        [asking(TOTAL, authenticationRef={"name": "a"}), unscaled()],
        "refers to TriggerAuthentication/a",
        [asking(TOTAL, authenticationRef={"name": "a", "kind": "ClusterTriggerAuthentication"}), unscaled()],
    ),
    (
        "scalers",
        [other("keda.sh/v1alpha1", "TriggerAuthentication", secretTargetRef=KEY)],
        "refers to Secret/a",
        [other("keda.sh/v1alpha1", "TriggerAuthentication", secretTargetRef=KEY), core("Secret")],
    ),
    (
        "queries",
        [asking('max(vllm:gpu_cache_usage_perc{namespace="a"})'), unscaled()],
        "trigger 0: asks for vllm:gpu_cache_usage_perc, which vLLM 0.33.0 does not export",
        [asking('max(vllm:kv_cache_usage_perc{namespace="a"})'), unscaled()],
    ),
    (
        "queries",
        [BY_MODEL, deployment()],
        "rule Slow: chooses vllm:num_requests_waiting by the label model, which it does not have",
        [
            rules({"alert": "Slow", "expr": "sum by (pod) (vllm:num_requests_waiting{model_name='a'}) > 5"}),
            deployment(),
        ],
    ),
    # Without pods whoever scrapes them is elsewhere, and so are the labels that a monitor there sets.
    ("queries", [BY_MODEL, monitor("variant")], "by the label model, which it does not have", [BY_MODEL]),
    (
        "queries",
        [BY_MODEL, deployment()],
        "by the label model, which it does not have",
        [BY_MODEL, annotated(deployment())],
    ),
    (
        "queries",
        [rules({"alert": "Slow", "expr": "sum(vllm:num_requests_waiting)", "annotations": POD_SHOWN})],
        "rule Slow: shows the label pod, which its result does not have",
        [
            rules(
                {
                    "alert": "Slow",
                    "expr": "sum by (pod) (vllm:num_requests_waiting)",
                    "annotations": POD_SHOWN,
                }
            )
        ],
    ),
    (
        "queries",
        [rules({"record": "vllm:waiting", "expr": "sum("})],
        "rule vllm:waiting: is no PromQL: unclosed left parenthesis",
        [
            rules(
                {"record": "vllm:waiting", "expr": "sum(vllm:num_requests_waiting)"},
                {"alert": "Slow", "expr": "vllm:waiting > 5"},
            )
        ],
    ),
    (
        "queries",
        [dashboard({"title": "Queue", "targets": [{"expr": "sum(vllm:num_request_waiting)"}]})],
        "a.json: panel 'Queue': asks for vllm:num_request_waiting",
        [
            dashboard(
                {
                    "title": "Queue",
                    "targets": [{"expr": 'rate(vllm:generation_tokens_total{pod="$pod"}[$__rate_interval])'}],
                }
            )
        ],
    ),
    (
        "queries",
        [dashboard(variable="label_values(vllm:num_requests_running, model)"), deployment()],
        "a.json: variable model: shows the label model, which its result does not have",
        [
            dashboard(variable="label_values(vllm:num_requests_running, model_name)"),
            dashboard(variable="label_names()"),
            deployment(),
        ],
    ),
    (
        "queries",
        [{**dashboard(), "data": {"a.json": "{"}}],
        "a.json: is no JSON",
        [dashboard(variable="query_result(sum by (pod) (vllm:num_requests_running))")],
    ),
    (
        "queries",
        [rules({"record": "a", "expr": "sum by (variant) (vllm:num_requests_running)"}), deployment()],
        "groups sum by the label variant, which nothing in it has",
        [rules({"record": "a", "expr": "sum by (variant) (vllm:num_requests_running)"}), monitor("variant")],
    ),
    (
        "disruption",
        [budget({"matchLabels": {"app": "b"}}, maxUnavailable=1), deployment()],
        "is that of no workload",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), deployment()],
    ),
    ("disruption", [budget({}, maxUnavailable=1)], "has no selector", []),
    (
        "disruption",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group(labels={"app": "b"})],
        "leaves out pods of the groups",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group()],
    ),
    (
        "disruption",
        [budget({"matchLabels": LABELS}, maxUnavailable=1), group(), {**group(), "metadata": {"name": "b"}}],
        "is that of no workload",
        [],
    ),
]
