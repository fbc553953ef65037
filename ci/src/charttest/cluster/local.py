"""The local cluster: brings the parts up in order, watches them, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from functools import cached_property
from typing import TYPE_CHECKING

from charttest import parts
from charttest.cluster import audit, control_plane, kubeconfig, pki, ports, process, simulation, state
from charttest.cluster.api import Api
from charttest.cluster.nodepools import read_node_pools, simulated
from charttest.errors import ClusterError
from charttest.images.engine import pause_archive
from charttest.kubectl import Kubectl, KubectlError
from charttest.node import images, nodes, requirements
from charttest.parts.cache import cache_folder
from charttest.signals import terminate_like_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from charttest.cluster.control_plane import Ports
    from charttest.cluster.nodepools import NodePool

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
START_SECONDS = 120  # a part that needs longer is broken; a warm start on a quiet machine takes under 10 s
ADDED_SECONDS = 180  # controllers start while the tests use both cores


class LocalCluster:
    """etcd, API server, controllers, scheduler and kwok on loopback, with simulated and real GPU nodes.

        with LocalCluster() as cluster:
            cluster.kubectl("get", "nodes")

    As a context manager the cluster ends with the block, with this process (also when it is killed)
    and on SIGTERM; enter it in the main thread, since the kernel watches the thread that starts a part.
    `start()` with `detached=True` leaves it running; `LocalCluster.find` finds it again.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        node_pools: Path | None = None,
        port: int | None = None,
        detached: bool = False,
        audited: bool = False,
    ) -> None:
        """`audited`: keep the API server's audit log, see audit.py."""
        self.name = f"session-{os.getpid()}-{random.randrange(16**4):04x}" if name is None else name  # noqa: S311
        if not NAME.fullmatch(self.name):
            raise ClusterError(
                f"--name {self.name}: not a name for a cluster", "use up to 40 of a-z, 0-9 and '-'"
            )
        self.directory = state.clusters_directory() / self.name
        self._pools_file = node_pools
        self._port = port
        self._detached = detached
        self._audited = audited
        self._state: state.State | None = None
        self._signals = contextlib.ExitStack()
        self._nodes: nodes.Nodes | None = None
        self.only_simulated = ""
        """Why nodes that should be real are simulated; empty when they are real, or none should be."""

    # Using it

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._require_state().server

    @cached_property
    def kubectl(self) -> Kubectl:
        """kubectl on this cluster; one that still runs when the cluster stops is ended with it."""
        return Kubectl(self.kubeconfig, {process.MARK: str(self.directory)})

    @cached_property
    def api(self) -> Api:
        """The API server as the administrator; None for an answer where kubectl has an error."""
        keys = self.directory / "pki"
        return Api(self.server, keys / "ca.crt", pki.Pair(keys / "admin.crt", keys / "admin.key"))

    @property
    def host(self) -> str:
        """The address of this machine, for pods of real nodes; where there are none, loopback."""
        return self._nodes.addresses.host if self._nodes else "127.0.0.1"

    def status(self) -> list[state.PartStatus]:
        """Every part and whether it runs."""
        return [state.PartStatus(p.name, p.pid, p.alive, p.log) for p in self._require_state().processes]

    def why_not_real(self) -> str:
        """Why no node of this cluster can run containers here, with the next step; empty when they can."""
        return requirements.missing(self.directory, cache_folder())

    def check(self) -> None:
        """ClusterError with the tail of its log if a part has died."""
        for part in self._require_state().processes:
            if not part.alive:
                raise ClusterError(
                    f"cluster {self.name}: {part.name} has died; the end of its log:\n{part.log_tail()}",
                    f"stop the cluster (`charttest cluster down --name {self.name}`) and start it again",
                )

    def load_image(self, archive: Path) -> None:
        """Put the images of an OCI archive into every real node; ClusterError where there is none."""
        holders = self._require_state().nodes
        if not holders:
            raise ClusterError(
                f"cluster {self.name}: no node of it runs containers",
                self.only_simulated or "give its node pool `runtime: containerd`",
            )
        images.load(archive, parts.find("ctr"), holders.values())

    def add(self, name: str, command: Sequence[str], ready: Callable[[], bool]) -> None:
        """Run one more part, which ends with the cluster; returns when it is `ready`. ClusterError if it dies.

        Call it in the main thread: the kernel watches the thread that starts a part.
        """
        self._run(name, command)
        self.wait(name, ready, ADDED_SECONDS)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait for a condition of the cluster; ClusterError when a part dies or the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"cluster {self.name}: waited {seconds:g} s for {what}",
                    f"is the machine overloaded? the logs lie in {self.directory} while it starts",
                )
            time.sleep(0.05)

    # Start and stop

    @classmethod
    def find(cls, name: str) -> LocalCluster:
        """The cluster of that name that another process has started; ClusterError if there is none."""
        cluster = cls(name)
        cluster._state = state.load(cluster.directory)
        if cluster._state is None:
            known = ", ".join(state.running_clusters()) or "none runs"
            raise ClusterError(
                f"--name {name}: no such cluster ({known})", f"start it: charttest cluster up --name {name}"
            )
        return cluster

    def start(self) -> None:
        """Bring the cluster up: on return the nodes, the CRDs and the default ServiceAccount are there."""
        pools = self._possible(read_node_pools(self._pools_file))
        real = [pool for pool in pools if pool.real]
        with state.locked():
            self._refuse_second()
        with ports.reserved(self._port) as chosen:
            binaries = parts.find_all((*BINARIES, *(nodes.BINARIES if real else ())))
            objects = simulation.initial_objects(pools)
            self._claim(chosen)
            try:
                if real:
                    self._nodes = nodes.Nodes(self.directory, real, self._run, binaries)
                self._bring_up(binaries, objects, chosen)
            except BaseException:
                self.stop()
                raise
        if self._detached:
            current = self._require_state()
            current.owner = None
            current.save()

    def stop(self) -> None:
        """End every process and delete every file. Safe to call twice, and on a cluster half started."""
        if self._state is None:
            return
        with state.locked():
            left = self._state.remove()
        self._state = None
        if left:
            pids = ", ".join(str(pid) for pid in left)
            raise ClusterError(f"cluster {self.name}: the processes {pids} did not end", f"kill -9 {pids}")

    def __enter__(self) -> LocalCluster:
        """Start; from here on SIGTERM and SIGHUP stop the cluster as Ctrl-C does."""
        self._signals.enter_context(terminate_like_interrupt())
        try:
            self.start()
        except BaseException:
            self._signals.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; a part that died meanwhile is an error even if nobody noticed."""
        try:
            if error is None:
                self.check()
        finally:
            try:
                self.stop()
            finally:
                self._signals.close()

    # How it comes up

    def _refuse_second(self) -> None:
        state.sweep()
        if state.load(self.directory) is not None:
            raise ClusterError(
                f"--name {self.name}: this cluster is already up",
                f"use it, or stop it first: charttest cluster down --name {self.name}",
            )

    def _claim(self, chosen: Ports) -> None:
        """Take the name. Until the cluster is up this process owns it, so that a kill leaves no orphan."""
        with state.locked():
            self._refuse_second()
            self.directory.mkdir(mode=0o700)
            owner = (os.getpid(), process.start_time(os.getpid()) or 0)
            self._state = state.State(self.directory, owner, f"https://127.0.0.1:{chosen.server}", [])
            self._state.save()

    def _possible(self, pools: list[NodePool]) -> list[NodePool]:
        """These pools, with the real ones simulated where this machine cannot run them."""
        if any(pool.real for pool in pools):
            self.only_simulated = self.why_not_real()
        return [simulated(pool) for pool in pools] if self.only_simulated else pools

    def _bring_up(self, binaries: dict[str, Path], objects: str, chosen: Ports) -> None:
        self._run("etcd", control_plane.etcd(binaries["etcd"], self.directory / "etcd", chosen))
        reached = control_plane.Reached()
        if self._nodes:
            with state.locked():
                reached = self._nodes.connect()
            self._nodes.prepare()
            self._require_state().nodes = self._nodes.holders
        certificates = pki.create(self.directory / "pki", reached.addresses, reached.nodes)
        kubeconfig.write(self.kubeconfig, self.name, self.server, certificates.authority, certificates.admin)
        server = control_plane.apiserver(binaries["kube-apiserver"], certificates, chosen, reached.services)
        self._run("kube-apiserver", server + (audit.flags(self.directory) if self._audited else []))
        stages = self.directory / "stages.yaml"
        stages.write_text(simulation.stages(), encoding="utf-8")
        api = self.api
        self.wait("the API server", api.ready)

        manager = binaries["kube-controller-manager"]
        self._run(
            "kube-controller-manager",
            control_plane.controller_manager(manager, self.kubeconfig, certificates),
        )
        self._run("kube-scheduler", control_plane.scheduler(binaries["kube-scheduler"], self.kubeconfig))
        self._run("kwok", control_plane.kwok(binaries["kwok"], self.kubeconfig, stages))
        try:
            self.kubectl("apply", "--server-side", "--filename=-", stdin=objects)
        except KubectlError:
            self.check()  # a part that died tells more than the refused connection
            raise
        if self._nodes:
            self._nodes.start(certificates, chosen.server)
            self.kubectl.apply(*self._nodes.objects())
        self.wait("every CustomResourceDefinition to be served", api.crds_served)
        self.wait("every node to be ready", api.nodes_usable)
        self.wait("the default ServiceAccount", api.default_account_exists)
        if self._nodes:
            self._nodes.advertise_devices(self.kubectl)
            self.load_image(pause_archive())

    def _run(self, name: str, command: Sequence[str]) -> process.Process:
        current = self._require_state()
        log = self.directory / f"{name}.log"
        started = process.start(name, command, log, tied=not self._detached)
        current.processes.append(started)
        current.save()
        return started

    def _require_state(self) -> state.State:
        if self._state is None:
            raise ClusterError(f"cluster {self.name}: not running", "start it first")
        return self._state
