"""A package of source that registers metrics in each of the ways in which vLLM does, and the table of it."""

from __future__ import annotations

FILES = {
    "__init__.py": "",
    "_version.py": "__version__ = version = '1.2.3'\n",
    "v1/metrics/loggers.py": """
from prometheus_client import Counter, Gauge, Histogram

from vllm.v1.metrics.buckets import histogram_buckets


class Logger:
    _gauge_cls = Gauge
    _counter_cls = Counter
    _histogram_cls = Histogram

    def __init__(self, config):
        labelnames = ["model_name", "engine"]
        self.running = self._gauge_cls(name="vllm:requests_running", documentation="", labelnames=labelnames)
        waiting_labels = labelnames + ["reason"]
        self.waiting = self._gauge_cls("vllm:requests_waiting", "", waiting_labels)
        if config.speculates:
            names = [("vllm:drafts", "Drafts."), ("vllm:accepted", "Accepted ones.")]
        else:
            names = [("vllm:steps", "Steps.")]
        self.counters = [
            self._counter_cls(name=name, documentation=text, labelnames=labelnames) for name, text in names
        ]
        self.latency = self._histogram_cls(
            name="vllm:latency_seconds",
            documentation="",
            buckets=histogram_buckets("latency", overrides=config.buckets),
            labelnames=labelnames,
        )

    def log_info(self, config):
        labels = config.metrics_info()
        labels["engine"] = ""
        self._gauge_cls(name="vllm:cache_info", documentation="", labelnames=labels.keys())
""",
    "v1/metrics/buckets.py": """
LATENCY: tuple[float, ...] = (0.5, 1.0, 20)
_STATIC_FAMILY_DEFAULTS = {"latency": LATENCY}


def histogram_buckets(family, overrides=None):
    return list((overrides or {}).get(family, _STATIC_FAMILY_DEFAULTS[family]))
""",
    "config/cache.py": """
class CacheConfig:
    SIZES: ClassVar[int] = 3
    block_size: int = 16
    cache_dtype: str = "auto"

    def metrics_info(self):
        return {key: str(value) for key, value in self.__dict__.items()}
""",
    "connector/base.py": """
class Base:
    def __init__(self, labelnames, values):
        self._labelnames = labelnames
""",
    "connector/offload.py": """
from .base import Base

TIER = "tier"


class Names:
    LOADED = "vllm:loaded_bytes"
    SIZE = "vllm:loaded_size"


def definitions(extra):
    found = {Names.LOADED: OffloadingCounterMetadata(documentation="", labelnames=(TIER,))}
    found[Names.SIZE] = OffloadingHistogramMetadata(documentation="", buckets=(1, 10))
    return found


class Metrics(Base):
    def __init__(self, labelnames, values):
        super().__init__(labelnames, values)
        self.saved = self._counter_cls(name="vllm:saved_total", labelnames=self._labelnames + ["outcome"])
""",
    "connector/foreign.py": """
from foreign import NAME
from prometheus_client import Counter

METRIC = Counter(f"vllm:{NAME}", "Of another package.")
""",
    "entrypoints/websocket.py": """
import prometheus_client

connections = prometheus_client.Gauge(name="vllm:connections", documentation="")
""",
    "entrypoints/cli_args.py": """
class BaseFrontendArgs:
    chat_template: str | None = None


class FrontendArgs(BaseFrontendArgs):
    ssl_keyfile: str | None = None
    KINDS: ClassVar[tuple] = ()


def make_arg_parser(parser):
    parser.add_argument("--headless", action="store_true")
""",
    "engine/arg_utils.py": """
def add_cli_args(parser):
    parser.add_argument("model_tag")
    parser.add_argument("--max-model-len", "-l")
""",
}

TABLE = """\
program: vLLM
version: 1.2.3
seal: ""
prefix: "vllm:"
labels: [model_name, engine]
buckets: {latency: [0.5, 1, 20], size: [1, 10]}
metrics:
  vllm:accepted_total: {type: counter, when: speculation}
  vllm:cache_info: {type: gauge, labels: [block_size, cache_dtype, engine]}
  vllm:connections: {type: gauge, labels: []}
  vllm:drafts_total: {type: counter, when: speculation}
  vllm:foreign_total: {type: counter, labels: [], elsewhere: connector/foreign.py}
  vllm:latency_seconds: {type: histogram, buckets: latency}
  vllm:loaded_bytes_total: {type: counter, labels: [model_name, engine, tier]}
  vllm:loaded_size: {type: histogram, buckets: size}
  vllm:requests_running: {type: gauge}
  vllm:requests_waiting: {type: gauge, labels: [model_name, engine, reason]}
  vllm:saved_total: {type: counter, labels: [model_name, engine, outcome]}
  vllm:steps_total: {type: counter, when: no speculation}
"""
FLAGS = frozenset({"chat-template", "headless", "max-model-len", "ssl-keyfile"})
