"""The Workload Variant Autoscaler, installed by its chart; its pods run on the node as they would anywhere."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.scaling.course import SECONDS, wait_for

from charttest.controllers.prometheus import ACCOUNT, NAMESPACE
from charttest.images.wva import wva_archive
from charttest.release import Releases

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.release import Release
    from charttest.scaling import ScalingCluster

TAGS = {"annotations": "v0.9.0", "variantautoscaling": "v0.7.0"}


@dataclass
class Controllers:
    """One controller for each api, installed when the first course asks for it; safe to use from several threads."""

    scaling: ScalingCluster
    chart: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _installed: dict[str, Release] = field(default_factory=dict)

    def install(self, api: str) -> Release:
        """The release of the controller that reads this api; returns when Prometheus scrapes it."""
        with self._lock:
            if api not in self._installed:
                self._installed[api] = self._install(api)
            return self._installed[api]

    def _install(self, api: str) -> Release:
        self.scaling.cluster.load_image(wva_archive(TAGS[api]))
        release = Releases(self.scaling.kubectl, self.chart)(timeout_seconds=SECONDS)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "prometheus"},
            "stringData": {"ca.crt": self.scaling.authority},
        }
        release.kubectl.apply(secret, namespace=release.namespace)
        release.install(self.values(api))
        wait_for(f"metrics of {TAGS[api]}", lambda: self.metrics(release))
        return release

    def values(self, api: str) -> dict[str, Any]:
        """What a controller of this cluster needs; it looks as often as it can."""
        return {
            "api": api,
            "prometheus": {"url": self.scaling.prometheus.url, "caSecret": {"name": "prometheus"}},
            "saturation": {"analyzer": "v2" if api == "annotations" else "v1"},
            **({"interval": "3s"} if api == "annotations" else {}),
            "leaderElection": {"leaseSeconds": 15, "renewSeconds": 10, "retrySeconds": 2},
            "metrics": {
                "readers": [{"name": ACCOUNT, "namespace": NAMESPACE}],
                "serviceMonitor": {"enabled": True, "interval": "2s"},
            },
        }

    def metrics(self, release: Release) -> bool:
        """Whether Prometheus reads a controller's metrics."""
        query = f'up{{namespace="{release.namespace}"}} == 1'
        return bool(self.scaling.prometheus.query(query))
