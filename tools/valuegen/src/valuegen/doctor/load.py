"""The load check: a pod beside the release's own, which asks every model and is removed. The only write."""

from __future__ import annotations

import json
import secrets
import time
from importlib import resources
from typing import TYPE_CHECKING, Any

from valuegen.doctor.findings import Finding, Report
from valuegen.doctor.gathering import path
from valuegen.doctor.objects import Object, is_true, labels, name, one_line
from valuegen.errors import ClusterError

if TYPE_CHECKING:
    from valuegen.doctor.asking import Kubectl
    from valuegen.doctor.gathering import Seen

DEADLINE_SECONDS = 600  # of the pod: as long as the chart gives `helm test`
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def with_load(kubectl: Kubectl, seen: Seen, report: Report) -> Report:
    """The report with what the models answered. ClusterError if the pod cannot be made or does not end."""
    services = urls(seen)
    engine = next((pod for pod in seen.all("pods") if _is_ready_engine(pod)), None)
    if engine is None or not services:
        why = "the load check was not made: no engine is ready"
        found = Finding("load", "warning", f"Release/{seen.release}", "no ready pod", why, "repair it first")
        return report.with_load((), [found])
    pod = client_pod(seen, engine, services)
    measured = _run(kubectl, pod, seen.namespace)
    return report.with_load(
        tuple({**each, "said": said(each)} for each in measured),
        [one for each in measured for one in failed(each)],
    )


def _is_ready_engine(pod: Object) -> bool:
    return labels(pod).get("app.kubernetes.io/component") == "engine" and is_true(pod, "Ready")


def urls(seen: Seen) -> list[str]:
    """The Service of every model: those of single variants and of groups lead to the same pods."""
    found = []
    for service in seen.all("services"):
        selector = service["spec"].get("selector") or {}
        port = next((each for each in service["spec"].get("ports") or () if each.get("name") == "http"), None)
        whole = "vllm-stack.io/model" in selector and "vllm-stack.io/variant" not in selector
        if whole and port is not None and service["spec"].get("clusterIP") != "None":
            scheme = "https" if port.get("appProtocol") == "https" else "http"
            found.append(f"{scheme}://{name(service)}:{port['port']}")
    return sorted(found)


def client_pod(seen: Seen, engine: Object, services: list[str]) -> Object:
    """A pod like that of `helm test`: the engine's image, user and account, and its key."""
    spec = engine["spec"]
    container = next(each for each in spec["containers"] if each["name"] == "engine")
    key = [entry for entry in container.get("env") or () if entry["name"] == "VLLM_API_KEY"]
    user = {
        field: value
        for field, value in (spec.get("securityContext") or {}).items()
        if field in ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")
    }
    program = resources.files("valuegen.doctor").joinpath("load_client.py").read_text(encoding="utf-8")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"doctor-{secrets.token_hex(4)}",
            # What the chart's NetworkPolicies let through for `helm test`.
            "labels": {
                "app.kubernetes.io/instance": seen.release,
                "app.kubernetes.io/component": "test",
                "app.kubernetes.io/managed-by": "valuegen",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "serviceAccountName": spec.get("serviceAccountName", "default"),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": user,
            "imagePullSecrets": spec.get("imagePullSecrets") or [],
            "tolerations": [
                each
                for each in spec.get("tolerations") or ()
                if not each.get("key", "").startswith("node.kubernetes.io")
            ],
            # Beside an engine, whose node has the image already.
            "nodeSelector": spec.get("nodeSelector") or {},
            "containers": [
                {
                    "name": "load",
                    "image": container["image"],
                    "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                    "command": ["python3", "-c", program],
                    "env": [{"name": "SERVICES", "value": json.dumps(services)}, *key],
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                    "securityContext": RESTRICTED,
                }
            ],
        },
    }


def _run(kubectl: Kubectl, pod: Object, namespace: str) -> list[dict[str, Any]]:
    """What the pod printed; it is removed whatever happens."""
    where = f"--namespace={namespace}"
    made = kubectl.run("create", where, "--filename=-", stdin=json.dumps(pod))
    if made.returncode:
        raise ClusterError(
            f"--load: its pod cannot be made: {one_line(made.stderr)}",
            "it needs the right to create and delete pods",
        )
    try:
        _wait(kubectl, path(f"pods/{name(pod)}", "api/v1", namespace))
        log = kubectl.get(path(f"pods/{name(pod)}/log", "api/v1", namespace)).text
    finally:
        kubectl.run("delete", "pod", name(pod), where, "--wait=false", "--ignore-not-found")
    try:
        return [json.loads(line) for line in log.splitlines() if line.strip()]
    except ValueError:
        raise ClusterError(
            f"--load: its pod says: {one_line(log)}", "does the engine's image have python3?"
        ) from None


def _wait(kubectl: Kubectl, at: str) -> None:
    """Until the pod has ended."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    status: Object = {}
    while time.monotonic() < deadline:
        status = kubectl.get(at).document.get("status", {})
        if status.get("phase") in ("Succeeded", "Failed"):
            return
        time.sleep(1)
    waiting = [each.get("message") for each in status.get("conditions") or () if each.get("message")]
    raise ClusterError(
        f"--load: its pod has not ended after {DEADLINE_SECONDS} s: {one_line('; '.join(waiting))}",
        "is there a node with room for it?",
    )


def said(measured: dict[str, Any]) -> str:
    """One model's answers in a line."""
    line = f"{measured.get('model', measured['url'])}: {measured['answered']} of {measured['asked']} requests answered"
    if measured["answered"]:
        line += f", median {measured['median_seconds']} s, longest {measured['longest_seconds']} s"
        line += f", {measured['tokens_per_second']} tokens/s"
    return line


def failed(measured: dict[str, Any]) -> list[Finding]:
    """The finding about requests that were not answered."""
    if not measured["error"]:
        return []
    why = f"{measured['url']} does not answer every request: {one_line(measured['error'])}"
    fix = "read the engines' logs; 401 is a key that is not theirs, a timeout may be a NetworkPolicy"
    return [Finding("load", "error", measured["url"], said(measured), why, fix)]
