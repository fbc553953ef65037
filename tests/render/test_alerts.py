"""Recording rules and alerts, run by Prometheus' own rule engine: each fires on its fault and is silent without it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.render.alert_cases import FAULTS, HEALTHY, NAMESPACE, OTHER_WAYS, SERIES, SILENT, VALUES, Fault
from tests.render.test_refusals_scaling import refusal

from charttest import parts
from valuegen import Gpu, Model, plan
from valuegen.thresholds import Objectives
from valuegen.values import render

if TYPE_CHECKING:
    from charttest.plugin import Chart

RUNBOOKS = Path(__file__).parents[2] / "docs/runbooks"
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


SCRAPED = {"enabled": True}  # it sets the labels that the rules read


def promtool(*args: str) -> str:
    """What promtool says; the test fails when it finds a fault."""
    tool = parts.find("promtool")
    done = subprocess.run([str(tool), *args], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def groups(chart: Chart, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups of the PrometheusRule, as Prometheus Operator hands them on."""
    rendered = chart.render(values, namespace=NAMESPACE)
    found: list[dict[str, Any]] = rendered.one("PrometheusRule").spec["groups"]
    return found


def rules(chart: Chart, values: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in groups(chart, values) for rule in group["rules"]]


@pytest.fixture(scope="module")
def rule_file(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups(chart, VALUES)}))
    return path


def firing(rule_file: Path, series: dict[str, str], minute: int, alerts: set[str]) -> None:
    """Let Prometheus run the rules over these series: at this minute exactly these alerts fire."""
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": FIRING, "eval_time": f"{minute}m", "exp_samples": expected}],
    }
    path = rule_file.with_name("test.yaml")
    path.write_text(
        yaml.safe_dump({"rule_files": [rule_file.name], "evaluation_interval": "1m", "tests": [test]})
    )
    promtool("test", "rules", str(path))


def test_promtool_finds_nothing_to_say_about_the_rules(rule_file: Path) -> None:
    assert re.search(
        r"SUCCESS: \d+ rules found", promtool("check", "rules", "--lint=all", "--lint-fatal", str(rule_file))
    )


def test_every_alert_has_a_fault_to_prove_it(chart: Chart) -> None:
    assert {rule["alert"] for rule in rules(chart, VALUES) if "alert" in rule} == set(FAULTS)


@pytest.mark.parametrize(
    ("alert", "fault"),
    [*FAULTS.items(), *OTHER_WAYS],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_alert_fires_on_its_fault_and_no_other_does(rule_file: Path, alert: str, fault: Fault) -> None:
    firing(rule_file, {**HEALTHY, **fault.series}, fault.minute, {alert, *fault.also})


@pytest.mark.parametrize("state", SILENT)
def test_no_alert_fires(rule_file: Path, state: str) -> None:
    series, minute = SILENT[state]
    firing(rule_file, series, minute, set())


def test_a_fault_that_ends_ends_its_alert(rule_file: Path) -> None:
    name = next(name for name in HEALTHY if name.startswith("vllm:num_preemptions_total"))
    series = {**HEALTHY, name: "0+30x60 1800x340"}
    firing(rule_file, series, 60, {"VllmPreemptionsHigh"})
    firing(rule_file, series, 80, set())


def test_every_recording_rule_yields_samples_in_health(rule_file: Path, chart: Chart) -> None:
    names = sorted({rule["record"] for rule in rules(chart, VALUES) if "record" in rule})
    labels = '{namespace="llm", release="r", model="m"}'
    tests = [
        {"expr": f"count({name}{labels})", "eval_time": "120m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for name in names
    ]
    series = [{"series": name, "values": values} for name, values in HEALTHY.items()]
    path = rule_file.with_name("records.yaml")
    test = {"interval": "1m", "input_series": series, "promql_expr_test": tests}
    path.write_text(
        yaml.safe_dump({"rule_files": [rule_file.name], "evaluation_interval": "1m", "tests": [test]})
    )
    promtool("test", "rules", str(path))


def test_an_alert_tells_who_how_much_and_where_to_read_on(rule_file: Path) -> None:
    text = {
        "summary": "m: the first token comes late",
        "description": "One request in twenty to m (release r, namespace llm) waits longer than 9.01s for its first token; "
        "the limit is 5 s.",
        "runbook_url": "docs/runbooks/VllmTimeToFirstTokenHigh.md",
    }
    labels = {"severity": "warning", "namespace": "llm", "release": "r", "model": "m"}
    test = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values}
            for name, values in {**HEALTHY, **FAULTS["VllmTimeToFirstTokenHigh"].series}.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": "120m",
                "alertname": "VllmTimeToFirstTokenHigh",
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": text}],
            }
        ],
    }
    path = rule_file.with_name("text.yaml")
    path.write_text(
        yaml.safe_dump({"rule_files": [rule_file.name], "evaluation_interval": "1m", "tests": [test]})
    )
    promtool("test", "rules", str(path))


