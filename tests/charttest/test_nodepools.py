"""Node pools: what a file becomes, and how a wrong one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charttest.cluster import read_node_pools
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

ONE = """
- name: l4
  count: 2
  product: NVIDIA-L4
  gpus: 4
  gpuMemoryMiB: 23034
  computeCapability: "8.9"
  taint: nvidia.com/gpu=present:NoSchedule
  labels: {rack: a}
"""


def test_a_pool_becomes_nodes_labelled_as_gpu_feature_discovery_does(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(ONE)
    [pool] = read_node_pools(file)
    first, second = pool.nodes()
    assert [first["metadata"]["name"], second["metadata"]["name"]] == ["l4-0", "l4-1"]
    assert first["status"]["capacity"] == first["status"]["allocatable"]
    assert first["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert first["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    expected = {
        "kubernetes.io/hostname": "l4-0",
        "nvidia.com/gpu.product": "NVIDIA-L4",
        "nvidia.com/gpu.count": "4",
        "nvidia.com/gpu.memory": "23034",
        "nvidia.com/gpu.compute.major": "8",
        "nvidia.com/gpu.compute.minor": "9",
        "rack": "a",
    }
    assert expected.items() <= first["metadata"]["labels"].items()


def test_the_default_pools_hold_gpus_of_two_products_and_a_plain_node() -> None:
    pools = read_node_pools()
    assert len({pool.product for pool in pools if pool.gpus}) == 2
    assert any(not pool.gpus and not pool.taint for pool in pools)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "list of node pools"),
        ("pools: []", "list of node pools"),
        ("- name: [", "no YAML (line 1)"),
        ("- h100", "pool 1: not a mapping"),
        ("- count: 1", "pool 1: has no name"),
        ("- name: H100", "pool 1: name is 'H100'"),
        ("- {name: a, gpu: 8}", "pool 1: unknown key gpu"),
        ("- {name: a, count: 0}", "count is 0"),
        ("- {name: a, count: two}", "count is 'two'"),
        ("- {name: a, gpus: -1}", "gpus is -1"),
        ("- {name: a, taint: nvidia.com/gpu}", "taint is 'nvidia.com/gpu'"),
        ("- {name: a, computeCapability: '9'}", "computeCapability is '9'"),
        ("- name: a\n- name: a", "two pools are named a"),
    ],
)
def test_a_wrong_file_is_refused_by_pool_key_and_rule(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(text)
    with pytest.raises(ClusterError) as refused:
        read_node_pools(file)
    assert named in refused.value.message
    assert str(file) in refused.value.message
    assert refused.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"absent\.yaml: cannot be read"):
        read_node_pools(tmp_path / "absent.yaml")
