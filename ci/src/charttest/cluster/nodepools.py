"""Node pools: a small YAML list -> simulated nodes with the labels of NVIDIA's GPU feature discovery.

    - name: h100                  # nodes are h100-0, h100-1, …
      count: 2
      product: NVIDIA-H100-80GB-HBM3
      gpus: 8
      gpuMemoryMiB: 81559
      taint: nvidia.com/gpu=present:NoSchedule
      runtime: containerd         # a real node; kwok (the default) simulates one

`deviceClass: gpu.nvidia.com` announces the GPUs for dynamic resource allocation instead of as a resource.
Keys left out take the defaults of `NodePool`; a pool without `gpus` is a plain CPU node.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from charttest.errors import ClusterError
from charttest.quantity import parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
TAINT = re.compile(
    r"(?P<key>[\w./-]+)(=(?P<value>[\w.-]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)"
)
COMPUTE = re.compile(r"(\d+)\.(\d+)")
LARGEST_POOL = 1000
KWOK, CONTAINERD = "kwok", "containerd"
MOST_REAL_NODES = 8
MOST_CPUS = 256  # a cgroup cannot weigh more


@dataclass(frozen=True)
class NodePool:
    """Nodes that are alike. Field names are the file's keys."""

    name: str
    count: int = 1
    product: str = ""  # value of nvidia.com/gpu.product
    gpus: int = 0
    gpuMemoryMiB: int = 0  # noqa: N815  (keys of the file, in Kubernetes' spelling)
    computeCapability: str = ""  # noqa: N815
    resource: str = "nvidia.com/gpu"
    deviceClass: str = ""  # noqa: N815  (devices by ResourceSlices, not by the resource)
    cpu: str = "64"
    memory: str = "512Gi"
    taint: str = ""  # key[=value]:effect
    runtime: str = KWOK
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def real(self) -> bool:
        """Whether its nodes run containers."""
        return self.runtime == CONTAINERD

    @property
    def names(self) -> list[str]:
        """The names of its nodes."""
        return [f"{self.name}-{index}" for index in range(self.count)]

    @property
    def devices(self) -> dict[str, str]:
        """Its extended resources, as a part of a node's capacity."""
        return {self.resource: str(self.gpus)} if self.gpus and not self.deviceClass else {}

    def nodes(self) -> Iterable[dict[str, Any]]:
        """The Node objects; kwok manages those that are not real."""
        return map(self._node, self.names)

    def device_objects(self) -> Iterable[dict[str, Any]]:
        """The DeviceClass and a ResourceSlice per node, as the class's driver would publish them."""
        if not self.deviceClass:
            return
        chosen = {"cel": {"expression": f"device.driver == '{self.deviceClass}'"}}
        yield _resource("DeviceClass", self.deviceClass, {"selectors": [chosen]})
        devices = [
            {
                "name": f"gpu-{index}",
                "attributes": {"productName": {"string": self.product}, "type": {"string": "gpu"}},
                "capacity": {"memory": {"value": f"{self.gpuMemoryMiB}Mi"}},
            }
            for index in range(self.gpus)
        ]
        for name in self.names:
            pool = {"name": name, "generation": 1, "resourceSliceCount": 1}
            spec = {"driver": self.deviceClass, "nodeName": name, "pool": pool, "devices": devices}
            yield _resource("ResourceSlice", name, spec)

    def _node(self, name: str) -> dict[str, Any]:
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": "local",
            **self._gpu_labels(),
            **self.labels,
        }
        node: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {},
        }
        if not self.real:
            capacity = {"cpu": self.cpu, "memory": self.memory, "ephemeral-storage": "2Ti", "pods": "110"}
            capacity |= self.devices
            node["metadata"]["annotations"] = {"kwok.x-k8s.io/node": "fake"}
            node["status"] = {"capacity": capacity, "allocatable": capacity}
        if self.taint:
            match = TAINT.fullmatch(self.taint)
            assert match is not None, "checked when the file was read"  # noqa: S101
            node["spec"]["taints"] = [
                {"key": match["key"], "value": match["value"] or "", "effect": match["effect"]}
            ]
        return node

    def _gpu_labels(self) -> dict[str, str]:
        if not self.gpus or not self.product:
            return {}
        labels = {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": self.product,
            "nvidia.com/gpu.count": str(self.gpus),
            "nvidia.com/gpu.memory": str(self.gpuMemoryMiB),
            "nvidia.com/gpu.replicas": "1",
            "nvidia.com/gpu.sharing-strategy": "none",
        }
        match = COMPUTE.fullmatch(self.computeCapability)
        if match:
            labels["nvidia.com/gpu.compute.major"], labels["nvidia.com/gpu.compute.minor"] = match.groups()
            labels["nvidia.com/gpu.family"] = _family(int(match[1]), int(match[2]))
        return labels


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _family(major: int, minor: int) -> str:
    """The value of nvidia.com/gpu.family, as GPU feature discovery derives it from the compute capability."""
    families = {7: "turing" if minor >= 5 else "volta", 8: "ada-lovelace" if minor >= 9 else "ampere"}
    families |= {9: "hopper", 10: "blackwell", 12: "blackwell"}
    return families.get(major, "undefined")


