"""A release in health under load: scraped and judged by what the operator hands on, drawn by its dashboards."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.monitoring import grafana
from tests.monitoring.alerts import Watch, rules
from tests.monitoring.exporter import Exporter, scrape_config
from tests.monitoring.told import Told
from tests.scaling.course import SECONDS, wait_for
from tests.scaling.scenarios import prometheus, sign_in

from charttest.load import LoadPod
from charttest.load.shapes import step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.scaling.course import Driver

    from charttest.release import Release

MODEL = "chat"
INTERVAL = f"{grafana.SCRAPE_SECONDS}s"
STACK = {"release": "kube-prometheus-stack"}  # by which that chart's Prometheus selects
# More than its two pods can do, and less than three: some requests wait, and then KEDA adds a pod. One takes 1.2 s.
LOAD = step(1, 8, at=5, seconds=6 * SECONDS)
IDLE_SECONDS = 20  # for which a release is watched that nobody asks anything
ENGINE: dict[str, Any] = {
    "source": {"uri": "hf://org/model"},
    "accelerator": {"product": "NVIDIA-L40S"},
    # With its KV cache in blocks, of which the test engine then tells how much is in use.
    "args": {"max-num-seqs": 4, "max-model-len": 2048, "block-size": 16, "num-gpu-blocks-override": 200},
    "env": {"TEST_ENGINE_TIME_TO_FIRST_TOKEN": "200ms", "TEST_ENGINE_INTER_TOKEN_LATENCY": "50ms"},
    "shutdown": {"preStopSeconds": 1, "drainSeconds": 2},
}


def monitoring(**ruled: Any) -> dict[str, Any]:
    """Everything that the chart has, as often as this Prometheus scrapes."""
    return {
        "podMonitor": {"enabled": True, "interval": INTERVAL, "labels": STACK},
        "rules": {"enabled": True, "interval": INTERVAL, "dcgm": True, "labels": STACK, **ruled},
        "dashboards": {"enabled": True},
    }


def values(driver: Driver) -> dict[str, Any]:
    """One model by KEDA with a variant by the Workload Variant Autoscaler, and one in two roles."""
    scaled = {"mode": "keda", "minReplicas": 1, "maxReplicas": 2, "metrics": {"runningRequests": 3}}
    cheap = {"autoscaling": {"mode": "wva", "metrics": None}}
    return {
        "models": {
            MODEL: {**ENGINE, "autoscaling": scaled, "variants": {"cheap": cheap}},
            "split": {**ENGINE, "role": "decode", "variants": {"prefill": {"role": "prefill"}}},
        },
        "monitoring": monitoring(thresholds={"requestSeconds": 60}),
        "scaling": prometheus(driver),
    }


@dataclass(frozen=True)
class Window:
    """What somebody needs who draws the dashboards of a run: where, of what, and from when to when."""

    url: str
    authority: Path
    """The certificate that the server's own is signed by."""
    namespace: str
    release: str
    model: str
    begin: float
    end: float
    """Seconds since 1970."""
    dashboards: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Live:
    """What came of it."""

    driver: Driver
    release: Release
    watch: Watch
    begin: float
    """When the load began, in seconds since 1970; it still runs."""

    @property
    def window(self) -> Window:
        """From the begin of the load until now."""
        server = self.driver.scaling.prometheus
        return Window(
            url=server.url,
            authority=server.folder / "ca.crt",
            namespace=self.release.namespace,
            release=self.release.name,
            model=MODEL,
            begin=self.begin,
            end=time.time(),
            dashboards=grafana.dashboards(self.release),
        )


@contextmanager
def told(driver: Driver, release: Release, model: str | None = None) -> Iterator[Told]:
    """What a cluster has beside the release: kube-state-metrics, exporters, and KEDA's own metrics, all scraped."""
    made = Told(driver.scaling.cluster.api, release.namespace, model)
    with Exporter({"/replayed": made.replayed, "/objects": made.objects}) as exporter:
        configs = [
            scrape_config("replayed", exporter.address, "/replayed", honorLabels=True),
            scrape_config("kube-state-metrics", exporter.address, "/objects", honorLabels=True),
            scrape_config("keda-operator", driver.scaling.keda, "/metrics", labels={"namespace": "keda"}),
        ]
        release.kubectl.apply(*configs, namespace=release.namespace)
        try:
            yield made
        finally:
            release.kubectl("delete", "scrapeconfigs", "--all", "--namespace", release.namespace)


@contextmanager
def live(driver: Driver, release: Release) -> Iterator[Live]:
    """Installed, idle for a while, then under load until the end of the block."""
    server = driver.scaling.prometheus
    with ExitStack() as ends:
        sign_in(driver, release)
        watch = ends.enter_context(Watch(server, release))
        beside = ends.enter_context(told(driver, release))
        release.install(values(driver))
        wait_for("its rules to be run", lambda: _evaluated(driver, release))
        time.sleep(IDLE_SECONDS)  # what is shown is that nothing happens
        pod = ends.enter_context(LoadPod(release.kubectl, release.namespace, ready_seconds=SECONDS))
        beside.begin_load()
        begin = time.time()
        load = pod.offer(
            f"{release.name}-{MODEL}",
            LOAD,
            model=MODEL,
            max_tokens=20,
            own_words=40,
            timeout_seconds=SECONDS,
        )
        ends.callback(load.stop)
        yield Live(driver, release, watch, begin)


def _evaluated(driver: Driver, release: Release) -> bool:
    """Whether every rule has been run at least once."""
    found = rules(driver.scaling.prometheus, release)
    return bool(found) and all(rule["health"] != "unknown" for rule in found)