def test_every_alert_has_a_severity_numbers_and_a_page(chart: Chart) -> None:
    for rule in rules(chart, VALUES):
        if "alert" not in rule:
            continue
        name, told = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert "$value" in told["description"], name
        assert told["runbook_url"] == f"docs/runbooks/{name}.md"
        assert told["summary"]


def test_every_page_is_that_of_an_alert_and_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md")}
    assert set(pages) == set(FAULTS)
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n"), name
        assert re.findall(r"^## (.+)$", page, re.M) == ["What it means", "What to look at", "What to do"], (
            name
        )


def test_every_expression_is_about_this_release_alone(chart: Chart) -> None:
    """A selector without the release's labels, or a name that Kubernetes keeps unique, would count other releases."""
    scoped = re.compile(
        r'release="r"|(?:deployment|statefulset|horizontalpodautoscaler|scaledObject)=~"r-|=~"keda-hpa-r-|^\w+\{pod'
    )
    joined = re.compile(
        # These are tied to the release by a join over `up`, or are the controller's own.
        r"^(kube_pod_container_status_restarts_total|DCGM_\w+|wva_\w+|kube_horizontalpodautoscaler_status_current_replicas)\{"
    )
    for rule in rules(chart, VALUES):
        for selector in re.findall(r"[a-zA-Z_:][\w:]*\{[^}]*\}", rule["expr"]):
            assert scoped.search(selector) or joined.search(selector), (rule.get("alert"), selector)
            assert "namespace=" in selector or selector.startswith("wva_optimization"), selector


def test_rules_do_not_grow_with_the_models(chart: Chart) -> None:
    def count(number: int) -> int:
        models = {f"m{index}": {"source": {"uri": "hf://org/m"}} for index in range(number)}
        return len(
            rules(
                chart, {"models": models, "monitoring": {"podMonitor": SCRAPED, "rules": {"enabled": True}}}
            )
        )

    assert count(1) == count(20)


def names(chart: Chart, values: dict[str, Any]) -> set[str]:
    return {rule.get("alert") or rule["record"] for rule in rules(chart, values)}


def release(body: dict[str, Any] | None = None, **ruled: Any) -> dict[str, Any]:
    return {
        "models": {"m": {"source": {"uri": "hf://org/m"}, **(body or {})}},
        "monitoring": {"podMonitor": SCRAPED, "rules": {"enabled": True, **ruled}},
    }


def test_alerts_about_what_a_release_does_not_have_are_left_out(chart: Chart) -> None:
    plain = names(chart, release())
    assert not {name for name in plain if re.match("VllmScaler|VllmVariant|VllmGpu|VllmRequestLatency", name)}
    without = names(chart, release(kubeStateMetrics=False))
    assert plain - without == {"VllmEngineCrashLooping", "VllmReplicasNotReady", "VllmNotScraped"}
    assert {name for name in names(chart, release(dcgm=True)) if name.startswith("VllmGpu")} == {
        name for name in FAULTS if name.startswith("VllmGpu")
    }


