"""The local cluster on real parts: what it offers, how it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interruptible import INTERRUPTIBLE

from charttest.cluster import LocalCluster, ports, state
from charttest.cluster.process import MARK
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLI = "from charttest.cli import main; raise SystemExit(main())"
WITH = f"""{INTERRUPTIBLE}
from charttest.cluster import LocalCluster
with LocalCluster("held"):
    print("up", flush=True)
    input()
"""
UP = f"""{INTERRUPTIBLE}
from charttest.cli import main
raise SystemExit(main(["cluster", "up", "--name", "held"]))
"""
POOLS = """
- {name: gpu, product: NVIDIA-L4, gpus: 2, gpuMemoryMiB: 23034, taint: "nvidia.com/gpu=present:NoSchedule"}
- {name: cpu}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of this module's own, in a path with a space."""
    folder = tmp_path_factory.mktemp("state of") / "a home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder
        charttest("cluster", "down", "--all")
    assert not left_behind(folder)


def charttest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLI, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def begin(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(home: Path, name: str = "") -> list[str]:
    """Name every process and folder of the clusters below `home`."""
    clusters = home / "vllm-stack" / "clusters"
    mark = f"{MARK}={clusters}/{name}".encode()
    found = [str(path) for path in clusters.glob(f"{name}*/")]
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and b"\0" + mark in b"\0" + (entry / "environ").read_bytes():
                found.append(f"process {entry.name}")
        except OSError:
            continue
    return found


def eventually(what: str, condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pair(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalCluster, LocalCluster]:
    """Two clusters, started at the same time from the command line."""
    pools = tmp_path_factory.mktemp("pools") / "nodes.yaml"
    pools.write_text(POOLS)
    arguments = ("cluster", "up", "--nodes", str(pools), "--name")
    starting = [begin(CLI, *arguments, name) for name in ("one", "two")]
    for process in starting:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "export KUBECONFIG=" in out
    assert home.exists()
    return LocalCluster.find("one"), LocalCluster.find("two")


@pytest.fixture(scope="module")
def cluster(pair: tuple[LocalCluster, LocalCluster]) -> LocalCluster:
    return pair[0]


def pod(name: str, **spec: object) -> str:
    container = {"name": "main", "image": "none", "resources": spec.pop("resources", {})}
    body = {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body})


def test_a_reserved_port_is_refused_to_others_and_free_for_the_servers() -> None:
    with ports.reserved(None) as chosen:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", chosen.server))
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            server.bind(("127.0.0.1", chosen.server))


def test_a_busy_port_is_refused_by_name_before_anything_starts(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        refused = charttest("cluster", "up", "--name", "busy", "--port", port)
    assert refused.returncode == 2
    assert f"--port {port}: another process listens there" in refused.stderr
    assert not left_behind(home, "busy")


@pytest.mark.parametrize("name", ["", "Up", "a/b", "-a", "a" * 41])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match=f"--name {name}: not a name for a cluster"):
        LocalCluster(name)


@pytest.mark.usefixtures("home")
def test_a_cluster_that_does_not_run_is_named_with_the_next_step() -> None:
    missing = charttest("cluster", "status", "--name", "none")
    assert missing.returncode == 2
    assert "--name none: no such cluster" in missing.stderr
    assert "start it: charttest cluster up --name none" in missing.stderr
    assert charttest("cluster", "down", "--name", "none").stdout == "none: nothing to stop\n"
    refused = charttest("cluster", "down", "--name", "No/Name")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--name No/Name: not a name for a cluster" in refused.stderr


def test_an_image_for_nodes_that_run_no_containers_is_refused_with_the_next_step(
    pair: tuple[LocalCluster, LocalCluster], tmp_path: Path
) -> None:
    refused = charttest("cluster", "load", "--name", pair[0].name, str(tmp_path / "image.tar"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no node of it runs containers; give its node pool `runtime: containerd`" in refused.stderr


def test_a_folder_without_a_record_is_swept(home: Path) -> None:
    rest = home / "vllm-stack" / "clusters" / "rest"
    with state.locked():
        (rest / "pki").mkdir(parents=True)
        state.sweep()
    assert not rest.exists()


@pytest.mark.cluster
def test_two_clusters_run_side_by_side(pair: tuple[LocalCluster, LocalCluster]) -> None:
    one, two = pair
    assert one.server != two.server
    one.kubectl("create", "namespace", "only-in-one")
    assert "only-in-one" not in two.kubectl("get", "namespaces")
    listed = json.loads(charttest("cluster", "status", "--json").stdout)
    assert [entry["name"] for entry in listed] == ["one", "two"]
    assert all(part["alive"] for entry in listed for part in entry["parts"])


@pytest.mark.cluster
def test_a_second_up_of_the_same_name_says_that_it_is_up(cluster: LocalCluster) -> None:
    again = charttest("cluster", "up", "--name", cluster.name)
    assert again.returncode == 2
    assert "already up" in again.stderr
    cluster.check()


@pytest.mark.cluster
def test_gpu_pods_run_where_gpus_are_and_wait_where_they_are_not(cluster: LocalCluster) -> None:
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    for name, count in (("fits", 2), ("too-big", 3)):
        resources = {"limits": {"nvidia.com/gpu": count}}
        cluster.kubectl("apply", "-f-", stdin=pod(name, tolerations=tolerations, resources=resources))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/fits", "--timeout=120s")
    assert cluster.kubectl("get", "pod", "fits", "-ojsonpath={.spec.nodeName}") == "gpu-0"
    message = '-ojsonpath={.status.conditions[?(@.type=="PodScheduled")].message}'
    eventually(
        "the scheduler's reason",
        lambda: "Insufficient nvidia.com/gpu" in cluster.kubectl("get", "pod", "too-big", message),
    )


@pytest.mark.cluster
def test_bare_pods_that_do_not_restart_succeed(cluster: LocalCluster) -> None:
    cluster.kubectl("apply", "-f-", stdin=pod("once", restartPolicy="Never"))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/once", "--timeout=120s")


@pytest.mark.cluster
def test_a_simulated_node_deletes_a_pod_once_so_that_a_new_one_of_its_name_lives(
    cluster: LocalCluster,
) -> None:
    log = next(part.log for part in cluster.status() if part.name == "kwok")

    def deletions(name: str) -> int:
        return sum(
            "Delete pod" in line and f"default/{name}" in line for line in log.read_text().splitlines()
        )

    # A finalizer keeps the first in sight after its node has deleted it; the second is behind it in the queue.
    for name, finalizers in (("held", ["example.com/hold"]), ("later", [])):
        made = json.loads(pod(name, terminationGracePeriodSeconds=30))
        made["metadata"]["finalizers"] = finalizers
        cluster.kubectl("apply", "-f-", stdin=json.dumps(made))
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
        cluster.kubectl("delete", "pod", name, "--wait=false")
        eventually(f"the deletion of {name}", partial(deletions, name))
    assert deletions("held") == 1
    release = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    cluster.kubectl("patch", "pod", "held", "--type=json", f"--patch={release}")


@pytest.mark.cluster
def test_claims_bind_by_the_default_storage_class(cluster: LocalCluster) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "cache"}, "spec": spec}
    cluster.kubectl("apply", "-f-", stdin=json.dumps(claim))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/cache", "--timeout=120s")


@pytest.mark.cluster
def test_a_restricted_namespace_refuses_a_pod_that_is_not(cluster: LocalCluster) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    strict = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": labels}}
    cluster.kubectl.apply(strict)
    with pytest.raises(ClusterError, match='violates PodSecurity "restricted'):
        cluster.kubectl("apply", "--namespace=strict", "-f-", stdin=pod("lax"))


@pytest.mark.cluster
def test_the_charts_custom_resources_are_served(cluster: LocalCluster) -> None:
    assert "HTTPRoute" in cluster.kubectl("api-resources", "--api-group=gateway.networking.k8s.io")
    assert "ScaledObject" in cluster.kubectl("api-resources", "--api-group=keda.sh")


@pytest.mark.cluster
def test_a_part_that_died_is_reported_with_its_log_and_the_rest_is_stopped(
    pair: tuple[LocalCluster, LocalCluster], home: Path
) -> None:
    two = pair[1]
    scheduler = next(part for part in two.status() if part.name == "kube-scheduler")
    os.kill(scheduler.pid, signal.SIGKILL)
    eventually("its end", lambda: not next(p for p in two.status() if p.pid == scheduler.pid).alive)
    told = charttest("cluster", "status", "--name", "two")
    assert told.returncode == 2
    assert "kube-scheduler has died" in told.stderr
    assert scheduler.log.read_text().splitlines()[-1] in told.stderr
    assert charttest("cluster", "down", "--name", "two").stdout == "two: stopped\n"
    assert not left_behind(home, "two")
    pair[0].check()


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("program", "number", "code"),
    [
        (WITH, signal.SIGINT, -signal.SIGINT),
        (WITH, signal.SIGTERM, 143),
        (WITH, signal.SIGHUP, 129),
        (UP, signal.SIGINT, 130),
        (UP, signal.SIGTERM, 143),
        (UP, signal.SIGHUP, 129),
    ],
    ids=lambda value: {WITH: "with", UP: "up"}.get(value) or getattr(value, "name", ""),
)
def test_a_signal_half_way_leaves_no_process_and_no_file(
    home: Path, program: str, number: signal.Signals, code: int
) -> None:
    process = begin(program)
    eventually("the first part", lambda: any("process" in item for item in left_behind(home, "held")))
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert not left_behind(home, "held")


@pytest.mark.cluster
def test_a_killed_process_takes_its_cluster_along_and_the_next_command_removes_the_folder(home: Path) -> None:
    process = begin(WITH)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.kill()
    _, said = process.communicate(timeout=120)
    assert first == "up\n", said
    eventually("its parts to end", lambda: not any("process" in item for item in left_behind(home, "held")))
    assert left_behind(home, "held"), "the folder that is to be swept"
    charttest("cluster", "down", "--name", "another")
    assert not left_behind(home, "held")


@pytest.mark.cluster
def test_what_a_killed_up_started_is_ended_by_the_next_command(home: Path) -> None:
    process = begin(CLI, "cluster", "up", "--name", "half")
    eventually("the first part", lambda: any("process" in item for item in left_behind(home, "half")))
    process.kill()
    process.communicate(timeout=120)
    assert any("process" in item for item in left_behind(home, "half")), "a detached part outlives it"
    charttest("cluster", "down", "--name", "another")
    assert not left_behind(home, "half")
