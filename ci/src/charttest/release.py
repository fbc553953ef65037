"""A Helm release in a namespace of its own, as a test uses it: install, upgrade, roll back, uninstall."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from charttest.errors import ClusterError
from charttest.helm import Helm, Values, value_options
from charttest.helm import helm as find_helm
from charttest.kubectl import KubectlError
from charttest.trouble import trouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from charttest.kubectl import Kubectl


@dataclass(frozen=True)
class Release:
    """One release; every command waits until its objects are ready, or fails after `timeout_seconds`.

    A failure carries a note with what is wrong with the pods.
    """

    helm: Helm
    chart: Path
    name: str
    namespace: str
    kubectl: Kubectl
    timeout_seconds: int = 60

    def install(self, *values: Values, wait: bool = True) -> None:
        """`helm install --wait`. HelmError with what is not ready when the time is over."""
        options, stdin = value_options(values)
        waiting = ("--wait", *self._timeout) if wait else ()
        self._run("install", self.name, str(self.chart), *waiting, *options, stdin=stdin)
        if wait:
            self._wait_for_groups()

    def upgrade(self, *values: Values, wait: bool = True) -> None:
        """`helm upgrade --wait` with these values and no others."""
        options, stdin = value_options(values)
        waiting = ("--wait",) if wait else ()
        what = (self.name, str(self.chart), "--reset-values", *waiting)
        self._run("upgrade", *what, *self._timeout, *options, stdin=stdin)
        if wait:
            self._wait_for_groups()

    def rollback(self, revision: int = 0, *, wait: bool = True) -> None:
        """`helm rollback --wait`; revision 0 is the one before."""
        waiting = ("--wait",) if wait else ()
        self._run("rollback", self.name, str(revision), *waiting, *self._timeout)
        if wait:
            self._wait_for_groups()

    def test(self) -> str:
        """`helm test`: what it printed."""
        return self._run("test", self.name, *self._timeout)

    def uninstall(self) -> None:
        """`helm uninstall --wait`; a release that is not there is no error."""
        self._run("uninstall", self.name, "--ignore-not-found", "--wait", *self._timeout)

    def history(self) -> list[dict[str, Any]]:
        """The revisions, oldest first, each with `revision`, `status` and `description`."""
        found: list[dict[str, Any]] = json.loads(self._run("history", self.name, "--output", "json"))
        return found

    def get(self, kind: str, *arguments: str) -> Any:
        """`kubectl get KIND` in the release's namespace, as data."""
        return self.kubectl.get(kind, *arguments, "--namespace", self.namespace)

    def wait(self, *arguments: str) -> None:
        """`kubectl ARGUMENTS --timeout`, as in `wait("rollout", "status", "deployments")`."""
        with self.explained():
            limit = f"--timeout={self.timeout_seconds}s"
            self.kubectl(*arguments, "--namespace", self.namespace, limit)

    def _wait_for_groups(self) -> None:
        """Helm does not know when a LeaderWorkerSet is ready: wait until every group of the newest revision is."""
        if "LeaderWorkerSet" not in self._run("get", "manifest", self.name):
            return
        deadline = time.monotonic() + self.timeout_seconds
        while waiting := [item["metadata"]["name"] for item in self._groups() if not _is_rolled_out(item)]:
            if time.monotonic() > deadline:
                with self.explained():
                    raise ClusterError(
                        f"LeaderWorkerSet {', '.join(waiting)}: not ready after {self.timeout_seconds} s",
                        "does its controller run? the note says what is wrong with the pods",
                    )
            time.sleep(0.2)

    def _groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(
            "leaderworkersets", "--selector", f"app.kubernetes.io/instance={self.name}"
        )
        return found

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add a note with what is wrong with the pods to whatever fails in the block."""
        try:
            yield
        except Exception as error:
            if not hasattr(error, "__notes__"):  # the block in this one has explained it
                with contextlib.suppress(KubectlError):  # the error itself says that nothing answers
                    error.add_note(trouble(self.kubectl, self.namespace))
            raise

    @property
    def _timeout(self) -> tuple[str, str]:
        return "--timeout", f"{self.timeout_seconds}s"

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        where = ("--kubeconfig", str(self.kubectl.kubeconfig), "--namespace", self.namespace)
        with self.explained():
            # Helm ends by itself; the subprocess limit is for a Helm that does not.
            return self.helm.run(*arguments, *where, stdin=stdin, timeout=self.timeout_seconds + 60)


def _is_rolled_out(group: dict[str, Any]) -> bool:
    """Whether a LeaderWorkerSet's controller has seen the newest spec, and all of its groups have it and are ready."""
    status, wanted = group.get("status", {}), group["spec"]["replicas"]
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", ())}
    return (
        status.get("observedGeneration") == group["metadata"]["generation"]
        and all(status.get(key, 0) == wanted for key in ("replicas", "readyReplicas", "updatedReplicas"))
        and conditions.get("Available") == "True"
        and conditions.get("UpdateInProgress") != "True"
    )


class Releases:
    """Makes releases of a chart, not installed yet, each in a new namespace that enforces `restricted`.

    Safe to call from several threads; leaving the block deletes the namespaces.
    """

    def __init__(self, kubectl: Kubectl, chart: Path) -> None:
        """Of this chart, in the cluster of `kubectl`."""
        self._kubectl = kubectl
        self._chart = chart
        self._session = uuid.uuid4().hex[:6]
        self._numbers = itertools.count()
        self._namespaces: list[str] = []

    def __call__(self, *, helm: Helm | None = None, timeout_seconds: int = 60) -> Release:
        """A new one; with Helm 4 if `helm` is left out."""
        name = f"t{next(self._numbers)}-{self._session}"
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
        self._kubectl.apply(namespace)
        self._namespaces.append(name)
        return Release(helm or find_helm(), self._chart, name, name, self._kubectl, timeout_seconds)

    def __enter__(self) -> Releases:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the namespaces, without waiting for them."""
        if self._namespaces:
            self._kubectl("delete", "namespace", "--wait=false", *self._namespaces)
