"""The pod that loads run in: inside the cluster, so that it works alike on every cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from charttest.kubectl import KubectlError
from charttest.load.carried import command
from charttest.load.offered import OpenLoad
from charttest.load.running import Load, LoadError
from charttest.load.shapes import arrivals
from charttest.load.traffic.options import ClosedOptions, OpenOptions

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from types import TracebackType

    from charttest.kubectl import Kubectl
    from charttest.load.shapes import Shape

IMAGE = "docker.io/vllm/vllm-openai:v0.33.0"
"""The image of the chart's pods, or of the test engine that stands in for it: only its python3 is used."""

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
        target, chosen = self._target(service, port, via)
        options = ClosedOptions(
            target=target,
            model=model,
            via=via,
            namespace=self.namespace,
            port=chosen,
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
        return Load(self._run(options), what, start_seconds=start_seconds, end_seconds=timeout_seconds + 30)

    def offer(
        self,
        service: str,
        shape: Shape,
        *,
        model: str,
        seed: int | None = None,
        port: str = "",
        stream: Literal["half", "all", "none"] = "half",
        max_tokens: int = 40,
        timeout_seconds: float = 30.0,
        most_in_flight: int = 2000,
        own_words: int = 0,
        authorization: str = "",
        start_seconds: float = 60.0,
    ) -> OpenLoad:
        """A load of this shape on the ClusterIP of a Service, begun; no request waits for another's answer.

        `seed` makes the arrivals random (`shapes.arrivals`). A request beyond `most_in_flight` is not sent and
        counts as lost. With `own_words` each has a prompt of so many words that shares no KV cache with another.
        Else as in `load`.
        """
        target, _ = self._target(service, port, "service")
        options = OpenOptions(
            target=target,
            model=model,
            stream=stream,
            max_tokens=max_tokens,
            timeout_seconds=timeout_seconds,
            most_in_flight=most_in_flight,
            own_words=own_words,
            authorization=authorization,
        )
        return OpenLoad(
            self._run(options),
            f"{service}, {shape.name}",
            arrivals(shape, seed=seed),
            start_seconds=start_seconds,
            end_seconds=timeout_seconds + 30,
        )

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

    def _target(self, service: str, name: str, via: str) -> tuple[str, str]:
        """What the options call the target of a load, and the name of its port."""
        spec = self.kubectl.get("service", service, "--namespace", self.namespace)["spec"]
        port = next((entry for entry in spec["ports"] if name in ("", entry.get("name"))), None)
        if port is None:
            names = ", ".join(entry.get("name", "") for entry in spec["ports"])
            raise LoadError(f"port={name}: service {service} has no such port", f"name one of {names}")
        if via == "endpoints":
            return service, port.get("name", "")
        address = spec["clusterIP"]
        if address == "None":
            raise LoadError(f"service {service}: it is headless, without a ClusterIP", 'use via="endpoints"')
        host = f"[{address}]" if ":" in address else address
        return f"{host}:{port['port']}", port.get("name", "")

    def _run(self, options: ClosedOptions | OpenOptions) -> subprocess.Popen[str]:
        where = ("--namespace", self.namespace, "--container", "load", "--stdin", self.name)
        return self.kubectl.begin("exec", *where, "--", *command(options))

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
