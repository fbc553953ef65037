"""The chart's pods run the real vLLM on a real node, and a rolling update of it loses no request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import engine, pods, rolled_out

from charttest.cluster import LocalCluster
from charttest.images import vllm
from charttest.load import LoadPod
from charttest.release import Releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from charttest.plugin import Chart
    from charttest.release import Release

IMAGE = {"repository": "vllm/vllm-openai-cpu", "tag": "v0.33.0"}
NAME = f"docker.io/{IMAGE['repository']}:{IMAGE['tag']}"
START_SECONDS = 600
CLIENTS = 4


def values(**body: Any) -> dict[str, Any]:
    model = {
        "source": {"uri": vllm.MODEL},
        "image": {**IMAGE, "pullPolicy": "Never"},
        "accelerator": {"resource": ""},
        "args": vllm.ARGUMENTS,
        "env": vllm.ENVIRONMENT,
        "sharedMemory": {"size": "512Mi"},
        "startup": {"budgetSeconds": START_SECONDS},
        "shutdown": {"preStopSeconds": 10, "drainSeconds": 60},
        "replicas": 2,
    }
    return {"models": {"m": {**model, **body}}}


@pytest.fixture(scope="module")
def release(chart: Chart, say: Callable[[str], None]) -> Iterator[Release]:
    """Installed: two pods of the real vLLM are ready, in a namespace that enforces `restricted`."""
    cluster = LocalCluster(node_pools=Path(__file__).with_name("nodes.yaml"))
    if reason := cluster.why_not_real():
        pytest.skip(reason)
    archive = vllm.archive([NAME], say)
    with cluster:
        say(f"loading {archive} into the node (some minutes)")
        cluster.load_image(archive)
        with Releases(cluster.kubectl, chart.path) as releases:
            made = releases(timeout_seconds=START_SECONDS)
            made.install(values())
            yield made
            made.uninstall()


def test_its_pods_become_ready_at_the_first_attempt(release: Release) -> None:
    assert [engine(pod)["restartCount"] for pod in pods(release)] == [0, 0]


def test_its_helm_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_no_request_is_lost_in_a_rolling_update(release: Release) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(release)}
    with LoadPod(release.kubectl, release.namespace, image=NAME, ready_seconds=300) as pod:
        options: dict[str, Any] = {"model": "m", "clients": CLIENTS, "max_tokens": 200, "start_seconds": 300}
        with pod.load(f"{release.name}-m", **options) as load:
            release.upgrade(values(podAnnotations={"example.com/change": "1"}))
            rolled_out(release)
        tally = load.tally
    assert not before & {pod["metadata"]["uid"] for pod in pods(release)}
    assert tally.lost == 0, tally
    assert tally.ok >= CLIENTS
