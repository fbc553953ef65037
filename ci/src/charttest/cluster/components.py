"""The command line of every part, and in which order they can start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.cluster.nodepools import FAKE
from charttest.cluster.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"  # the first address of the range, which the API server gives itself

FIRST = ("etcd", "kube-apiserver")
THEN = ("kube-controller-manager", "kube-scheduler", "kwok")  # need a ready API server
PARTS = (*FIRST, *THEN)

# controllers that would only idle or complain: there is no cloud, no node network, no volume to attach
_IDLE_CONTROLLERS = (
    "cloud-node-lifecycle-controller",
    "node-ipam-controller",
    "node-route-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-expander-controller",
    "service-lb-controller",
    "legacy-serviceaccount-token-cleaner-controller",
)


@dataclass(frozen=True)
class Layout:
    """Where things are: the directory, and the ports on loopback."""

    directory: Path
    api_port: int
    etcd_port: int
    peer_port: int

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.directory / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def stages(self) -> Path:
        """Kwok's configuration."""
        return self.directory / "stages.yaml"

    @property
    def api_url(self) -> str:
        """The address of the API server."""
        return f"https://{LOOPBACK}:{self.api_port}"


def command(part: str, binaries: Mapping[str, Path], layout: Layout) -> list[str | Path]:
    """Return what starts a part."""
    return [binaries[part], *_FLAGS[part](layout)]


def _etcd(at: Layout) -> list[str]:
    client, peer = f"http://{LOOPBACK}:{at.etcd_port}", f"http://{LOOPBACK}:{at.peer_port}"
    return [
        "--name=node0",
        f"--data-dir={at.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=node0={peer}",
        "--socket-reuse-port",  # the port is reserved, see ports.py
        "--unsafe-no-fsync",  # the data is thrown away with the cluster
        "--log-level=warn",
    ]


def _apiserver(at: Layout) -> list[str]:
    return [
        f"--etcd-servers=http://{LOOPBACK}:{at.etcd_port}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={at.api_port}",
        "--permit-port-sharing",
        "--endpoint-reconciler-type=none",  # loopback is no address for an Endpoints object
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
        f"--tls-cert-file={at.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={at.pki / 'apiserver.key'}",
        f"--client-ca-file={at.pki / 'ca.crt'}",
        f"--service-account-key-file={at.pki / 'sa.pub'}",
        f"--service-account-signing-key-file={at.pki / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        # aggregated metrics APIs need the request headers and the proxy's certificate
        f"--requestheader-client-ca-file={at.pki / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={at.pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={at.pki / 'front-proxy.key'}",
        "--profiling=false",
    ]


def _controller_manager(at: Layout) -> list[str]:
    # No --use-service-account-credentials: a client per controller costs seconds at every start.
    return [
        f"--kubeconfig={at.kubeconfig}",
        f"--service-account-private-key-file={at.pki / 'sa.key'}",
        f"--root-ca-file={at.pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={at.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={at.pki / 'ca.key'}",
        "--controllers=*," + ",".join(f"-{name}" for name in _IDLE_CONTROLLERS),
        "--horizontal-pod-autoscaler-sync-period=2s",
        f"--flex-volume-plugin-dir={at.directory / 'flex'}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--leader-elect=false",
        "--secure-port=0",  # nobody asks it anything
        "--profiling=false",
    ]


def _scheduler(at: Layout) -> list[str]:
    return [
        f"--kubeconfig={at.kubeconfig}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]


def _kwok(at: Layout) -> list[str]:
    return [
        f"--kubeconfig={at.kubeconfig}",
        f"--config={at.stages}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={FAKE}=fake",
        "--node-lease-duration-seconds=40",
    ]


_FLAGS = {
    "etcd": _etcd,
    "kube-apiserver": _apiserver,
    "kube-controller-manager": _controller_manager,
    "kube-scheduler": _scheduler,
    "kwok": _kwok,
}
