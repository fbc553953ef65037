"""Questions about the pods of a release."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from charttest.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from charttest.release import Release


def pods(release: Release) -> list[dict[str, Any]]:
    """The release's engine pods, those on their way out included."""
    found: list[dict[str, Any]] = release.get("pods", "--selector=app.kubernetes.io/component=engine")
    return found


def pod(release: Release) -> dict[str, Any]:
    """The only engine pod; right after an install it is waited for."""
    eventually("a pod", lambda: pods(release))
    (found,) = pods(release)
    return found


def engine(found: dict[str, Any]) -> dict[str, Any]:
    """The status of a pod's engine container; empty as long as there is none."""
    statuses: list[dict[str, Any]] = found["status"].get("containerStatuses") or [{}]
    return statuses[0]


def events(release: Release, found: dict[str, Any]) -> str:
    """The messages of a pod's events."""
    which = f"--field-selector=involvedObject.name={found['metadata']['name']}"
    return "\n".join(f"{event['reason']}: {event['message']}" for event in release.get("events", which))


def logs(release: Release, *options: str) -> str:
    """The engine's log; `--previous` for the one of the container before."""
    name = pod(release)["metadata"]["name"]
    return release.kubectl("logs", name, "--namespace", release.namespace, *options)


def ready_addresses(release: Release) -> set[str]:
    """The addresses that the Service of the release leads to."""
    return {
        address
        for part in release.get("endpointslices")
        for endpoint in part.get("endpoints") or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    }


def rolled_out(release: Release) -> None:
    """Wait until every Deployment has the pods it wants, and no others."""
    which = ("deployments", f"--selector=app.kubernetes.io/instance={release.name}")
    release.wait("rollout", "status", *which)
    wanted = sum(deployment["spec"]["replicas"] for deployment in release.get(*which))
    eventually("old pods to go", lambda: len(pods(release)) == wanted)


def eventually(what: str, condition: Callable[[], object], seconds: float = 240) -> None:
    """Wait for a condition; AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def ask(release: Release, path: str) -> None:
    """POST to the engine of the only pod, through the API server; the answer does not matter."""
    name = pod(release)["metadata"]["name"]
    raw = f"/api/v1/namespaces/{release.namespace}/pods/{name}:8000/proxy{path}"
    with contextlib.suppress(KubectlError):  # an engine that crashes on request does not answer
        release.kubectl("create", "--raw", raw, "--filename=-", stdin="{}")
