"""What Prometheus sees of one release: in health, and with each fault that an alert is for."""

from __future__ import annotations

from typing import Any, NamedTuple

NAMESPACE = "llm"
MINUTES = 400  # how long every series is
ENGINE = 'namespace="llm",release="r",model="m",variant="main",role="server",pod="r-m-1"'
SERIES = f'{ENGINE},engine="0",model_name="m"'
VARIANT = ENGINE.replace("main", "cheap").replace("r-m-1", "r-m-cheap-1") + ',llm_d_ai_variant="r-m-cheap"'
DEPLOYMENT = 'namespace="llm",deployment="r-m"'
GROUP = 'namespace="llm",statefulset="r-large-lws-1"'
HPA = 'namespace="llm",horizontalpodautoscaler="keda-hpa-r-m"'
GPU = 'namespace="llm",pod="r-m-1",gpu="0",Hostname="node-1"'
KEDA_ERRORS = 'keda_scaled_object_errors_total{namespace="keda",exported_namespace="llm",scaledObject="r-m"}'
INACTIVE = f'kube_horizontalpodautoscaler_status_condition{{{HPA},condition="ScalingActive",status="false"}}'
# The release that the cases are about: every kind of workload and scaler.
VALUES: dict[str, Any] = {
    "models": {
        "m": {
            "source": {"uri": "hf://org/m"},
            "autoscaling": {"mode": "keda", "metrics": {"waitingRequests": 5}},
            "variants": {"cheap": {"autoscaling": {"mode": "wva", "metrics": None}}},
        },
        "large": {"source": {"uri": "hf://org/large"}, "parallelism": {"tensor": 2, "nodes": 2}},
    },
    "scaling": {"prometheus": {"serverAddress": "http://prometheus:9090"}},
    "monitoring": {
        "podMonitor": {"enabled": True},
        "rules": {
            "enabled": True,
            "dcgm": True,
            "thresholds": {"requestSeconds": 60},
            "models": {"large": {"timeToFirstTokenSeconds": 1, "gpuCelsius": 80}},
        },
    },
}


def constant(value: float) -> str:
    return f"{value}x{MINUTES}"


def growing(each_minute: float) -> str:
    return f"0+{each_minute}x{MINUTES}"


def histogram(name: str, slowest: str, fast: float = 60, slow: float = 0) -> dict[str, str]:
    """A histogram into which fall `fast` events a minute below 0.1 s, and `slow` ones up to the edge `slowest`."""
    edges = {"0.1": fast, slowest: fast + slow, "+Inf": fast + slow}
    return {f'{name}_bucket{{{SERIES},le="{edge}"}}': growing(count) for edge, count in edges.items()}


def finished(reason: str) -> str:
    return f'vllm:request_success_total{{{SERIES},finished_reason="{reason}"}}'


def http(status: str) -> str:
    return f'http_requests_total{{{ENGINE},handler="/v1/completions",method="POST",status="{status}"}}'