@pytest.mark.parametrize("engine", ["sglang", "tgi", "triton"])
def test_rules_of_another_engine_read_its_own_series_and_none_that_it_lacks(
    chart: Chart, engine: str, tmp_path: Path
) -> None:
    found = groups(chart, release({"engine": engine}))
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": found}))
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))
    recorded = {rule["record"] for group in found for rule in group["rules"] if "record" in rule}
    for group in found:
        for rule in group["rules"]:
            assert "vllm:" not in rule["expr"]
            assert set(re.findall(r"vllm_stack:[\w:]+", rule["expr"])) <= recorded


MIXED = release({"variants": {"canary": {"engine": "sglang"}}})
CANARY = 'namespace="llm",release="r",model="m",variant="canary",role="server",pod="r-m-canary-1"'
# Of a model with a variant on vLLM and one on SGLang, whose buckets have other edges.
BOTH_ENGINES = {
    f"vllm:num_requests_running{{{SERIES}}}": "5x20",
    f"sglang:num_running_reqs{{{CANARY}}}": "7x20",
    f"vllm:kv_cache_usage_perc{{{SERIES}}}": "0.3x20",
    f"sglang:token_usage{{{CANARY}}}": "0.6x20",
    f"vllm:generation_tokens_total{{{SERIES}}}": "0+60x20",
    f"sglang:generation_tokens_total{{{CANARY}}}": "0+120x20",
    f'vllm:request_success_total{{{SERIES},finished_reason="stop"}}': "0+60x20",
    f"sglang:num_requests_total{{{CANARY}}}": "0+30x20",
    f'vllm:inter_token_latency_seconds_bucket{{{SERIES},le="0.05"}}': "0+60x20",
    f'vllm:inter_token_latency_seconds_bucket{{{SERIES},le="+Inf"}}': "0+60x20",
    f'sglang:inter_token_latency_seconds_bucket{{{CANARY},le="0.04"}}': "0+0x20",
    f'sglang:inter_token_latency_seconds_bucket{{{CANARY},le="0.08"}}': "0+60x20",
    f'sglang:inter_token_latency_seconds_bucket{{{CANARY},le="+Inf"}}': "0+60x20",
}
# A record, its value with both engines, and with one of them (vLLM's) alone.
JOINED = [
    ("requests_running:sum", 12, 5),
    ("kv_cache_usage:max", 0.6, 0.3),
    ("generation_tokens:rate5m", 3, 1),
    ("requests_finished:rate5m", 1.5, 1),
    ("inter_token_seconds:p50", 0.06, 0.025),
]


@pytest.mark.parametrize(("record", "both", "alone"), JOINED, ids=[row[0] for row in JOINED])
def test_the_engines_of_one_model_are_counted_together(
    chart: Chart, tmp_path: Path, record: str, both: float, alone: float
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups(chart, MIXED)}))
    of_vllm = {name: values for name, values in BOTH_ENGINES.items() if name.startswith("vllm:")}
    labels = f'{{__name__="vllm_stack:{record}",namespace="llm",release="r",model="m"}}'
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f"vllm_stack:{record}",
                    "eval_time": "15m",
                    "exp_samples": [{"labels": labels, "value": value}],
                }
            ],
        }
        for series, value in ((BOTH_ENGINES, both), (of_vllm, alone))
    ]
    path = tmp_path / "test.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml"))
    promtool("test", "rules", str(path))


def test_no_expression_is_that_of_the_first_engine_alone(chart: Chart) -> None:
    """`or` between vectors of one model keeps the first: between engines it stands inside an aggregation only."""
    every = {name: {"engine": name} for name in ("sglang", "tgi")}
    for rule in rules(chart, release({"variants": every})):
        series = set(re.findall(r"\b(vllm|sglang|tgi)[:_](?!stack)", rule["expr"]))
        if len(series) > 1:
            assert re.match(
                r"(sum|max) by \(namespace, release, model\) \(\n  label_replace\(", rule["expr"]
            ), rule


def test_a_model_can_have_thresholds_of_its_own(chart: Chart) -> None:
    ruled = release(models={"m": {"timeToFirstTokenSeconds": 1, "queueSeconds": None}})
    ruled["models"]["n"] = {"source": {"uri": "hf://org/n"}}
    told = [
        (rule["expr"].split("{")[1])
        for rule in rules(chart, ruled)
        if rule.get("alert") in ("VllmTimeToFirstTokenHigh", "VllmQueueTimeHigh")
    ]
    base = 'namespace="llm",release="r"'
    assert told == [
        f'{base},model!~"m"}} > 5',
        f'{base},model="m"}} > 1',
        f'{base},model!~"m"}} > 10',
    ]


