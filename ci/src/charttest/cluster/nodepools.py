"""Node pools: a small YAML file becomes Node objects labelled as NVIDIA's GPU feature discovery does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from charttest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = Path(__file__).parent / "nodepools.yaml"
FAKE = "kwok.x-k8s.io/node"  # the annotation by which kwok knows its nodes

_TAINT = re.compile(
    r"(?P<key>[\w./-]+)(=(?P<value>[\w.-]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)"
)
_RULES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "count": (re.compile(r"[1-9]\d{0,3}"), "a number of nodes from 1 to 9999"),
    "gpus": (re.compile(r"\d{1,3}"), "a number of GPUs per node from 0 to 999"),
    "product": (re.compile(r"|[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"), "a label value such as NVIDIA-L40S"),
    "gpuMemory": (re.compile(r"\d{1,8}"), "MiB of one GPU as a whole number, such as 81559"),
    "family": (re.compile(r"|[a-z0-9-]{1,63}"), "a label value such as hopper"),
    "compute": (re.compile(r"|\d{1,2}\.\d"), 'a compute capability in quotes, such as "9.0"'),
    "taint": (re.compile(f"|{_TAINT.pattern}"), 'key=value:NoSchedule, or "" for none'),
    "cpu": (re.compile(r"\d+m?"), "a quantity such as 64"),
    "memory": (re.compile(r"\d+(Ki|Mi|Gi|Ti)?"), "a quantity such as 512Gi"),
    "pods": (re.compile(r"[1-9]\d{0,4}"), "a number of pods per node"),
}


@dataclass(frozen=True)
class NodePool:
    """Nodes that are alike; memory of a GPU in MiB, the rest as Kubernetes quantities."""

    name: str
    count: int = 1
    gpus: int = 0
    product: str = ""
    gpuMemory: int = 0  # noqa: N815  # the key of the file
    family: str = ""
    compute: str = ""
    taint: str = ""
    cpu: str = "16"
    memory: str = "64Gi"
    pods: str = "110"
    labels: dict[str, str] = field(default_factory=dict)

    def nodes(self) -> list[dict[str, Any]]:
        """Return the Node objects of the pool, named <pool>-0 and so on."""
        return [self._node(f"{self.name}-{number}") for number in range(self.count)]

    def _node(self, name: str) -> dict[str, Any]:
        resources = {"cpu": self.cpu, "memory": self.memory, "pods": self.pods, "ephemeral-storage": "2Ti"}
        if self.gpus:
            resources["nvidia.com/gpu"] = str(self.gpus)
        taint = _TAINT.fullmatch(self.taint)
        base = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": self.name,
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {FAKE: "fake"},
                "labels": {**base, **self._gpu_labels(), **self.labels},
            },
            "spec": {"taints": [{k: v for k, v in taint.groupdict().items() if v}]} if taint else {},
            "status": {"capacity": resources, "allocatable": resources},
        }

    def _gpu_labels(self) -> dict[str, str]:
        if not self.gpus:
            return {}
        major, _, minor = self.compute.partition(".")
        labels = {
            "present": "true",
            "count": str(self.gpus),
            "product": self.product,
            "memory": str(self.gpuMemory) if self.gpuMemory else "",
            "family": self.family,
            "compute.major": major,
            "compute.minor": minor,
        }
        return {f"nvidia.com/gpu.{key}": value for key, value in labels.items() if value}


def load_node_pools(path: Path | None = None) -> list[NodePool]:
    """Read a node-pool file (default: the one of this package); UsageError names file, key and rule."""
    source = path or DEFAULT
    try:
        document = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"node pools {source}: {error}", "name a YAML file that can be read") from error
    except yaml.YAMLError as error:
        raise UsageError(f"node pools {source}: no YAML: {error}", "correct the file") from error
    pools = document.get("pools") if isinstance(document, dict) else None
    if not isinstance(pools, dict) or not pools or set(document) != {"pools"}:
        raise UsageError(
            f"node pools {source}: the file must have the one key `pools` with an entry per pool",
            f"start from {DEFAULT}",
        )
    return [_pool(source, str(name), body) for name, body in pools.items()]


def _pool(source: Path, name: str, body: object) -> NodePool:
    where = f"node pools {source}: pools.{name}"
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", name):
        raise UsageError(f"{where}: a pool's name is a DNS label", "use a-z, 0-9 and -, as in gpu-large")
    if not isinstance(body, dict):
        raise UsageError(f"{where}: must be a map of settings", "write at least `count: 1`")
    values: dict[str, Any] = {}
    for key, value in body.items():
        values[key] = _labels(where, value) if key == "labels" else _setting(where, key, value)
    pool = NodePool(name=name, **values)
    if pool.gpus and not pool.product:
        raise UsageError(f"{where}.product: nodes with GPUs need a product", "set it, as in NVIDIA-L40S")
    return pool


def _setting(where: str, key: object, value: object) -> str | int:
    known = {entry.name: entry.type for entry in fields(NodePool)}
    if key not in _RULES:
        raise UsageError(f"{where}.{key}: unknown key", f"choose from: {', '.join([*_RULES, 'labels'])}")
    pattern, rule = _RULES[str(key)]
    text = "" if value is None or isinstance(value, (bool, dict, list)) else str(value)
    if not pattern.fullmatch(text) or (text == "" and value != ""):
        raise UsageError(f"{where}.{key}: {value!r} is not {rule}", "correct the value")
    return int(text) if known[str(key)] == "int" else text


def _labels(where: str, value: object) -> dict[str, str]:
    if isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair):
        return value
    raise UsageError(f"{where}.labels: must map names to strings", 'put the values in quotes, as in "true"')