def simulated(pool: NodePool) -> NodePool:
    """The same pool without real nodes."""
    return replace(pool, runtime=KWOK)


def read_node_pools(path: Path | None = None) -> list[NodePool]:
    """The pools of a file, or the default ones. ClusterError names the pool, the key and the rule."""
    if path is None:
        text = resources.files("charttest.cluster").joinpath("nodes.yaml").read_text(encoding="utf-8")
        source = "nodes.yaml"
    else:
        source = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ClusterError(
                f"{source}: cannot be read ({error})", "give a YAML file of node pools"
            ) from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" (line {mark.line + 1})" if mark else ""
        raise ClusterError(f"{source}: no YAML{where}", "correct the file") from None
    if not isinstance(document, list) or not document:
        raise ClusterError(f"{source}: a list of node pools is expected", "start with `- name: h100`")
    pools = [_pool(f"{source}, pool {number}", entry) for number, entry in enumerate(document, start=1)]
    names = [pool.name for pool in pools]
    for name in {name for name in names if names.count(name) > 1}:
        raise ClusterError(f"{source}: two pools are named {name}", "give each pool its own name")
    return pools


def _pool(where: str, entry: object) -> NodePool:
    if not isinstance(entry, dict):
        raise ClusterError(f"{where}: not a mapping", "write `name: …`, `count: …` and so on")
    known = {f.name: f for f in fields(NodePool)}
    for key in entry:
        if key not in known:
            raise ClusterError(f"{where}: unknown key {key}", f"known keys: {', '.join(known)}")
    if "name" not in entry:
        raise ClusterError(f"{where}: has no name", "add `name:`; its nodes are named <name>-0, <name>-1, …")
    for key, value in entry.items():
        default = known[key].default
        wanted = str if key == "name" else dict if default is MISSING else type(default)
        if type(value) is not wanted:
            raise ClusterError(f"{where}: {key} is {value!r}, not a {wanted.__name__}", f"correct {key}")
    pool = NodePool(**entry)
    rules = (
        ("name", DNS_LABEL.fullmatch(pool.name), "lower-case letters, digits and '-'"),
        ("count", 1 <= pool.count <= LARGEST_POOL, f"1 to {LARGEST_POOL}"),
        ("gpus", pool.gpus >= 0, "0 or more"),
        ("runtime", pool.runtime in (KWOK, CONTAINERD), f"{KWOK} or {CONTAINERD}"),
        ("count", not pool.real or pool.count <= MOST_REAL_NODES, f"1 to {MOST_REAL_NODES} for real nodes"),
        (
            "cpu",
            (cpus := parse(pool.cpu)) and (not pool.real or cpus <= MOST_CPUS),
            f"a quantity, at most {MOST_CPUS} for real nodes",
        ),
        ("memory", parse(pool.memory), "a quantity such as 512Gi"),
        ("taint", not pool.taint or TAINT.fullmatch(pool.taint), "key=value:NoSchedule or key:NoSchedule"),
        (
            "computeCapability",
            not pool.computeCapability or COMPUTE.fullmatch(pool.computeCapability),
            '"9.0"',
        ),
    )
    for key, holds, rule in rules:
        if not holds:
            raise ClusterError(f"{where}: {key} is {getattr(pool, key)!r}", f"it must be {rule}")
    return pool
