"""An hour of every series that the chart's dashboards ask for: two models, four engines, four GPUs, three scalers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

START = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
END = START + 3600
STEP = 15
BEFORE = 300  # rates look back
RELEASE = {"namespace": "llm", "release": "prod"}
ENGINES = [
    {"model": "qwen3-8b", "variant": "default", "role": "server", "pod": "prod-qwen3-8b-7d9f6c5b4-2xkqz"},
    {"model": "qwen3-8b", "variant": "default", "role": "server", "pod": "prod-qwen3-8b-7d9f6c5b4-p8w7m"},
    {"model": "llama-70b", "variant": "h100", "role": "prefill", "pod": "prod-llama-70b-h100-prefill-0"},
    {"model": "llama-70b", "variant": "h100", "role": "decode", "pod": "prod-llama-70b-h100-decode-0"},
]
SCALERS = ("prod-qwen3-8b", "keda-hpa-prod-llama-70b", "prod-tiny")
# Buckets of vLLM 0.33.0 (v1/metrics/loggers.py), a part of them.
FIRST = (0.1, 0.25, 0.5, 0.75, 1, 2.5, 5)
BETWEEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.2)
WHOLE = (0.5, 1, 2.5, 5, 10, 20, 40, 60)
LENGTHS = (50, 100, 200, 500, 1000, 2000, 5000)
HISTOGRAMS = {  # each with the scale of its values
    "time_to_first_token_seconds": (FIRST, 0.3),
    "inter_token_latency_seconds": (BETWEEN, 0.03),
    "e2e_request_latency_seconds": (WHOLE, 8),
    "request_queue_time_seconds": (WHOLE, 0.4),
    "request_prefill_time_seconds": (WHOLE, 0.5),
    "request_decode_time_seconds": (WHOLE, 7),
    "request_prompt_tokens": (LENGTHS, 400),
    "request_generation_tokens": (LENGTHS, 150),
}


@dataclass
class Page:
    """Lines of OpenMetrics, and the sums that its counters have reached."""

    lines: list[str] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)

    def gauge(self, name: str, labels: dict[str, str], value: float, when: int) -> None:
        told = ",".join(f'{key}="{text}"' for key, text in labels.items())
        self.lines.append(f"{name}{{{told}}} {value:.6g} {when}")

    def counter(self, name: str, labels: dict[str, str], rate: float, when: int) -> None:
        """Grows by so much a second."""
        key = f"{name}{sorted(labels.items())}"
        self.sums[key] = self.sums.get(key, 0.0) + rate * STEP
        self.gauge(name, labels, round(self.sums[key], 3), when)


def page() -> str:
    """The whole hour, and a little before it, as `promtool tsdb create-blocks-from openmetrics` reads it."""
    made = Page()
    for when in range(START - BEFORE, END + STEP, STEP):
        for number, labels in enumerate(ENGINES):
            _engine(made, {**RELEASE, **labels}, number, when)
        _scalers(made, when)
        for gpu in range(4):
            _gpu(made, gpu, when)
    return "\n".join([*made.lines, "# EOF", ""])


def course(when: int, number: int) -> float:
    """How busy the engine of this number is, 0 to 1."""
    return 0.5 + 0.4 * math.sin((when - START) / 500 + number) + 0.08 * math.sin((when - START) / 37 + number)


def _engine(made: Page, labels: dict[str, str], number: int, when: int) -> None:
    own = {**labels, "model_name": labels["model"], "engine": "0"}
    busy = course(when, number)
    rate = 6 * busy
    made.gauge("up", labels, 1, when)
    made.gauge("vllm:num_requests_running", own, round(40 * busy), when)
    made.gauge("vllm:num_requests_waiting", own, round(max(0, 60 * (busy - 0.7))), when)
    made.gauge("vllm:kv_cache_usage_perc", own, busy, when)
    for reason, share in (("stop", 0.8), ("length", 0.17), ("abort", 0.02), ("error", 0.01)):
        made.counter("vllm:request_success_total", {**own, "finished_reason": reason}, share * rate, when)
    made.counter("vllm:generation_tokens_total", own, 150 * rate, when)
    made.counter("vllm:prompt_tokens_total", own, 420 * rate, when)
    made.counter("vllm:prefix_cache_queries_total", own, 420 * rate, when)
    made.counter("vllm:prefix_cache_hits_total", own, 420 * rate * (0.6 - 0.2 * busy), when)
    made.counter("vllm:num_preemptions_total", own, max(0, busy - 0.8), when)
    made.counter(
        "vllm:admission_rejections_total", {**own, "reason": "max_waiting"}, max(0, busy - 0.85), when
    )
    for status, share in (("2xx", 0.97), ("4xx", 0.02), ("5xx", 0.01)):
        http = {**labels, "handler": "/v1/chat/completions", "method": "POST", "status": status}
        made.counter("http_requests_total", http, share * rate, when)
    for name, (edges, scale) in HISTOGRAMS.items():
        for edge in (*edges, math.inf):
            below = 1 - math.exp(-edge / (scale * (0.4 + busy)))
            le = "+Inf" if math.isinf(edge) else f"{edge:.1f}" if edge == int(edge) else f"{edge}"
            made.counter(f"vllm:{name}_bucket", {**own, "le": le}, rate * below, when)


def _scalers(made: Page, when: int) -> None:
    for number, name in enumerate(SCALERS):
        labels = {"namespace": "llm", "horizontalpodautoscaler": name}
        wanted, late = (
            1 + round(1.5 + 1.5 * math.sin((moment - START) / 600 + number)) for moment in (when, when - 120)
        )
        for what, value in (
            ("status_desired_replicas", wanted),
            ("status_current_replicas", late),
            ("spec_min_replicas", 1),
            ("spec_max_replicas", 4 + number),
        ):
            made.gauge(f"kube_horizontalpodautoscaler_{what}", labels, value, when)
        off = {**labels, "condition": "ScalingActive", "status": "false"}
        made.gauge(
            "kube_horizontalpodautoscaler_status_condition", off, number == 2 and when > END - 900, when
        )
        scaled = name.removeprefix("keda-hpa-")
        deployment = {"namespace": "llm", "deployment": scaled}
        made.gauge("kube_deployment_status_replicas_available", deployment, late, when)
        made.gauge("wva_desired_replicas", {"namespace": "llm", "variant_name": scaled}, wanted, when)
        keda = {"namespace": "llm", "scaledObject": scaled}
        made.gauge(
            "keda_scaler_metrics_value", {**keda, "metric": "s0-prometheus"}, 30 * course(when, number), when
        )
        made.counter("keda_scaled_object_errors_total", keda, 0.01 * (number == 2), when)


def _gpu(made: Page, gpu: int, when: int) -> None:
    busy = course(when, gpu)
    where = {"Hostname": "gpu-node-1", "gpu": str(gpu), "namespace": "llm", "pod": ENGINES[gpu]["pod"]}
    for name, value in {
        "GPU_UTIL": round(100 * min(1, 0.3 + busy)),
        "FB_USED": 70000 + 100 * gpu,
        "FB_FREE": 11000 - 100 * gpu,
        "GPU_TEMP": round(45 + 30 * busy),
        "POWER_USAGE": 120 + 560 * busy,
        "SM_CLOCK": 1980 if busy < 0.8 else 1755,
        "XID_ERRORS": 0,
        "UNCORRECTABLE_REMAPPED_ROWS": 0,
    }.items():
        made.gauge(f"DCGM_FI_DEV_{name}", where, value, when)
