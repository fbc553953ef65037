"""What a recorder reads: replicas from the API server, sums of metrics from engines, results from Prometheus."""

from __future__ import annotations

import json
import math
import re
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

    from charttest.kubectl import Kubectl
    from charttest.load.recorder import Source

DESIRED, READY, QUEUE = "desired replicas", "ready replicas", "queue"
_ANSWER_SECONDS = 5
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{.*\})? (?P<value>\S+)", re.M)


def replicas(kubectl: Kubectl, namespace: str, workload: str) -> Source:
    """The desired and the ready replicas of a workload such as deployment/llm."""

    def read() -> dict[str, float]:
        found = kubectl.get(workload, "--namespace", namespace, f"--request-timeout={_ANSWER_SECONDS}s")
        return {
            DESIRED: found["spec"].get("replicas", 1),
            READY: found.get("status", {}).get("readyReplicas", 0),
        }

    return read


def engines(
    pages: Callable[[], list[str]], metric: str = "vllm:num_requests_waiting", name: str = QUEUE
) -> Source:
    """The sum of a metric over all series of all engines; `pages` tells the URLs of their /metrics now."""

    def read() -> dict[str, float]:
        return {name: sum(total(_get(url), metric) for url in pages())}

    return read


def prometheus(server: str, query: str, name: str = QUEUE) -> Source:
    """The result of a query of one series, as a scaler sees it; nothing while the query has no series.

    ValueError for several: a scaler would not know either which one is meant.
    """

    def read() -> dict[str, float]:
        answer = json.loads(_get(f"{server}/api/v1/query?{urlencode({'query': query})}"))
        found = answer["data"]["result"]
        if len(found) > 1:
            raise ValueError(f"{query}: {len(found)} series: aggregate them")
        value = float(found[0]["value"][1]) if found else math.nan
        return {} if math.isnan(value) else {name: value}

    return read


def total(page: str, metric: str) -> float:
    """The sum of all series of a metric on a page of Prometheus's text format; 0.0 without any."""
    found = (match for match in _SAMPLE.finditer(page) if match["name"] == metric)
    return sum((float(match["value"]) for match in found), 0.0)


def _get(url: str) -> str:
    # ProxyHandler({}): a proxy of the environment is not the way to a cluster of this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_ANSWER_SECONDS) as response:
        text: str = response.read().decode()
        return text
