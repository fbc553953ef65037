"""The local cluster: starts for real, and whatever happens leaves no process and no file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from charttest.cluster import LocalCluster, process
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

UP_AND_WAIT = """
import sys, time
from charttest.cluster import LocalCluster
with LocalCluster({name!r}) as cluster:
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own, with a space in its path, for the clusters of each test."""
    home = tmp_path / "state home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home / "vllm-stack" / "clusters"


def charttest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from charttest.cli import main; sys.exit(main())", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def pids(state: Path, name: str) -> list[tuple[int, int]]:
    document = json.loads((state / name / "cluster.json").read_text())
    return [(entry["pid"], entry["started"]) for entry in document["processes"]]


def alive(processes: list[tuple[int, int]]) -> list[int]:
    return [pid for pid, started in processes if process.start_time(pid) == started]


def wait_until_gone(processes: list[tuple[int, int]]) -> None:
    deadline = time.monotonic() + 10
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(processes) == []


def test_two_clusters_run_side_by_side_until_down_and_leave_nothing(state_home: Path) -> None:
    first = charttest("cluster", "up", "--name", "one")
    assert first.returncode == 0, first.stderr
    assert "export KUBECONFIG=" in first.stdout
    again = charttest("cluster", "up", "--name", "one")
    assert again.returncode == 2
    assert "--name one: this cluster is already up; use it, or stop it first" in again.stderr

    with LocalCluster("two") as second:
        assert "h100-0" in second.kubectl("get", "nodes", "--output=name")
        listed = json.loads(charttest("cluster", "status", "--json").stdout)
        assert [c["name"] for c in listed] == ["one", "two"]
        assert all(part["alive"] for c in listed for part in c["parts"])
        assert listed[0]["server"] != listed[1]["server"]

    processes = pids(state_home, "one")
    assert len(alive(processes)) == 5
    assert charttest("cluster", "down", "--all").stdout == "one: stopped\n"
    assert alive(processes) == []
    assert list(state_home.iterdir()) == []
    assert charttest("cluster", "down", "--name", "one").stdout == "one: nothing to stop\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_to_its_owner_ends_the_cluster(state_home: Path, number: signal.Signals, code: int) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", UP_AND_WAIT.format(name="owned")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        processes = pids(state_home, "owned")
        owner.send_signal(number)
        owner.communicate()
    # Python itself ends by SIGINT after it has unwound.
    assert owner.returncode in {code, -number}
    wait_until_gone(processes)
    # Nobody can delete files after SIGKILL; the next command does.
    assert charttest("cluster", "status").stdout.startswith("no cluster is up")
    assert list(state_home.iterdir()) == []


def test_a_part_that_dies_is_reported_with_the_end_of_its_log(state_home: Path) -> None:
    cluster = LocalCluster("broken")
    cluster.__enter__()
    victim = next(part for part in cluster.status() if part.name == "etcd")
    os.kill(victim.pid, signal.SIGKILL)
    told = charttest("cluster", "status", "--name", "broken")
    assert told.returncode == 2
    assert "etcd has died; the end of its log" in told.stderr
    processes = pids(state_home, "broken")
    with pytest.raises(ClusterError, match="etcd has died; the end of its log"):
        cluster.__exit__(None, None, None)
    assert alive(processes) == []
    assert list(state_home.iterdir()) == []


def test_a_busy_port_is_refused_before_anything_starts(state_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        refused = charttest("cluster", "up", "--name", "busy", "--port", str(port))
    assert refused.returncode == 2
    assert f"--port {port}: another process listens there; choose another port" in refused.stderr
    assert not (state_home / "busy").exists()


def test_a_cluster_that_does_not_run_is_named_with_those_that_do() -> None:
    missing = charttest("cluster", "status", "--name", "none")
    assert missing.returncode == 2
    assert missing.stderr == (
        "charttest: --name none: no such cluster (none runs); start it: charttest cluster up --name none\n"
    )


@pytest.mark.parametrize("name", ["", "Up", "a/b", "-a", "a" * 41])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="not a name for a cluster"):
        LocalCluster(name)
