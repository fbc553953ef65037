"""A slow start is no failure: nothing kills or gives up on a container before its startup budget is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import SERVING, Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def budget_seconds(probe: dict[str, Any]) -> int:
    """Seconds from the start of the container until this probe has failed for good."""
    period, failures = int(probe.get("periodSeconds", 10)), int(probe.get("failureThreshold", 3))
    return int(probe.get("initialDelaySeconds", 0)) + period * failures


def _ports(container: dict[str, Any]) -> Iterator[str]:
    names = {port.get("name") for port in container.get("ports") or []}
    for probe in _PROBES:
        action = (
            (container.get(probe) or {}).get("httpGet") or (container.get(probe) or {}).get("tcpSocket") or {}
        )
        if isinstance(action.get("port"), str) and action["port"] not in names:
            yield f"{probe} asks the port {action['port']!r}, which the container does not name"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        if pod.owner.kind not in SERVING:
            continue
        for container in pod.spec.get("containers") or []:
            where = f"container {container.get('name')}"
            for message in _ports(container):
                yield pod.owner, f"{where}: {message}"
            startup, liveness = container.get("startupProbe"), container.get("livenessProbe")
            if liveness and not startup:
                seconds = budget_seconds(liveness)
                yield (
                    pod.owner,
                    f"{where}: the liveness probe kills a start longer than {seconds} s",
                )
            deadline = pod.owner.spec.get("progressDeadlineSeconds", 600)
            if startup and pod.owner.kind == "Deployment" and budget_seconds(startup) > deadline:
                yield (
                    pod.owner,
                    (
                        f"{where}: may take {budget_seconds(startup)} s to start, but the rollout fails after"
                        f" {deadline} s (progressDeadlineSeconds)"
                    ),
                )


CHECK = Check(
    id="probes",
    sentence="A liveness probe waits for a startup probe, and the rollout for both.",
    fix="add a startupProbe for the longest start, and set progressDeadlineSeconds above it",
    run=_run,
)
