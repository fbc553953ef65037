"""The pod that loads run in: inside the cluster, so that it works alike on every cluster."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from charttest.kubectl import KubectlError
from charttest.load import client
from charttest.load.running import Load, LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from charttest.kubectl import Kubectl

IMAGE = "docker.io/vllm/vllm-openai:v0.33.0"
"""The image of the chart's pods, or of the test engine that stands in for it: only its python3 is used."""

_SOURCE = Path(client.__file__).read_text(encoding="utf-8")
_IDLE = "import signal; signal.pause()"


@dataclass(frozen=True)
class LoadPod:
    """A pod in the namespace of the Services under load; it exists inside a `with` statement.

    It may read the namespace's EndpointSlices and nothing else. With simulated nodes in the cluster,
    `node_selector` must name real ones: it tolerates every taint.
    """

    kubectl: Kubectl
    namespace: str
    image: str = IMAGE
    name: str = "load"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: int = 60

    def load(
        self,
        service: str,
        *,
        model: str,
        via: Literal["service", "endpoints"] = "service",
        port: str = "",
        delay_seconds: float = 0.0,
        clients: int = 20,
        stream: Literal["half", "all", "none"] = "half",
        keep_alive: bool = False,
        pause_seconds: float = 0.0,
        max_tokens: int = 40,
        timeout_seconds: float = 30.0,
        authorization: str = "",
        start_seconds: float = 60.0,
    ) -> Load:
        """A load on this Service of the namespace, begun: every client has had an answer.

        `via="service"` asks its ClusterIP; `via="endpoints"` asks the endpoints in turn and sees their
        changes `delay_seconds` late. `port` is the name of the Service's port, by default its first.
        `timeout_seconds` without a byte lose a request. LoadError when an answer to every client takes
        longer than `start_seconds`.
        """
        found = self.kubectl.get("service", service, "--namespace", self.namespace)["spec"]
        chosen = self._port(service, found["ports"], port)
        address = found["clusterIP"]
        if via == "service" and address == "None":
            raise LoadError(f"service {service}: it is headless, without a ClusterIP", 'use via="endpoints"')
        host = f"[{address}]" if ":" in address else address
        options = client.Options(
            target=service if via == "endpoints" else f"{host}:{chosen['port']}",
            model=model,
            via=via,
            namespace=self.namespace,
            port=chosen.get("name", ""),
            delay_seconds=delay_seconds,
            clients=clients,
            stream=stream,
            keep_alive=keep_alive,
            pause_seconds=pause_seconds,
            max_tokens=max_tokens,
            timeout_seconds=timeout_seconds,
            authorization=authorization,
        )
        what = f"{service} via {via}"
        if delay_seconds:
            what += f" {delay_seconds:g} s late"
        if keep_alive:
            what += ", kept connections"
        if pause_seconds:
            what += f", pauses of {pause_seconds:g} s"
        command = ("python3", "-u", "-c", _SOURCE, json.dumps(asdict(options)))
        where = ("--namespace", self.namespace, "--container", "load", "--stdin", self.name)
        process = self.kubectl.begin("exec", *where, "--", *command)
        return Load(process, what, start_seconds=start_seconds, end_seconds=timeout_seconds + 30)

    def __enter__(self) -> LoadPod:
        """Create it; LoadError with its state when it is not ready in time."""
        try:
            self.kubectl.apply(*self.objects, namespace=self.namespace)
            self._wait()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove it."""
        self._remove()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects that are created, in their order."""
        rules = [
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["get", "list", "watch"],
            }
        ]
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        rbac = "rbac.authorization.k8s.io/v1"
        return [
            self._object("v1", "ServiceAccount", automountServiceAccountToken=False),
            self._object(rbac, "Role", rules=rules),
            self._object(rbac, "RoleBinding", roleRef=role, subjects=[subject]),
            self._object("v1", "Pod", spec=self._spec()),
        ]

    def _object(self, version: str, kind: str, **body: Any) -> dict[str, Any]:
        metadata = {"name": self.name, "namespace": self.namespace, "labels": {"app": self.name}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}

    def _spec(self) -> dict[str, Any]:
        container = {
            "name": "load",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", _IDLE],
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            # The first process of a container ignores SIGTERM unless it handles it.
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": dict(self.node_selector),
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }

    def _port(self, service: str, ports: list[dict[str, Any]], name: str) -> dict[str, Any]:
        for entry in ports:
            if name in ("", entry.get("name")):
                return entry
        names = ", ".join(entry.get("name", "") for entry in ports)
        raise LoadError(f"port={name}: service {service} has no such port", f"name one of {names}")

    def _wait(self) -> None:
        where = (f"pod/{self.name}", "--namespace", self.namespace)
        try:
            self.kubectl("wait", "--for=condition=Ready", *where, f"--timeout={self.ready_seconds}s")
        except KubectlError as error:
            state = json.dumps(self.kubectl.get(*where)["status"])
            message = f"pod {self.namespace}/{self.name}: not ready in {self.ready_seconds} s: {state}"
            raise LoadError(message, f"see that a node can run it and has the image {self.image}") from error

    def _remove(self) -> None:
        kinds = "pod,rolebinding,role,serviceaccount"
        self.kubectl(
            "delete", kinds, self.name, "--namespace", self.namespace, "--ignore-not-found", "--timeout=60s"
        )
