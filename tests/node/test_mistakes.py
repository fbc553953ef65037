"""What goes wrong in production ends in the state that docs/troubleshooting.md describes."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.pods import ask, engine, events, eventually, logs, pod, ready_addresses

from charttest.helm import HelmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from charttest.release import Release, Releases

PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"
MODEL = {"source": {"uri": "hf://Qwen/Qwen3-8B"}, "accelerator": {"product": "NVIDIA-L40S"}}
QUICK = {"shutdown": {"preStopSeconds": 1, "drainSeconds": 2}}


def values(**body: Any) -> dict[str, Any]:
    return {"defaults": QUICK, "models": {"m": {**MODEL, **body}}}


def becomes_ready(release: Release) -> None:
    eventually("the pod to be ready", lambda: engine(pod(release)).get("ready"))


def ends(release: Release) -> dict[str, Any]:
    """How the last container ended."""
    eventually("the container to end", lambda: "terminated" in engine(pod(release)).get("lastState", {}))
    found: dict[str, Any] = engine(pod(release))["lastState"]["terminated"]
    return found


def waits_because(release: Release, reason: str) -> None:
    def waiting() -> str:
        state = engine(pod(release)).get("state", {}).get("waiting", {})
        return str(state.get("reason"))

    eventually(f"the state {reason}", lambda: waiting() == reason)


# Each mistake: makes it, and returns what there is to read


def memory_limit(release: Release) -> str:
    release.install(values(resources={"limits": {"memory": "256Mi"}}), wait=False)
    becomes_ready(release)
    ask(release, "/test-engine/allocate?bytes=1000000000")
    ended = ends(release)
    becomes_ready(release)
    return f"{ended['reason']}, then running again; exit code {ended['exitCode']}"


def shared_memory(release: Release) -> str:
    release.install(values(parallelism={"tensor": 2}, sharedMemory={"size": "64Mi"}), wait=False)
    waits_because(release, "CrashLoopBackOff")
    return f"CrashLoopBackOff log: {logs(release, '--previous')}"


def cache(release: Release) -> str:
    """A volume that nobody gave to the pod's group: Kubernetes does not for host paths, nor for most NFS."""
    name = release.namespace
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": f"/run/volumes/{name}", "type": "DirectoryOrCreate"},
            "storageClassName": "",
            "claimRef": {"name": "cache", "namespace": name},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cache"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    release.kubectl.apply(volume)
    release.kubectl.apply(claim, namespace=name)
    release.install(values(cache={"type": "existingClaim", "claimName": "cache"}), wait=False)
    waits_because(release, "CrashLoopBackOff")
    return f"CrashLoopBackOff log: {logs(release, '--previous')}"


def image(release: Release) -> str:
    # Nothing listens there: refused at once, and no name to look up.
    release.install(values(image={"repository": "127.0.0.1:1/vllm", "tag": "none"}), wait=False)
    waits_because(release, "ImagePullBackOff")
    return f"ImagePullBackOff event: {events(release, pod(release))}"


def secret(release: Release) -> str:
    missing = {"huggingFace": {"existingSecret": "no-such-secret"}}
    release.install({**values(), "secrets": missing}, wait=False)
    waits_because(release, "CreateContainerConfigError")
    told = f"CreateContainerConfigError event: {events(release, pod(release))}"
    release.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "no-such-secret"},
            "stringData": {"HF_TOKEN": "x"},
        },
        namespace=release.namespace,
    )
    becomes_ready(release)
    return told


def flag(release: Release) -> str:
    release.install(values(extraArgs=["--no-such-flag"]), wait=False)
    waits_because(release, "CrashLoopBackOff")
    return f"CrashLoopBackOff log: {logs(release, '--previous')}"


def slow_start(release: Release) -> str:
    hangs = {"TEST_ENGINE_HANG_AT_START": "1"}
    release.install(values(env=hangs, startup={"budgetSeconds": 6}), wait=False)
    ends(release)
    return f"running, started again and again event: {events(release, pod(release))}"


def hang(release: Release) -> str:
    release.install(values(), wait=False)
    becomes_ready(release)
    ask(release, "/test-engine/hang")
    eventually("the endpoint to go", lambda: not ready_addresses(release))
    eventually("a restart", lambda: engine(pod(release)).get("restartCount"))
    told = events(release, pod(release))
    becomes_ready(release)
    assert ready_addresses(release)
    return f"running, started again event: {told}"


def crash(release: Release) -> str:
    release.install(values(), wait=False)
    becomes_ready(release)
    ask(release, "/test-engine/crash")
    eventually("the endpoint to go", lambda: not ready_addresses(release))
    ended = ends(release)
    eventually("the endpoint to come back", lambda: ready_addresses(release))
    return f"running, started again exit code {ended['exitCode']}"


def too_many(release: Release) -> str:
    release.install(values(parallelism={"tensor": 64}), wait=False)
    eventually("the scheduler", lambda: "FailedScheduling" in events(release, pod(release)))
    return f"{pod(release)['status']['phase']} event: {events(release, pod(release))}"


MISTAKES: dict[str, Callable[[Release], str]] = {
    "the memory limit is too small": memory_limit,
    "`/dev/shm` is too small": shared_memory,
    "the cache cannot be written": cache,
    "the image does not exist": image,
    "a Secret is missing": secret,
    "an engine flag is wrong": flag,
    "the start takes longer than its budget": slow_start,
    "the engine hangs": hang,
    "the engine crashes": crash,
    "no node has enough free GPUs": too_many,
}


def rows() -> dict[str, tuple[str, str]]:
    """The table of the page: mistake -> state and message."""
    cells = [
        re.split(r"\s*\|\s*", line.strip("| \n")) for line in PAGE.read_text().splitlines() if line[:1] == "|"
    ]
    return {mistake: (state, message) for mistake, state, message, _ in cells[2:]}


@pytest.fixture(scope="module")
def made(releases: Releases) -> Iterator[dict[str, Future[str]]]:
    with ThreadPoolExecutor(max_workers=len(MISTAKES)) as pool:
        yield {
            name: pool.submit(explained, make, releases(timeout_seconds=300))
            for name, make in MISTAKES.items()
        }


def explained(make: Callable[[Release], str], release: Release) -> str:
    with release.explained():
        return make(release)


def test_every_mistake_of_the_page_is_made() -> None:
    assert set(rows()) == set(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_the_state_that_the_page_describes(
    made: dict[str, Future[str]], mistake: str
) -> None:
    told = made[mistake].result()
    for cell in rows()[mistake]:
        for words in re.sub(r"^(log|event): ", "", cell).replace("`", "").split("; "):
            assert words in told


def test_an_install_that_fails_says_why_its_pods_are_not_ready(releases: Releases) -> None:
    release = releases(timeout_seconds=5)
    with pytest.raises(HelmError) as failed:
        release.install(values(extraArgs=["--no-such-flag"]))
    (note,) = failed.value.__notes__
    for words in (
        r"pod .*-m-",
        r"  engine, restarted \d times: ",
        "terminated Error 2",
        r"  \| .* --no-such-flag",
    ):
        assert re.search(words, note)
    release.uninstall()
