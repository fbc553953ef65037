"""The real prometheus-adapter beside a local cluster: it gives HPAs the pods' own metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts
from charttest.controllers import beside

if TYPE_CHECKING:
    from charttest.cluster import LocalCluster
    from charttest.controllers.prometheus import Prometheus

NAMESPACE = "prometheus-adapter"
API = "custom.metrics.k8s.io/v1beta1"


def start(cluster: LocalCluster, prometheus: Prometheus, rules: list[dict[str, Any]]) -> None:
    """Run it with these rules for custom metrics until the cluster ends; returns when it answers."""
    folder, port = beside.folder(cluster, "prometheus-adapter"), beside.free_port()
    (folder / "config.yaml").write_text(yaml.safe_dump({"rules": rules}), encoding="utf-8")
    cluster.kubectl.apply(beside.namespace(NAMESPACE))
    command = [
        str(parts.find("prometheus-adapter")),
        f"--config={folder / 'config.yaml'}",
        f"--lister-kubeconfig={cluster.kubeconfig}",
        f"--authentication-kubeconfig={cluster.kubeconfig}",
        f"--authorization-kubeconfig={cluster.kubeconfig}",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
        f"--prometheus-url={prometheus.url}",
        f"--prometheus-ca-file={folder / 'ca.crt'}",
        # Its list of series is one interval old, and it forgets a series after the age.
        "--metrics-relist-interval=5s",
        "--metrics-max-age=5m",
    ]
    cluster.add("prometheus-adapter", command, lambda: beside.listens(port))
    beside.serve_api(cluster, "prometheus-adapter", NAMESPACE, API, port)
