"""The real prometheus-operator beside a local cluster: it turns ServiceMonitors into a scrape configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest import parts
from charttest.controllers import beside

if TYPE_CHECKING:
    from charttest.cluster import LocalCluster

MODULE = "github.com/prometheus-operator/prometheus-operator"


def start(cluster: LocalCluster) -> None:
    """Run it, with its definitions, until the cluster ends. ClusterError if it dies."""
    beside.define(cluster, parts.module_dir(MODULE) / "example/prometheus-operator-crd")
    keys, port = cluster.directory / "pki", beside.free_port()
    command = [
        str(parts.find("prometheus-operator")),
        f"-apiserver={cluster.server}",
        f"-ca-file={keys / 'ca.crt'}",
        f"-cert-file={keys / 'admin.crt'}",
        f"-key-file={keys / 'admin.key'}",
        f"-web.listen-address={beside.LOOPBACK}:{port}",
        "-kubelet-endpoints=false",
    ]
    cluster.add("prometheus-operator", command, lambda: beside.listens(port))