def test_thresholds_that_valuegen_writes_are_those_of_the_models_alerts(chart: Chart) -> None:
    made = plan(Model.load("Qwen3-8B"), [Gpu.find("L40S")])
    document = render(made, made.ranked[0], name="m", objectives=Objectives(time_to_first_token=1))
    written = document.data["monitoring"]["rules"]["models"]
    assert not chart.render(document.data).find("PrometheusRule")
    ruled = {**document.data, "monitoring": release(models=written)["monitoring"]}
    told = {rule["alert"]: rule["expr"] for rule in rules(chart, ruled) if 'model="m"' in rule["expr"]}
    limits = {alert: expr.rpartition(" > ")[2] for alert, expr in told.items()}
    assert limits == {
        "VllmTimeToFirstTokenHigh": "1",
        "VllmRequestLatencyHigh": "120",
        "VllmQueueTimeHigh": "1",
    }


def test_an_alert_can_wait_longer_or_shorter_and_says_how_long(chart: Chart) -> None:
    waits = {"VllmEngineDead": "7m", "VllmStartupStuck": "9m", "VllmEngineCrashLooping": "3m"}
    found = {rule["alert"]: rule for rule in rules(chart, release(**{"for": waits})) if "alert" in rule}
    assert {name: found[name]["for"] for name in waits} == waits
    assert "for 7m or more" in found["VllmEngineDead"]["annotations"]["description"]
    assert "began to run 9m ago" in found["VllmStartupStuck"]["annotations"]["description"]
    assert found["VllmModelUnavailable"]["for"] == "1m"
    assert "for" not in found["VllmErrorBudgetBurnFast"]


def test_no_placeholder_is_left_in_what_an_alert_says(chart: Chart) -> None:
    for rule in rules(chart, VALUES):
        assert "[[" not in str(rule), rule


def test_an_alert_that_is_not_there_cannot_wait(chart: Chart) -> None:
    said = refusal(chart, release(**{"for": {"VllmEngineAsleep": "1m"}}))
    assert [line for line in said if "VllmEngineAsleep" in line or "propertyNames" in line], said


def test_the_alerts_that_can_wait_are_those_that_there_are(chart: Chart) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text())
    ruled = schema["properties"]["monitoring"]["properties"]["rules"]["properties"]
    assert set(ruled["for"]["propertyNames"]["enum"]) == set(FAULTS)


REFUSALS = [
    (
        {"labels": {"app.kubernetes.io/name": "x"}},
        "monitoring.rules.labels.app.kubernetes.io/name: the PrometheusRule has this label already; remove it",
    ),
    (
        {"models": {"other": {"queueSeconds": 1}}},
        "monitoring.rules.models.other: there is no such model; remove it, or name one of models",
    ),
]


@pytest.mark.parametrize(("ruled", "line"), REFUSALS, ids=[line.partition(":")[0] for _, line in REFUSALS])
def test_rules_that_cannot_work_are_refused(chart: Chart, ruled: dict[str, Any], line: str) -> None:
    assert refusal(chart, release(**ruled)) == ["vllm-stack cannot render these values:", line]


@pytest.mark.parametrize(
    ("threshold", "value", "message"),
    [
        ("availabilityPercent", 90, "minimum: got 90, want 95"),
        ("availabilityPercent", 100, "exclusiveMaximum: got 100, want 100"),
        ("timeToFirstTokenSeconds", 5000, "maximum: got 5,000, want 2,560"),
        ("kvCacheUsage", 95, "exclusiveMaximum: got 95, want 1"),
    ],
)
def test_a_threshold_that_no_series_can_reach_is_refused(
    chart: Chart, threshold: str, value: float, message: str
) -> None:
    said = refusal(chart, release(thresholds={threshold: value}))
    assert [line for line in said if f"/thresholds/{threshold}" in line and message in line], said
