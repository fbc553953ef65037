"""Node pools: what the file may say, and the nodes that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charttest.cluster import read_node_pools
from charttest.cluster.nodepools import simulated
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = {
    "": "a list of node pools is expected",
    "name: h100": "a list of node pools is expected",
    "- [": "no YAML (line 1)",
    "- h100": "pool 1: not a mapping",
    "- {count: 1}": "pool 1: has no name",
    "- {name: h100, gpu: 8}": "pool 1: unknown key gpu; known keys: name, count, product",
    "- {name: H100}": "pool 1: name is 'H100'; it must be lower-case letters, digits and '-'",
    "- {name: h100, count: 0}": "count is 0; it must be 1 to 1000",
    "- {name: h100, count: two}": "count is 'two', not a int",
    "- {name: h100, gpus: -1}": "gpus is -1; it must be 0 or more",
    "- {name: h100, taint: gpu}": "taint is 'gpu'; it must be key=value:NoSchedule",
    "- {name: h100, labels: [a]}": "labels is ['a'], not a dict",
    "- {name: a}\n- {name: a}": "two pools are named a",
    "- {name: h100, runtime: docker}": "runtime is 'docker'; it must be kwok or containerd",
    "- {name: h100, count: 9, runtime: containerd}": "count is 9; it must be 1 to 8 for real nodes",
    "- {name: h100, cpu: many}": "cpu is 'many'; it must be a quantity, at most 256 for real nodes",
    "- {name: h100, cpu: '384', runtime: containerd}": "cpu is '384'; it must be a quantity, at most 256",
    "- {name: h100, memory: 2 TB}": "memory is '2 TB'; it must be a quantity such as 512Gi",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_file_is_refused_by_pool_key_and_rule(tmp_path: Path, text: str) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    with pytest.raises(ClusterError) as refusal:
        read_node_pools(path)
    assert REFUSED[text] in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"none\.yaml: cannot be read"):
        read_node_pools(tmp_path / "none.yaml")


def test_a_gpu_node_has_the_labels_capacity_and_taint_of_gpu_feature_discovery(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(
        "- {name: l40s, count: 2, product: NVIDIA-L40S, gpus: 4, gpuMemoryMiB: 46068,"
        ' computeCapability: "8.9", taint: "nvidia.com/gpu=present:NoSchedule"}'
    )
    (pool,) = read_node_pools(path)
    first, second = pool.nodes()
    assert [first["metadata"]["name"], second["metadata"]["name"]] == ["l40s-0", "l40s-1"]
    labels = first["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-L40S"
    assert labels["nvidia.com/gpu.memory"] == "46068"
    assert (labels["nvidia.com/gpu.compute.major"], labels["nvidia.com/gpu.compute.minor"]) == ("8", "9")
    assert labels["nvidia.com/gpu.family"] == "ada-lovelace"
    assert first["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert first["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]


def test_the_default_pools_have_gpu_nodes_and_a_plain_one() -> None:
    gpus = {pool.name: pool.gpus for pool in read_node_pools()}
    assert gpus["cpu"] == 0
    assert {name for name, count in gpus.items() if count} == {"h100", "l40s"}


def test_a_real_node_has_the_labels_of_a_simulated_one_and_leaves_its_status_to_the_kubelet(
    tmp_path: Path,
) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text("- {name: a, product: NVIDIA-L4, gpus: 2, runtime: containerd}")
    (pool,) = read_node_pools(path)
    (real,) = pool.nodes()
    (simulation,) = simulated(pool).nodes()
    assert real["metadata"]["labels"] == simulation["metadata"]["labels"]
    assert "status" not in real
    assert "annotations" not in real["metadata"]
    assert simulation["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert pool.devices == {"nvidia.com/gpu": "2"}


def test_claimed_gpus_are_announced_by_slices_and_are_no_resource_of_the_node(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text("- {name: claimed, count: 2, product: NVIDIA-L4, gpus: 3, deviceClass: gpu.nvidia.com}")
    (pool,) = read_node_pools(path)
    assert all("nvidia.com/gpu" not in node["status"]["capacity"] for node in pool.nodes())
    device_class, *slices = pool.device_objects()
    assert (device_class["kind"], device_class["metadata"]["name"]) == ("DeviceClass", "gpu.nvidia.com")
    assert [item["spec"]["nodeName"] for item in slices] == ["claimed-0", "claimed-1"]
    assert all(len(item["spec"]["devices"]) == 3 for item in slices)
