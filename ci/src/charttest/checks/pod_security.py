"""Every container passes the `restricted` level of Pod Security Standards, as the API server applies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks.model import Check, Manifest, Manifests, Pod

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = ("RuntimeDefault", "Localhost")
_SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    for namespace in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(namespace):
            yield f"{namespace} shares the node's namespace"
    for volume in spec.get("volumes") or []:
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"the volume {volume.get('name')} is of the type {kind}"
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or []:
        if sysctl.get("name") not in _SYSCTLS:
            yield f"sets the sysctl {sysctl.get('name')}"


def _of_context(context: Mapping[str, Any]) -> Iterator[str]:
    if (context.get("seLinuxOptions") or {}).get("type") not in _SELINUX_TYPES:
        yield "sets an SELinux type"
    if (context.get("seLinuxOptions") or {}).keys() & {"user", "role"}:
        yield "sets an SELinux user or role"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "is a Windows host process"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "turns AppArmor off"


def _of_container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    both = {**pod, **own}
    yield from _of_context(own)
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield "is privileged"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not Default"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if both.get("runAsUser") == 0:
        yield "runs as user 0"
    if (both.get("seccompProfile") or {}).get("type") not in _SECCOMP:
        yield "seccompProfile is neither RuntimeDefault nor Localhost"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "does not drop the capabilities ALL"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"adds the capabilities {capabilities['add']}"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"takes the node's port {port['hostPort']}"


def problems(pod: Pod) -> Iterator[str]:
    """Everything that admission at level `restricted` would refuse of this pod."""
    context = pod.spec.get("securityContext") or {}
    yield from _of_pod(pod.spec)
    yield from _of_context(context)
    for container in pod.containers:
        for message in _of_container(container, context):
            yield f"container {container.get('name')} {message}"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        for message in problems(pod):
            yield pod.owner, message


CHECK = Check(
    id="pod-security",
    sentence="Every container, init and test containers too, passes Pod Security at level restricted.",
    fix=(
        "set runAsNonRoot, seccompProfile RuntimeDefault, allowPrivilegeEscalation: false and"
        " capabilities drop ALL in its securityContext"
    ),
    run=_run,
)
