"""Targets of a scaler that no load can reach, so that nothing is ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.checks.model import Found, Rule, Subject
from valuegen.scaling import TOLERANCE, is_reachable, requests_at_once, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SHARE = 1.0
MOST_PERCENT = 100.0
LARGEST_BUCKET = (
    2560.0  # of vllm:time_to_first_token_seconds: a quantile is never above it (v1/metrics/loggers.py)
)


def _look(subject: Subject) -> Iterator[Found]:
    scaling = subject.workload.section("autoscaling")
    metrics = scaling.get("metrics") or {}
    if scaling.get("mode") not in ("hpa", "keda"):
        return
    for metric, most, what in (
        ("kvCacheUsage", MOST_SHARE, "usage ends at 1"),
        ("gpuUtilization", MOST_PERCENT, "a GPU is busy at most 100 % of the time"),
        ("timeToFirstTokenSeconds", LARGEST_BUCKET, "vLLM's histogram ends at 2560 s"),
    ):
        target = metrics.get(metric)
        if target is not None and not is_reachable(target, most):
            yield _found(metric, target, what, f"set {most / (1 + TOLERANCE):.3g} or less")
    yield from _running(subject, metrics)
    yield from _waiting(subject, metrics)


def _running(subject: Subject, metrics: dict[str, Any]) -> Iterator[Found]:
    target, result = metrics.get("runningRequests"), subject.result
    if target is None or result is None or not result.fits:
        return
    rows = result.settings.max_num_seqs * result.settings.data_parallel_size
    held, computed = requests_at_once(result), targets(result)
    fix = f"set {computed.running_requests:g}" if computed else "lower it"
    if not is_reachable(target, rows):
        yield _found("runningRequests", target, f"a pod runs at most {rows} requests (max-num-seqs)", fix)
    elif not is_reachable(target, held):
        what = f"the KV cache holds {held} requests of {result.settings.max_model_len} tokens, so only shorter ones"
        yield _found("runningRequests", target, f"{what} reach it", fix, "warning")


def _waiting(subject: Subject, metrics: dict[str, Any]) -> Iterator[Found]:
    target, limit = metrics.get("waitingRequests"), subject.last("max-num-queued-reqs")
    if target is None or limit is None or not str(limit.value).isdecimal():
        return
    if not is_reachable(target, int(str(limit.value))):
        what = f"the engine refuses what exceeds {limit.value} requests in all (max-num-queued-reqs)"
        yield _found("waitingRequests", target, what, "lower it, or raise max-num-queued-reqs")


def _found(metric: str, target: float, what: str, fix: str, level: Any = None) -> Found:
    message = f"a target of {target:g} never adds a pod: {what}, and Kubernetes ignores a difference of 10 %"
    if level == "warning":
        message = (
            f"a target of {target:g} may never add a pod: {what}, and Kubernetes ignores a difference of 10 %"
        )
    return Found(("autoscaling", "metrics", metric), message, fix, level)


RULE = Rule(
    id="scaling-target",
    sentence="A load that fills a pod exceeds its scaler's targets by more than Kubernetes' tolerance.",
    fix="lower the target",
    look=_look,
)