LATENCIES = {
    "vllm:time_to_first_token_seconds": "10",
    "vllm:inter_token_latency_seconds": "0.5",
    "vllm:e2e_request_latency_seconds": "120",
    "vllm:request_queue_time_seconds": "20",
}
ENGINES = {
    f"up{{{ENGINE}}}": constant(1),
    f"up{{{VARIANT}}}": constant(1),
    f"vllm:num_requests_running{{{SERIES}}}": constant(5),
    f"vllm:num_requests_waiting{{{SERIES}}}": constant(0),
    f"vllm:kv_cache_usage_perc{{{SERIES}}}": constant(0.4),
    f"vllm:prompt_tokens_total{{{SERIES}}}": growing(6000),
    f"vllm:generation_tokens_total{{{SERIES}}}": growing(9000),
    f"vllm:prefix_cache_queries_total{{{SERIES}}}": growing(6000),
    f"vllm:prefix_cache_hits_total{{{SERIES}}}": growing(3000),
    f"vllm:num_preemptions_total{{{SERIES}}}": growing(0),
    f'vllm:admission_rejections_total{{{SERIES},reason="max_num_queued_reqs"}}': growing(0),
    finished("stop"): growing(60),
    finished("abort"): growing(0.6),
    finished("error"): growing(0),
    http("2xx"): growing(60),
    **{
        name: values for metric, edge in LATENCIES.items() for name, values in histogram(metric, edge).items()
    },
}
CLUSTER = {
    f"kube_deployment_spec_replicas{{{DEPLOYMENT}}}": constant(2),
    f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}": constant(2),
    f"kube_statefulset_replicas{{{GROUP}}}": constant(1),
    f"kube_statefulset_status_replicas_ready{{{GROUP}}}": constant(1),
    'kube_pod_container_status_restarts_total{namespace="llm",pod="r-m-1",container="engine"}': constant(0),
    f"kube_horizontalpodautoscaler_status_desired_replicas{{{HPA}}}": constant(2),
    f"kube_horizontalpodautoscaler_status_current_replicas{{{HPA}}}": constant(2),
    f"kube_horizontalpodautoscaler_spec_max_replicas{{{HPA}}}": constant(4),
    f"kube_horizontalpodautoscaler_spec_min_replicas{{{HPA}}}": constant(1),
    INACTIVE: constant(0),
    KEDA_ERRORS: constant(0),
    'wva_desired_replicas{namespace="wva",exported_namespace="llm",variant_name="r-m-cheap"}': constant(1),
    'wva_optimization_duration_seconds_count{namespace="wva",status="success"}': growing(2),
    f"DCGM_FI_DEV_XID_ERRORS{{{GPU}}}": constant(0),
    f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{GPU}}}": constant(0),
    f"DCGM_FI_DEV_ROW_REMAP_FAILURE{{{GPU}}}": constant(0),
    f"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{{GPU}}}": constant(0),
    f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}}": constant(60),
    f"DCGM_FI_DEV_FB_USED{{{GPU}}}": constant(74000),
    f"DCGM_FI_DEV_FB_FREE{{{GPU}}}": constant(6000),
}
HEALTHY = {**ENGINES, **CLUSTER}
# Engines that run and are asked nothing: no counter moves.
IDLE = {**HEALTHY, **{name: "7x400" for name, values in ENGINES.items() if values.startswith("0+")}}
# No pod at all, as a scaler leaves it: the HPA says that it is not active then.
ZERO = {
    **CLUSTER,
    f"kube_deployment_spec_replicas{{{DEPLOYMENT}}}": constant(0),
    f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}": constant(0),
    f"kube_statefulset_replicas{{{GROUP}}}": constant(0),
    f"kube_statefulset_status_replicas_ready{{{GROUP}}}": constant(0),
    f"kube_horizontalpodautoscaler_status_desired_replicas{{{HPA}}}": constant(0),
    f"kube_horizontalpodautoscaler_status_current_replicas{{{HPA}}}": constant(0),
    INACTIVE: constant(1),
}
NEW_POD = f"up{{{ENGINE.replace('r-m-1', 'r-m-2')}}}"
# States in which nothing may be said, and the minute at which it is looked.
SILENT: dict[str, tuple[dict[str, str], int]] = {
    "healthy": (HEALTHY, 180),
    "idle": (IDLE, 180),
    "scaled to zero": (ZERO, 180),
    # Twelve of the fifteen minutes of its budget.
    "one more pod starts": ({**HEALTHY, NEW_POD: "_x100 0x12 1x288"}, 112),
    "woken from zero": ({**ZERO, NEW_POD: "_x100 0x12 1x288"}, 112),
    # A model is installed and loads: the scalers cannot read what no engine tells yet, for fourteen minutes.
    "the first pod starts": (
        {
            **ZERO,
            NEW_POD: "_x100 0x14 1x285",
            f"kube_deployment_spec_replicas{{{DEPLOYMENT}}}": "0x100 1x300",
            f"kube_horizontalpodautoscaler_status_current_replicas{{{HPA}}}": "0x100 1x300",
            INACTIVE: "0x100 1x14 0x285",
            KEDA_ERRORS: "0x100 2+2x13 28x286",
        },
        118,
    ),
    # The old pod goes, and the new one, of another name, loads the model.
    "the only pod is replaced": ({**HEALTHY, f"up{{{ENGINE}}}": "1x100 stale", NEW_POD: "_x100 0x12"}, 110),
    "one of few requests fails": (
        {
            **IDLE,
            http("5xx"): "0x100 1x300",
            finished("error"): "7x100 8x300",
            finished("abort"): "7x100 9x300",
        },
        103,
    ),
    "one scrape is missed": ({**HEALTHY, f"up{{{ENGINE}}}": "1x100 0 1x299"}, 101),
}


class Fault(NamedTuple):
    """What differs from health, the minute at which it is looked, and what else it must raise."""

    series: dict[str, str]
    minute: int = 120
    also: tuple[str, ...] = ()


def slow(metric: str) -> Fault:
    return Fault(histogram(metric, LATENCIES[metric], fast=30, slow=30))


