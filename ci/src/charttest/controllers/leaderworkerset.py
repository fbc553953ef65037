"""The real LeaderWorkerSet controller beside a local cluster, with its webhooks: they give pods their place."""

from __future__ import annotations

import base64
import shutil
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster import LocalCluster
    from charttest.kubectl import Kubectl

LOOPBACK = "127.0.0.1"
WEBHOOK = "vleaderworkerset.kb.io"
OTHER_DEFINITION = "disaggregatedset.x-k8s.io_disaggregatedsets.yaml"
NAME_LABEL = "leaderworkerset.sigs.k8s.io/name"


def start(cluster: LocalCluster) -> None:
    """Run it until the cluster ends; returns when its webhooks are in force. ClusterError if it dies."""
    pki, port = cluster.directory / "pki", _free_port()
    folder = cluster.directory / "lws"
    folder.mkdir()
    # The API server's certificate is one for loopback, too.
    for suffix in ("crt", "key"):
        shutil.copyfile(pki / f"apiserver.{suffix}", folder / f"tls.{suffix}")
    (folder / "config.yaml").write_text(yaml.safe_dump(_configuration(folder, port)), encoding="utf-8")
    # The same program also manages this kind, and watches it from the start.
    definition = parts.module_dir("sigs.k8s.io/lws") / "config/crd/bases" / OTHER_DEFINITION
    cluster.kubectl("apply", "--server-side", "--filename", str(definition))
    command = [
        str(parts.find("lws")),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--config={folder / 'config.yaml'}",
    ]
    cluster.add("lws", command, lambda: _listens(port))
    authority = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    cluster.kubectl.apply(*_webhooks(f"https://{LOOPBACK}:{port}", authority))


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
        "webhook": {"host": LOOPBACK, "port": port, "certDir": str(folder)},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
    }


def _webhooks(url: str, authority: str) -> list[dict[str, Any]]:
    """The module's own webhooks, called on loopback; of all pods only those of groups need them."""
    manifests = parts.module_dir("sigs.k8s.io/lws") / "config/webhook/manifests.yaml"
    found = list(yaml.safe_load_all(manifests.read_text(encoding="utf-8")))
    for configuration in found:
        configuration["metadata"]["name"] = f"lws-{configuration['metadata']['name']}"
        for hook in configuration["webhooks"]:
            path = hook["clientConfig"]["service"]["path"]
            hook["clientConfig"] = {"url": url + path, "caBundle": authority}
            if path.endswith("-pod"):
                hook["objectSelector"] = {"matchExpressions": [{"key": NAME_LABEL, "operator": "Exists"}]}
    return found


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
