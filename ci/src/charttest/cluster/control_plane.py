"""The command line of every part of the control plane. Pure: paths and ports in, arguments out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster.pki import Pki


# Controllers that need a cloud, a real node or certificates nobody asks for here; leaving them out
# starts the manager sooner.
UNUSED_CONTROLLERS = (
    "bootstrap-signer-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "cloud-node-lifecycle-controller",
    "node-ipam-controller",
    "node-route-controller",
    "service-lb-controller",
    "token-cleaner-controller",
)


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one cluster."""

    etcd: int
    etcd_peer: int
    server: int


@dataclass(frozen=True)
class Reached:
    """How the API server is reached; the defaults are for simulated nodes, where no ClusterIP leads anywhere."""

    services: str = "10.97.0.0/16"
    addresses: tuple[str, ...] = ("127.0.0.1", "10.97.0.1")
    nodes: tuple[str, ...] = ()  # real ones, by name


def etcd(binary: Path, data: Path, ports: Ports) -> list[str]:
    """etcd without fsync: the data does not outlive the process."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        str(binary),
        "--name=charttest",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=charttest={peer}",
        "--socket-reuse-port",  # its ports are reserved, see ports.py
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(binary: Path, pki: Pki, ports: Ports, services: str) -> list[str]:
    """The API server, with everything that aggregated APIs and PodSecurity need."""
    return [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.server}",
        "--permit-port-sharing",  # reserved as well
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={services}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--tls-cert-file={pki.server.certificate}",
        f"--tls-private-key-file={pki.server.key}",
        f"--client-ca-file={pki.authority.certificate}",
        f"--service-account-key-file={pki.service_account_public_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--requestheader-client-ca-file={pki.authority.certificate}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki.front_proxy.certificate}",
        f"--proxy-client-key-file={pki.front_proxy.key}",
        # for logs, exec and port-forward on real nodes
        f"--kubelet-client-certificate={pki.admin.certificate}",
        f"--kubelet-client-key={pki.admin.key}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def controller_manager(binary: Path, kubeconfig: Path, pki: Pki) -> list[str]:
    """The controllers; autoscalers look every 2 s instead of every 15."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",  # nobody asks it anything
        "--leader-elect=false",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.authority.certificate}",
        "--use-service-account-credentials",
        # The default of 20 requests a second makes the start wait for itself.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--horizontal-pod-autoscaler-sync-period=2s",
        "--controllers=*," + ",".join(f"-{name}" for name in UNUSED_CONTROLLERS),
    ]


def scheduler(binary: Path, kubeconfig: Path) -> list[str]:
    """The scheduler, as it is in every cluster."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
    ]


def kwok(binary: Path, kubeconfig: Path, stages: Path) -> list[str]:
    """The simulated kubelets: only of nodes that carry kwok's annotation, so that real ones can join."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        f"--config={stages}",
    ]
