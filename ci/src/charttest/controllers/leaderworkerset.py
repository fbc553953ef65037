"""The real LeaderWorkerSet controller beside a local cluster, with its webhooks: they give pods their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts
from charttest.controllers import beside

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster import LocalCluster
    from charttest.kubectl import Kubectl

WEBHOOK = "vleaderworkerset.kb.io"
OTHER_DEFINITION = "disaggregatedset.x-k8s.io_disaggregatedsets.yaml"
NAME_LABEL = "leaderworkerset.sigs.k8s.io/name"


def start(cluster: LocalCluster) -> None:
    """Run it until the cluster ends; returns when its webhooks are in force. ClusterError if it dies."""
    folder, port = beside.folder(cluster, "lws"), beside.free_port()
    (folder / "config.yaml").write_text(yaml.safe_dump(_configuration(folder, port)), encoding="utf-8")
    # The same program also manages this kind, and watches it from the start.
    definition = parts.module_dir("sigs.k8s.io/lws") / "config/crd/bases" / OTHER_DEFINITION
    cluster.kubectl("apply", "--server-side", "--filename", str(definition))
    command = [
        str(parts.find("lws")),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--config={folder / 'config.yaml'}",
    ]
    cluster.add("lws", command, lambda: beside.listens(port))
    cluster.kubectl.apply(*_webhooks(folder, port))


def is_there(kubectl: Kubectl) -> bool:
    """Whether a cluster has the controller: its definitions alone do nothing, its webhooks need it."""
    found = kubectl.get("validatingwebhookconfigurations")
    return any(hook["name"] == WEBHOOK for each in found for hook in each.get("webhooks", ()))


def _configuration(folder: Path, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"host": beside.LOOPBACK, "port": port, "certDir": str(folder)},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
    }


def _webhooks(folder: Path, port: int) -> list[dict[str, Any]]:
    """The module's own webhooks, called on loopback; of all pods only those of groups need them."""
    manifests = parts.module_dir("sigs.k8s.io/lws") / "config/webhook/manifests.yaml"
    found = beside.by_url(list(yaml.safe_load_all(manifests.read_text(encoding="utf-8"))), folder, port)
    for configuration in found:
        configuration["metadata"]["name"] = f"lws-{configuration['metadata']['name']}"
        for hook in configuration["webhooks"]:
            if hook["clientConfig"]["url"].endswith("-pod"):
                hook["objectSelector"] = {"matchExpressions": [{"key": NAME_LABEL, "operator": "Exists"}]}
    return found
