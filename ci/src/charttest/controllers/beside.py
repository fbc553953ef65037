"""What controllers beside a cluster need: ports, certificates, and to be called by the API server on loopback."""

from __future__ import annotations

import base64
import shutil
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from charttest.cluster import LocalCluster

LOOPBACK = "127.0.0.1"
READY_SECONDS = 180


def folder(cluster: LocalCluster, name: str) -> Path:
    """A new folder in the cluster's, with ca.crt, tls.crt and tls.key of a server on this machine."""
    made, keys = cluster.directory / name, cluster.directory / "pki"
    made.mkdir()
    for source, target in (
        ("ca.crt", "ca.crt"),
        ("controllers.crt", "tls.crt"),
        ("controllers.key", "tls.key"),
    ):
        shutil.copyfile(keys / source, made / target)
    return made


def define(cluster: LocalCluster, definitions: Path) -> None:
    """Apply a folder of CustomResourceDefinitions; returns when all are served.

    Controllers look once, at their start, which of their kinds there are.
    """
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(definitions))
    defined = cluster.kubectl.get("customresourcedefinitions")
    wanted = {
        (f"/apis/{each['spec']['group']}/{version['name']}", each["spec"]["names"]["plural"])
        for each in defined
        for version in each["spec"]["versions"]
        if version["served"]
    }

    def served() -> bool:
        groups = {path: cluster.api.get(path) or {"resources": []} for path, _ in wanted}
        names = {(path, entry["name"]) for path, group in groups.items() for entry in group["resources"]}
        return wanted <= names

    cluster.wait("every CustomResourceDefinition to be served", served, READY_SECONDS)


def free_port() -> int:
    """A port on which nobody listens now."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens on this port."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def with_environment(variables: Mapping[str, str], *command: str) -> list[str]:
    """The command with these variables, beside the few that every part has."""
    return ["env", *(f"{name}={value}" for name, value in variables.items()), *command]


def by_url(configurations: list[dict[str, Any]], keys: Path, port: int) -> list[dict[str, Any]]:
    """The same webhook configurations, called on a port of this machine instead of by their Service."""
    authority = base64.b64encode((keys / "ca.crt").read_bytes()).decode()
    for configuration in configurations:
        for hook in configuration["webhooks"]:
            path = hook["clientConfig"]["service"]["path"]
            hook["clientConfig"] = {"url": f"https://{LOOPBACK}:{port}{path}", "caBundle": authority}
    return configurations


def serve_api(cluster: LocalCluster, name: str, namespace: str, group_version: str, port: int) -> None:
    """Let the API server pass on this group and version to a port of this machine; returns when it does."""
    group, _, version = group_version.partition("/")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}"},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,  # the certificate is for this machine, not for the Service's name
            "service": {"name": name, "namespace": namespace, "port": port},
        },
    }
    cluster.kubectl.apply(service, api, namespace=namespace)
    cluster.kubectl(
        "wait", "--for=condition=Available", f"apiservice/{version}.{group}", f"--timeout={READY_SECONDS}s"
    )


def namespace(name: str) -> dict[str, Any]:
    """The object."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
