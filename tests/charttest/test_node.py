"""Real nodes: where they can run, which addresses they take, and that they leave this machine as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from charttest.cluster import LocalCluster
from charttest.errors import ClusterError
from charttest.node import addresses, host, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI = "from charttest.cli import main; raise SystemExit(main())"
SETTLE_SECONDS = 120
POOLS = """
- {name: gpu, product: NVIDIA-L4, gpus: 2, gpuMemoryMiB: 23034, cpu: "64", memory: 512Gi, runtime: containerd}
"""
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "busy"},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "docker.io/library/pause:charttest",
                "imagePullPolicy": "Never",
                "resources": {"limits": {"nvidia.com/gpu": 2, "memory": "64Mi"}, "requests": {"cpu": "48"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}],
    },
}


# Where a real node can run


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has everything, whatever this one lacks."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_capable", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name, path: f"{path}/{name}")
    monkeypatch.setattr(requirements, "KERNEL_LOG", Path(os.devnull))
    return monkeypatch


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("sys.platform", "darwin", "real nodes need Linux, not darwin"),
        ("os.geteuid", lambda: 1000, "real nodes need root; run as root, or use kind (make test-kind)"),
        (
            "charttest.node.requirements._capable",
            lambda: False,
            "real nodes need CAP_SYS_ADMIN and CAP_NET_ADMIN",
        ),
        (
            "shutil.which",
            lambda name, path: None if name in ("runc", "nsenter") else path,
            "real nodes need nsenter, runc; install: apt-get install runc util-linux",
        ),
        (
            "charttest.node.requirements.KERNEL_LOG",
            Path("/nothing"),
            "real nodes need /nothing, which this container",
        ),
    ],
)
def test_a_machine_that_cannot_run_a_node_says_what_it_needs(
    fitting: pytest.MonkeyPatch, attribute: str, value: object, reason: str
) -> None:
    assert requirements.missing() == ""
    fitting.setattr(attribute, value)
    assert requirements.missing().startswith(reason)


@pytest.mark.usefixtures("fitting")
def test_a_folder_that_a_node_could_not_see_is_named() -> None:
    assert "real nodes cannot see /run/user/0; set XDG_STATE_HOME" in requirements.missing(
        Path("/run/user/0")
    )


# Addresses


def test_a_second_cluster_takes_the_next_block_and_a_wider_route_takes_none() -> None:
    first = addresses.free(["192.0.2.2/24", "10.0.0.0/8", "127.0.0.1/8", "fd00::/8"])
    assert first.everything == "10.200.0.0/16"
    assert addresses.free([f"{first.host}/24"]).everything == "10.201.0.0/16"
    assert addresses.free(["10.200.16.0/24"]).everything == "10.201.0.0/16"


def test_no_free_block_is_refused_with_the_next_step() -> None:
    used = [f"10.{block}.0.0/16" for block in addresses.BLOCKS]
    with pytest.raises(ClusterError, match=r"no free network in 10\.200.*charttest cluster status"):
        addresses.free(used)


# What is left


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of this module's own, in a path with a space, and a file of pools."""
    folder = tmp_path_factory.mktemp("state of") / "a home"
    folder.mkdir()
    (folder / "nodes.yaml").write_text(POOLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        if reason := LocalCluster("any").why_not_real():
            pytest.skip(reason)
        yield folder


def assert_nothing_is_left(before: dict[str, set[str]]) -> None:
    """Of this test's clusters; those of others, which come and go, are given a moment to do so."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while left := host.differences(before, host.state()):
        assert time.monotonic() < deadline, "\n".join(left)
        time.sleep(0.5)


def up(home: Path, name: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-c",
        CLI,
        "cluster",
        "up",
        "--name",
        name,
        "--nodes",
        str(home / "nodes.yaml"),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def down(name: str) -> None:
    subprocess.run([sys.executable, "-c", CLI, "cluster", "down", "--name", name], check=True, timeout=120)


@pytest.mark.cluster
def test_a_pod_runs_on_the_size_of_its_pool_and_nothing_is_left_afterwards(home: Path) -> None:
    before = host.state()
    with LocalCluster("clean", node_pools=home / "nodes.yaml") as cluster:
        (node,) = cluster.kubectl.get("nodes")
        assert node["status"]["capacity"]["cpu"] == "64"
        assert node["status"]["capacity"]["memory"] == "512Gi"
        assert node["status"]["capacity"]["nvidia.com/gpu"] == "2"
        cluster.kubectl.apply(POD)
        cluster.kubectl("wait", "--for=condition=Ready", "pod/busy", "--timeout=120s")
        during = host.differences(before, host.state())
    kinds = {line.split(":")[0] for line in during}
    assert kinds == {"processes", "namespaces", "links", "routes", "cgroups"}, during
    assert_nothing_is_left(before)


@pytest.mark.cluster
def test_an_archive_that_is_none_is_refused_by_name(home: Path) -> None:
    with LocalCluster("loads", node_pools=home / "nodes.yaml") as cluster:
        with pytest.raises(ClusterError, match=r"none\.tar: no such file; give an OCI archive"):
            cluster.load_image(home / "none.tar")
        (home / "text.tar").write_text("no archive")
        with pytest.raises(ClusterError, match=r"images import .*text\.tar"):
            cluster.load_image(home / "text.tar")


@pytest.mark.cluster
@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0, 3.0, 4.5, 20])
def test_nothing_is_left_of_a_cluster_killed_at_any_moment_once_it_is_stopped(
    home: Path, seconds: float
) -> None:
    before = host.state()
    starting = up(home, "killed")
    try:
        starting.wait(seconds)
    except subprocess.TimeoutExpired:
        os.kill(starting.pid, signal.SIGKILL)
        starting.wait()
    down("killed")
    assert_nothing_is_left(before)


@pytest.mark.cluster
def test_two_clusters_with_real_nodes_run_side_by_side(home: Path) -> None:
    before = host.state()
    starting = [up(home, name) for name in ("left", "right")]
    assert [process.wait(120) for process in starting] == [0, 0]
    for name in ("left", "right"):
        cluster = LocalCluster.find(name)
        cluster.kubectl.apply(POD)
        cluster.kubectl("wait", "--for=condition=Ready", "pod/busy", "--timeout=120s")
        down(name)
    assert_nothing_is_left(before)