FAULTS: dict[str, Fault] = {
    # A fifth of the requests: a burn rate of 40.
    "VllmErrorBudgetBurnFast": Fault({http("5xx"): growing(15)}, also=("VllmErrorBudgetBurnSlow",)),
    # Two in a hundred: a burn rate of 4.
    "VllmErrorBudgetBurnSlow": Fault({http("5xx"): growing(1.2)}, 240),
    "VllmModelUnavailable": Fault(
        {f"up{{{ENGINE}}}": "1x60 0x340", f"up{{{VARIANT}}}": "1x60 0x340"}, 62, also=()
    ),
    "VllmEngineDead": Fault({f"up{{{ENGINE}}}": "1x60 0x340"}, 70),
    "VllmStartupStuck": Fault({NEW_POD: constant(0)}, 60),
    "VllmEngineCrashLooping": Fault(
        {
            'kube_pod_container_status_restarts_total{namespace="llm",pod="r-m-1",container="engine"}': "0+0.2x400"
        }
    ),
    "VllmReplicasNotReady": Fault(
        {f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}": constant(1)}
    ),
    "VllmNotScraped": Fault({**dict.fromkeys(ENGINES, "_x400")}),
    "VllmTimeToFirstTokenHigh": slow("vllm:time_to_first_token_seconds"),
    "VllmInterTokenLatencyHigh": slow("vllm:inter_token_latency_seconds"),
    "VllmRequestLatencyHigh": slow("vllm:e2e_request_latency_seconds"),
    "VllmQueueTimeHigh": slow("vllm:request_queue_time_seconds"),
    "VllmKvCacheFull": Fault(
        {
            f"vllm:kv_cache_usage_perc{{{SERIES}}}": constant(0.99),
            f"vllm:num_requests_waiting{{{SERIES}}}": constant(12),
        }
    ),
    "VllmPreemptionsHigh": Fault({f"vllm:num_preemptions_total{{{SERIES}}}": growing(30)}),
    "VllmRequestsAborted": Fault({finished("abort"): growing(40)}),
    "VllmRequestsFailed": Fault({finished("error"): growing(6)}),
    "VllmAdmissionRejected": Fault(
        {f'vllm:admission_rejections_total{{{SERIES},reason="max_num_queued_reqs"}}': growing(6)}
    ),
    "VllmScalerAtMaximum": Fault(
        {f"kube_horizontalpodautoscaler_status_desired_replicas{{{HPA}}}": constant(4)}
    ),
    "VllmScalerWithoutMetrics": Fault({INACTIVE: constant(1)}),
    "VllmVariantAutoscalerStalled": Fault(
        {'wva_desired_replicas{namespace="wva",exported_namespace="llm",variant_name="r-m-cheap"}': "_x400"}
    ),
    "VllmGpuError": Fault({f"DCGM_FI_DEV_XID_ERRORS{{{GPU}}}": "0x60 79x340"}, 65),
    "VllmGpuMemoryError": Fault({f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{GPU}}}": "0x60 2x340"}, 65),
    "VllmGpuHot": Fault({f"DCGM_FI_DEV_GPU_TEMP{{{GPU}}}": constant(91)}),
    "VllmGpuMemoryFull": Fault({f"DCGM_FI_DEV_FB_FREE{{{GPU}}}": constant(700)}),
}
# More ways to the same alert.
OTHER_WAYS: list[tuple[str, Fault]] = [
    ("VllmReplicasNotReady", Fault({f"kube_statefulset_status_replicas_ready{{{GROUP}}}": constant(0)})),
    (
        "VllmScalerWithoutMetrics",
        Fault({KEDA_ERRORS: growing(1)}),
    ),
    (
        # KEDA scraped with honorLabels.
        "VllmScalerWithoutMetrics",
        Fault({'keda_scaled_object_errors_total{namespace="llm",scaledObject="r-m"}': growing(1)}),
    ),
    (
        # The controller runs, and finishes no round.
        "VllmVariantAutoscalerStalled",
        Fault({'wva_optimization_duration_seconds_count{namespace="wva",status="success"}': constant(9)}),
    ),
    ("VllmGpuMemoryError", Fault({f"DCGM_FI_DEV_ROW_REMAP_FAILURE{{{GPU}}}": constant(1)})),
    ("VllmGpuMemoryError", Fault({f"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{{GPU}}}": "0x100 1x300"})),
    # Nobody counts as finished while all are pushed out again and again.
    (
        "VllmPreemptionsHigh",
        Fault(
            {
                f"vllm:num_preemptions_total{{{SERIES}}}": growing(30),
                finished("stop"): constant(9),
                finished("abort"): constant(0),
            }
        ),
    ),
]
