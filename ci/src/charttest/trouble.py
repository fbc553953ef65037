"""Why pods are not well: what `kubectl describe` and `kubectl logs` would say, for the pods that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charttest.kubectl import Kubectl

LOG_LINES = 20


def trouble(kubectl: Kubectl, namespace: str) -> str:
    """The state, the warnings and the last log lines of every pod that is neither ready nor done.

    Empty when there is none. KubectlError when the API server does not answer.
    """
    where = ("--namespace", namespace)
    lines = []
    for pod in kubectl.get("pods", *where):
        name, status = pod["metadata"]["name"], pod["status"]
        conditions = {each["type"]: each for each in status.get("conditions", ())}
        ready = conditions.get("Ready", {}).get("status") == "True"
        if ready or status["phase"] == "Succeeded":
            continue
        scheduled = conditions.get("PodScheduled", {}).get("message", "")
        lines += [f"pod {name}: {status['phase']} {scheduled}".rstrip(), *_containers(kubectl, pod, where)]
        which = f"--field-selector=type=Warning,involvedObject.name={name}"
        lines += [f"  {each['reason']}: {each['message']}" for each in kubectl.get("events", which, *where)]
    return "\n".join(lines)


def _containers(kubectl: Kubectl, pod: dict[str, Any], where: tuple[str, ...]) -> Iterator[str]:
    status = pod["status"]
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        if container["ready"]:
            continue
        name, restarts = container["name"], container["restartCount"]
        states = [*container["state"].items(), *container["lastState"].items()]
        yield f"  {name}, restarted {restarts} times: " + ", before that ".join(
            " ".join([state, *(str(found[key]) for key in ("reason", "exitCode", "message") if key in found)])
            for state, found in states
        )
        began = any(state in ("running", "terminated") for state, _ in states)
        if began:
            previous = ("--previous",) if "waiting" in container["state"] else ()
            yield from _log(kubectl, pod["metadata"]["name"], name, *previous, *where)


def _log(kubectl: Kubectl, pod: str, container: str, *options: str) -> Iterator[str]:
    try:
        log = kubectl("logs", pod, f"--container={container}", f"--tail={LOG_LINES}", *options)
    except KubectlError as error:  # gone meanwhile
        log = error.output
    for line in log.splitlines():
        yield f"  | {line}"
