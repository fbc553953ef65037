"""What goes wrong in production: each mistake is made once, in a release of its own, and read by several tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.doctors import Said, doctor
from tests.node.pods import ask, engine, events, eventually, logs, pod, ready_addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from charttest.release import Release

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


# Each makes a mistake, and returns what there is to read


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
    return f"CreateContainerConfigError event: {events(release, pod(release))}"


def secret_made(release: Release) -> None:
    """The pod goes on by itself."""
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
    eventually("the endpoint to come", lambda: ready_addresses(release))
    ask(release, "/test-engine/hang")
    eventually("the endpoint to go", lambda: not ready_addresses(release))
    eventually("a restart", lambda: engine(pod(release)).get("restartCount"))
    told = events(release, pod(release))
    eventually("the endpoint to come back", lambda: ready_addresses(release))
    return f"running, started again event: {told}"


def crash(release: Release) -> str:
    release.install(values(), wait=False)
    becomes_ready(release)
    ask(release, "/test-engine/crash")
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


# What follows when the mistake has been looked at.
REPAIRS: dict[str, Callable[[Release], None]] = {"a Secret is missing": secret_made}


@dataclass(frozen=True)
class Made:
    """What a mistake shows, and what doctor says of it."""

    told: str
    said: Said


def made(name: str, release: Release) -> Made:
    """Make a mistake, look at it both ways, and repair it where that is part of the lesson."""
    with release.explained():
        found = Made(MISTAKES[name](release), doctor(release, release.name))
        if name in REPAIRS:
            REPAIRS[name](release)
        return found
