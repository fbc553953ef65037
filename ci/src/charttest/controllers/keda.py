"""The real KEDA beside a local cluster: operator, metrics adapter and admission webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts
from charttest.controllers import beside

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster import LocalCluster

NAMESPACE = "keda"
MODULE = "github.com/kedacore/keda/v2"
API = "external.metrics.k8s.io/v1beta1"
VARIABLES = {"WATCH_NAMESPACE": "", "POD_NAMESPACE": NAMESPACE, "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE}


def start(cluster: LocalCluster) -> str:
    """Run all three until the cluster ends; returns when scalers get metrics and are checked at admission.

    What it returns is the address on this machine where the operator's own metrics are scraped.
    """
    folder = beside.folder(cluster, "keda")
    operator, adapter, hooks, metrics = (beside.free_port() for _ in range(4))
    found = parts.find_all(("keda-operator", "keda-adapter", "keda-webhooks"))
    beside.define(cluster, parts.module_dir(MODULE) / "config/crd/bases")
    cluster.kubectl.apply(beside.namespace(NAMESPACE))

    def run(name: str, port: int, *arguments: str) -> None:
        command = (str(found[name]), f"--kubeconfig={cluster.kubeconfig}", f"--cert-dir={folder}", *arguments)
        cluster.add(name, beside.with_environment(VARIABLES, *command), lambda: beside.listens(port))

    unasked, untold = "--health-probe-bind-address=0", "--metrics-bind-address=0"
    address, told = (f"{beside.LOOPBACK}:{port}" for port in (operator, metrics))
    serving = (f"--metrics-service-bind-address={address}", f"--metrics-bind-address={told}")
    run("keda-operator", operator, unasked, *serving)
    run("keda-webhooks", hooks, unasked, untold, f"--port={hooks}")
    run(
        "keda-adapter",
        adapter,
        f"--lister-kubeconfig={cluster.kubeconfig}",
        f"--authentication-kubeconfig={cluster.kubeconfig}",
        f"--authorization-kubeconfig={cluster.kubeconfig}",
        f"--secure-port={adapter}",
        f"--port={beside.free_port()}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
        f"--metrics-service-address={address}",
    )
    beside.serve_api(cluster, "keda-metrics-apiserver", NAMESPACE, API, adapter)
    cluster.kubectl.apply(*_webhooks(folder, hooks))
    return told


def _webhooks(folder: Path, port: int) -> list[dict[str, Any]]:
    """The module's own, but a call that fails is an error here: else a broken one would look like no objection."""
    manifests = parts.module_dir(MODULE) / "config/webhooks/validation_webhooks.yaml"
    found = list(yaml.safe_load_all(manifests.read_text(encoding="utf-8")))
    for configuration in found:
        for hook in configuration["webhooks"]:
            hook["failurePolicy"] = "Fail"
    return beside.by_url(found, folder, port)
