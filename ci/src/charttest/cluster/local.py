"""The local cluster: starts the parts, puts nodes and CRDs there, stops without a trace."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from charttest import parts
from charttest.cluster import components, processes, state
from charttest.cluster.nodepools import DEFAULT, load_node_pools
from charttest.cluster.pki import Authority
from charttest.cluster.ports import Reservation
from charttest.cluster.stages import stages, storage_classes
from charttest.errors import ClusterError
from charttest.parts.registry import select
from charttest.signals import terminate_like_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# module -> folder of the CustomResourceDefinitions that the charts use
CRDS = {"sigs.k8s.io/gateway-api": "config/crd/standard"}

_START_SECONDS = 60.0
_POLL_SECONDS = 0.05


class LocalCluster:
    """A control plane on loopback with simulated nodes, as a context manager.

    Unless `detached`, every part ends with this process, however it ends; start it in the main thread, since
    the kernel watches the thread that started a part.
    """

    def __init__(
        self,
        node_pools: Path | None = None,
        kubernetes: str | None = None,
        *,
        name: str | None = None,
        port: int | None = None,
        detached: bool = False,
    ) -> None:
        """Describe the cluster; nothing starts yet.

        `node_pools` is a YAML file (default: the package's), `kubernetes` a version or its prefix, `name`
        what `charttest cluster` calls it, `port` the API server's (default: a free one).
        """
        self.name = state.check_name(name or f"run-{os.getpid()}-{uuid.uuid4().hex[:6]}")
        self._pools_file = node_pools or DEFAULT
        self._kubernetes = kubernetes
        self._port = port
        self._detached = detached
        self._record: state.Record | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._kubectl: Path | None = None
        self._signals = contextlib.ExitStack()

    @property
    def directory(self) -> Path:
        """Everything of the cluster: certificates, data, logs."""
        return Path(self._started.directory)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._started.kubeconfig

    @property
    def api_url(self) -> str:
        """The address of the API server."""
        return self._started.api_url

    @property
    def _started(self) -> state.Record:
        if self._record is None:
            raise ClusterError(
                f"cluster {self.name} does not run", "call start(), or use `with LocalCluster()`"
            )
        return self._record

    def __enter__(self) -> Self:
        """Start; SIGTERM and SIGHUP now unwind the program as Ctrl-C does."""
        self._signals.enter_context(terminate_like_interrupt())
        try:
            return self.start()
        except BaseException:
            self._signals.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        try:
            self.stop()
        finally:
            self._signals.close()

    def start(self) -> Self:
        """Start every part and wait until nodes are Ready and pods can be made.

        UsageError: a bad node-pool file or a busy port. PartError: a binary cannot be had. ClusterError: the
        name is taken, or a part does not come up.
        """
        nodes = [node for pool in load_node_pools(self._pools_file) for node in pool.nodes()]
        names = [*components.PARTS, "kubectl"]
        wanted = [select(name, self._kubernetes if "kube" in name else None) for name in names]
        binaries = {part.name: part.path for part in parts.ensure(wanted) if part.path}
        self._kubectl = binaries["kubectl"]
        kwok_stages, objects = stages(), [*nodes, *storage_classes(), *_crds()]
        reservations = [Reservation(self._port or 0), Reservation(), Reservation()]
        try:
            layout = self._claim([reservation.port for reservation in reservations])
            try:
                self._prepare(layout, kwok_stages)
                self._run(layout, binaries, objects, len(nodes))
            except BaseException:
                self.stop()
                raise
        finally:
            for reservation in reservations:
                reservation.release()
        if self._detached:
            self._record = replace(self._started, owner="")
            state.write(self._record)
        return self

    def stop(self) -> None:
        """End every process and remove every file of the cluster; twice does no harm."""
        if self._record is None:
            return
        record, self._record = self._record, None
        with state.locked():
            state.remove(record)
        for child in self._children.values():
            child.wait()
        self._children.clear()

    def check(self) -> None:
        """Raise ClusterError with the tail of its log when a part has died."""
        for part in self._started.missing:
            raise processes.died(self.directory, part)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl on the cluster and return what it prints; ClusterError with its message when it fails."""
        if self._kubectl is None:
            self._kubectl = parts.find("kubectl")
        answer = subprocess.run(
            [self._kubectl, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            self.check()
            shown = " ".join(str(argument) for argument in arguments)
            raise ClusterError(
                f"kubectl {shown}: {answer.stderr.strip()}", "correct the command or the object"
            )
        return answer.stdout

    def _claim(self, ports: list[int]) -> components.Layout:
        """Take the name; the record is there before the first process, so that nothing can be forgotten."""
        with state.locked():
            state.sweep()
            if state.read(self.name):
                raise ClusterError(
                    f"a cluster called {self.name} is there already",
                    f"stop it (charttest cluster down --name {self.name}) or choose another --name",
                )
            directory = Path(tempfile.mkdtemp(prefix="charttest-"))
            layout = components.Layout(directory, *ports)
            self._record = state.Record(
                name=self.name,
                directory=str(directory),
                api_url=layout.api_url,
                nodes=str(self._pools_file),
                parts=list(components.PARTS),
                owner=state.identity(),
            )
            state.write(self._record)
        return layout

    def _prepare(self, layout: components.Layout, kwok_stages: list[dict[str, Any]]) -> None:
        (layout.directory / "logs").mkdir()
        authority = Authority.create(layout.pki)
        authority.issue_server("apiserver", components.KUBERNETES_SERVICE)
        authority.issue_client("admin", "system:masters")
        authority.issue_client("front-proxy")
        authority.write_signing_key("sa")
        layout.stages.write_text(yaml.dump_all(kwok_stages, Dumper=yaml.CSafeDumper), encoding="utf-8")
        layout.kubeconfig.touch(mode=0o600)
        layout.kubeconfig.write_text(json.dumps(_kubeconfig(layout, self.name)), encoding="utf-8")

    def _run(
        self,
        layout: components.Layout,
        binaries: dict[str, Path],
        objects: list[dict[str, Any]],
        node_count: int,
    ) -> None:
        api = _Api(layout)
        for part in components.FIRST:
            self._start_part(part, binaries, layout)
        self._wait("the API server is ready", lambda: api.get("/readyz") is not None)
        for part in components.THEN:
            self._start_part(part, binaries, layout)
        self.kubectl(
            "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )
        self._wait("every CustomResourceDefinition is served", lambda: api.established())
        self._wait("every node is Ready", lambda: api.ready_nodes() == node_count)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("the default ServiceAccount is there", lambda: api.get(account) is not None)

    def _start_part(self, part: str, binaries: dict[str, Path], layout: components.Layout) -> None:
        command = components.command(part, binaries, layout)
        self._children[part] = processes.start(layout.directory, part, command, detached=self._detached)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            for part, child in self._children.items():
                if child.poll() is not None:
                    raise processes.died(self.directory, part)
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"  {part}:\n{processes.tail(self.directory, part)}" for part in self._children
                )
                raise ClusterError(
                    f"waited {_START_SECONDS:.0f} s in vain until {what}:\n{logs}",
                    "see the logs above; a machine under heavy load may need a second try",
                )
            time.sleep(_POLL_SECONDS)


class _Api:
    """Just enough of a client to wait: kubectl would start a process per question."""

    def __init__(self, layout: components.Layout) -> None:
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        # no proxy of the environment: the server is on loopback
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._url = layout.api_url

    def get(self, path: str) -> bytes | None:
        """Return the answer, or None while the server does not give one with status 200."""
        try:
            with self._opener.open(f"{self._url}{path}", timeout=5) as response:
                answer: bytes = response.read()
                return answer
        except (OSError, urllib.error.HTTPError):
            return None

    def _items(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        items: list[dict[str, Any]] = json.loads(answer)["items"] if answer else []
        return items

    def established(self) -> bool:
        """Say whether every CRD is served."""
        crds = self._items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return bool(crds) and all(_condition(crd, "Established") for crd in crds)

    def ready_nodes(self) -> int:
        """Count the nodes that are Ready and that the controllers have cleared for pods."""
        nodes = self._items("/api/v1/nodes")
        return sum(_condition(node, "Ready") and not _startup_taint(node) for node in nodes)


def _condition(item: dict[str, Any], kind: str) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(entry["type"] == kind and entry["status"] == "True" for entry in conditions)


def _startup_taint(node: dict[str, Any]) -> bool:
    taints = node["spec"].get("taints", [])
    return any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)


def _crds() -> list[dict[str, Any]]:
    files = (
        path for module, folder in CRDS.items() for path in (parts.module_dir(module) / folder).glob("*.yaml")
    )
    documents = (
        document
        for path in sorted(files)
        for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    )
    return [document for document in documents if document and document["kind"] == "CustomResourceDefinition"]


def _kubeconfig(layout: components.Layout, name: str) -> dict[str, Any]:
    """Return a kubeconfig that carries its certificates, so that it can be copied anywhere."""

    def embedded(file: str) -> str:
        return base64.b64encode((layout.pki / file).read_bytes()).decode()

    server = {"server": layout.api_url, "certificate-authority-data": embedded("ca.crt")}
    user = {"client-certificate-data": embedded("admin.crt"), "client-key-data": embedded("admin.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name,
    }
