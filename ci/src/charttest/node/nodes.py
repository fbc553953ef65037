"""The real nodes of a cluster: their network, and their parts in the order in which they come up."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charttest.cluster import kubeconfig
from charttest.cluster.control_plane import Reached
from charttest.errors import ClusterError
from charttest.node import addresses, cgroups, commands, configuration, machine, namespaces, network
from charttest.node.requirements import search_path
from charttest.quantity import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from charttest.cluster.nodepools import NodePool
    from charttest.cluster.pki import Pki
    from charttest.kubectl import Kubectl
    from charttest.node.addresses import Addresses
    from charttest.node.namespaces import Namespaces, Run

CNI_PLUGINS = ("bridge", "host-local")
BINARIES = (
    *CNI_PLUGINS,
    "containerd",
    "containerd-shim-runc-v2",
    "coredns",
    "ctr",
    "kube-proxy",
    "kubelet",
    "pause",
)


@dataclass(frozen=True)
class Node:
    """One real node: its folder (the parts see it as /run/node) and the namespaces it lives in."""

    name: str
    number: int
    folder: Path
    pool: NodePool
    namespaces: Namespaces

    def inside(self, *command: str) -> list[str]:
        """`command` as a part of the node runs it."""
        path = f"PATH={configuration.HOME}/bin:{search_path()}"
        return self.namespaces.inside("env", path, *command)


@dataclass
class Nodes:
    """The real nodes of the cluster in `folder`; `run` starts and records a part of it.

    `binaries` are those of BINARIES and kubectl.
    """

    folder: Path
    pools: Iterable[NodePool]
    run: Run
    binaries: dict[str, Path]
    addresses: Addresses = field(init=False)
    _switch: Namespaces = field(init=False)
    _nodes: list[Node] = field(default_factory=list)

    def connect(self) -> Reached:
        """The network, before the API server needs its addresses. Call it with the clusters' lock held."""
        self.addresses = plan = addresses.free(commands.used_networks())
        own = network.link(self.folder)
        self._switch = switch = namespaces.network(self.run, "switch", self.binaries["pause"])
        commands.run_all(
            (
                f"ip link add {own} type veth peer name host netns {switch.pid}",
                f"ip address add {plan.host}/24 dev {own}",
                f"ip link set {own} up",
            )
        )
        self._in_namespaces(
            switch,
            "ip link set lo up",
            "ip link add switch type bridge",
            f"ip address add {plan.switch}/24 dev switch",
            "ip link set host master switch up",
            "ip link set switch up",
        )
        names = tuple(name for pool in self.pools for name in pool.names)
        return Reached(plan.services, ("127.0.0.1", plan.host, plan.switch, plan.kubernetes_service), names)

    def prepare(self) -> None:
        """Namespaces, network and containerd of every node; the API server need not be there yet."""
        (self.folder / "volumes").mkdir()
        named = [(name, pool) for pool in self.pools for name in pool.names]
        for number, (name, pool) in enumerate(named):
            folder = self.folder / name
            folder.mkdir()
            own = namespaces.machine(self.run, name, self.binaries["pause"])
            node = Node(name, number, folder, pool, own)
            self._nodes.append(node)
            self._start_containerd(node)
        for node in self._nodes:
            self._plug_in(node)
        commands.run_all(
            f"ip route add {behind} via {gateway} dev {network.link(self.folder)}"
            for behind, gateway in self._ways()
        )

    def start(self, certificates: Pki, server_port: int) -> None:
        """kubelet and kube-proxy of every node, DNS, and the way to the API server, which must be up."""
        plan = self.addresses
        gateway = [sys.executable, "-m", "charttest.node.gateway", str(self._switch.network)]
        self.run("gateway", [*gateway, plan.switch, str(addresses.API_PORT), str(server_port)])
        volumes = [sys.executable, "-m", "charttest.node.volumes", str(self.binaries["kubectl"])]
        self.run("volumes", [*volumes, str(self.folder / "kubeconfig"), str(self.folder / "volumes")])
        for node in self._nodes:
            self._start_kubelet(node, certificates)
        access = self.folder / "coredns.kubeconfig"
        kubeconfig.write(access, "coredns", self._server, certificates.authority, certificates.admin)
        config = self.folder / "Corefile"
        config.write_text(configuration.coredns(plan, access), encoding="utf-8")
        self.run("coredns", self._switch.inside(str(self.binaries["coredns"]), "-conf", str(config)))

    def advertise_devices(self, kubectl: Kubectl) -> None:
        """Give every node the devices of its pool, as a device plugin would; the kubelet must have registered."""
        for node in self._nodes:
            if devices := node.pool.devices:
                patch = json.dumps({"status": {"capacity": devices, "allocatable": devices}})
                kubectl(
                    "patch", "node", node.name, "--subresource=status", "--type=merge", f"--patch={patch}"
                )

    def objects(self) -> list[dict[str, Any]]:
        """The endpoints of the Service `kubernetes`, by which pods reach the API server."""
        return [
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": "kubernetes",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": "kubernetes"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [self.addresses.switch], "conditions": {"ready": True}}],
                "ports": [{"name": "https", "port": addresses.API_PORT, "protocol": "TCP"}],
            }
        ]

    @property
    def holders(self) -> dict[str, int]:
        """The pid that holds the namespaces of each node, by name: all that a later command needs."""
        return {node.name: node.namespaces.pid for node in self._nodes}

    @property
    def _server(self) -> str:
        return f"https://{self.addresses.switch}:{addresses.API_PORT}"

    def _ways(self, without: Node | None = None) -> list[tuple[str, str]]:
        """The networks behind the nodes, each with the node that is its gateway."""
        plan = self.addresses
        pods = [
            (plan.pods(node.number), plan.node(node.number)) for node in self._nodes if node is not without
        ]
        return pods if without else [*pods, (plan.services, plan.node(0))]

    def _plug_in(self, node: Node) -> None:
        plan, port = self.addresses, f"node{node.number}"
        self._in_namespaces(
            self._switch,
            f"ip link add {port} type veth peer name eth0 netns {node.namespaces.pid}",
            f"ip link set {port} master switch up",
            f"ip route add {plan.pods(node.number)} via {plan.node(node.number)}",
        )
        self._in_namespaces(
            node.namespaces,
            "ip link set lo up",
            f"ip address add {plan.node(node.number)}/24 dev eth0",
            "ip link set eth0 up",
            f"ip route add default via {plan.host}",
            *(f"ip route add {behind} via {gateway}" for behind, gateway in self._ways(without=node)),
        )

    def _start_containerd(self, node: Node) -> None:
        for folder in ("bin", "cni"):
            (node.folder / folder).mkdir()
        for name in (*CNI_PLUGINS, "containerd-shim-runc-v2"):
            (node.folder / "bin" / name).symlink_to(self.binaries[name])
        runc = shutil.which("runc", path=search_path())
        if runc is None:
            raise ClusterError("runc is gone from PATH", "install it again: apt-get install runc")
        (node.folder / "cni" / "pods.conflist").write_text(configuration.cni(self.addresses, node.number))
        (node.folder / "containerd.toml").write_text(configuration.containerd(Path(runc)))
        cpus, memory = (parse(value) for value in (node.pool.cpu, node.pool.memory))
        assert cpus is not None and memory is not None, "checked when the file was read"  # noqa: S101, PT018
        machine.set_up(node.namespaces, node.folder, self.folder / "volumes", int(cpus), int(memory))
        containerd = (str(self.binaries["containerd"]), "--config", f"{configuration.HOME}/containerd.toml")
        self.run(f"{node.name}-containerd", node.inside(*containerd))

    def _start_kubelet(self, node: Node, certificates: Pki) -> None:
        plan, home = self.addresses, configuration.HOME
        group = cgroups.create(self.folder, node.name)
        access = {"kubelet": certificates.kubelets[node.name], "kube-proxy": certificates.kube_proxy}
        for part, pair in access.items():
            path = node.folder / f"{part}.kubeconfig"
            kubeconfig.write(path, node.name, self._server, certificates.authority, pair)
        authority = certificates.authority.certificate
        (node.folder / "kubelet.yaml").write_text(configuration.kubelet(plan, node.number, group, authority))
        (node.folder / "kube-proxy.yaml").write_text(configuration.kube_proxy(plan, node.number, node.name))
        kubelet = (
            str(self.binaries["kubelet"]),
            f"--config={home}/kubelet.yaml",
            f"--kubeconfig={home}/kubelet.kubeconfig",
            f"--root-dir={home}/kubelet",
            f"--cert-dir={home}/kubelet/pki",
            f"--hostname-override={node.name}",
            f"--node-ip={plan.node(node.number)}",
        )
        self.run(f"{node.name}-kubelet", node.inside(*kubelet))
        proxy = (str(self.binaries["kube-proxy"]), f"--config={home}/kube-proxy.yaml")
        self.run(f"{node.name}-kube-proxy", node.inside(*proxy))

    @staticmethod
    def _in_namespaces(where: Namespaces, *each: str) -> None:
        commands.run_all(f"{' '.join(where.inside())} {command}" for command in each)
