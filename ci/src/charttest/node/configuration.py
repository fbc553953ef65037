"""The configuration files of a node's parts. Pure: addresses and paths in, text out.

Every path is the node's own view: its folder is /run/node there, whatever it is on this machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.node.addresses import Addresses

HOME = "/run/node"
VOLUMES = "/run/volumes"
CONTAINERD_SOCKET = f"{HOME}/run/containerd.sock"
PAUSE_IMAGE = "docker.io/library/pause:charttest"


def containerd(runc: Path) -> str:
    """containerd: everything below the node's folder, and no plugin that a pod does not need."""
    return f"""\
version = 4
root = '{HOME}/containerd'
state = '{HOME}/run/containerd'
imports = []
disabled_plugins = [
  'io.containerd.nri.v1.nri',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.tracing.processor.v1.otlp',
]
[plugins.'io.containerd.server.v1.grpc']
  address = '{CONTAINERD_SOCKET}'
[plugins.'io.containerd.server.v1.ttrpc']
  address = '{CONTAINERD_SOCKET}.ttrpc'
[plugins.'io.containerd.shim.v1.manager']
  socket_dir = '{HOME}/run/s'
[plugins.'io.containerd.internal.v1.opt']
  path = '{HOME}/run/opt'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE no sandbox could lower its oom_score_adj.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{HOME}/bin']
    conf_dir = '{HOME}/cni'
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '{runc}'
      Root = '{HOME}/run/runc'
      SystemdCgroup = false
"""


def cni(addresses: Addresses, number: int) -> str:
    """The pods' network of node `number`: a bridge, and the node as the gateway."""
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "isDefaultGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{HOME}/run/cni",
            "ranges": [[{"subnet": addresses.pods(number), "gateway": addresses.pod_gateway(number)}]],
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}, indent=1)


def kubelet(addresses: Addresses, number: int, cgroup: str, authority: Path) -> str:
    """The kubelet: as in every cluster, but for where it lies, and quick to see what changed."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "address": addresses.node(number),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(authority)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [addresses.switch],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "podLogsDir": f"{HOME}/logs",
            "volumePluginDir": f"{HOME}/run/volume-plugins",
            "healthzPort": 0,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "nodeStatusUpdateFrequency": "4s",
            # A crashed engine is started again after at most this; 5 minutes would be 5 minutes of test.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},
        },
        sort_keys=False,
    )


def kube_proxy(addresses: Addresses, number: int, name: str) -> str:
    """kube-proxy in nftables mode; it leaves alone what is this machine's (conntrack limits)."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": f"{HOME}/kube-proxy.kubeconfig"},
            "clusterCIDR": addresses.all_pods,
            "hostnameOverride": name,
            "bindAddress": addresses.node(number),
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "nodePortAddresses": [f"{addresses.node(number)}/32"],
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
        sort_keys=False,
    )


def coredns(addresses: Addresses, kubeconfig: Path) -> str:
    """CoreDNS: the cluster's names, and no way to any other."""
    return f"""\
.:53 {{
  bind {addresses.switch}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig "{kubeconfig}"
    ttl 1
  }}
}}
"""
