"""Which components there are, and which module each one is built from.

The versions of all modules below them are pinned by `<family>/go.mod` and `go.sum`;
families are apart because their dependency graphs conflict.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from charttest.errors import PartError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """One component; `seconds` is its build on two cores with an empty build cache."""

    name: str
    binary: str
    version: str
    family: str
    package: str
    seconds: int
    ldflags: str = ""
    version_command: tuple[str, ...] = ("--version",)
    oldest_on_path: str | None = None
    """A binary on PATH fits from this version on within its major version; None: only the pinned one."""
    on_path: bool = True
    """Whether a binary on PATH can be it at all: not where PATH may have another program of that name."""
    tags: str = ""
    """Go's build tags."""

    @property
    def folder(self) -> Path:
        """The folder of the go.mod that pins it."""
        return FOLDER / self.family

    @property
    def file_name(self) -> str:
        """Its name in the cache."""
        return f"{self.binary}-{self.version}"


_ADAPTER = "sigs.k8s.io/prometheus-adapter"
_KEDA = "github.com/kedacore/keda/v2"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
_PROMETHEUS = "github.com/prometheus/prometheus"
_WVA = "github.com/llm-d/llm-d-workload-variant-autoscaler"

# Without the service discovery of clouds, whose clients are most of a Prometheus.
_ONLY_KUBERNETES = "remove_all_sd,enable_kubernetes_sd"

# Without these the server reports v0.0.0-master and charts with a `kubeVersion` refuse to install.
_KUBERNETES_VERSION = " ".join(
    f"-X k8s.io/component-base/version.{key}" for key in ("gitVersion=v1.36.3", "gitMajor=1", "gitMinor=36")
)


def _kubernetes(binary: str, seconds: int, version_command: tuple[str, ...] = ("--version",)) -> Part:
    package = f"k8s.io/kubernetes/cmd/{binary}"
    return Part(
        binary, binary, "1.36.3", "kubernetes", package, seconds, _KUBERNETES_VERSION, version_command
    )


# The Kubernetes that `helm template` renders for when it is not told: that of its client libraries.
# Without these it is 1.20, which charts with a `kubeVersion` refuse.
_HELM_3_PACKAGES = ("chartutil", "lint/rules")
_HELM_3_API = ("k8sVersionMajor=1", "k8sVersionMinor=37")


def _helm(name: str, version: str, seconds: int, oldest: str | None) -> Part:
    major = int(version[0])
    module = f"helm.sh/helm/v{major}"
    ldflags = f"-X {module}/internal/version.version=v{version}"
    if major == 3:  # Helm 4 reads this from its own build information
        ldflags += "".join(
            f" -X {module}/pkg/{package}.{key}" for package in _HELM_3_PACKAGES for key in _HELM_3_API
        )
    return Part(
        name=name,
        binary="helm",
        version=version,
        family=name.replace("-", "").replace(".", ""),
        package=f"{module}/cmd/helm",
        seconds=seconds,
        ldflags=ldflags,
        version_command=("version", "--short"),
        oldest_on_path=oldest,
    )


def _containerd(binary: str, seconds: int, version_command: tuple[str, ...] = ("--version",)) -> Part:
    package = f"github.com/containerd/containerd/v2/cmd/{binary}"
    ldflags = "-X github.com/containerd/containerd/v2/version.Version=v2.4.2"
    return Part(binary, binary, "2.4.2", "containerd", package, seconds, ldflags, version_command)


def _cni(binary: str, kind: str) -> Part:
    package = f"github.com/containernetworking/plugins/plugins/{kind}/{binary}"
    return Part(binary, binary, "1.9.1", "cni", package, 2, on_path=False)  # iproute2 has a `bridge`


def _program(name: str, binary: str) -> Part:
    version = of_sources(FOLDER / "programs", "0.1.0")
    return Part(name, binary, version, "programs", f"./cmd/{binary}", 3, on_path=False)


def _beside(name: str, version: str, family: str, package: str, seconds: int, *, tags: str = "") -> Part:
    """A controller that runs beside a cluster; what PATH has under its name may be built with other settings."""
    return Part(name, name, version, family, package, seconds, on_path=False, tags=tags)


def of_sources(folder: Path, version: str) -> str:
    """The version of what is built from sources beside this file: the cache is kept by version."""
    files = sorted(path for pattern in ("*.go", "go.mod") for path in folder.rglob(pattern))
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files))
    return f"{version}-{digest.hexdigest()[:12]}"


def _wva(version: str, seconds: int) -> Part:
    name = f"wva-{version.rpartition('.')[0]}"
    return Part(
        name, "wva", version, name.replace("-", "").replace(".", ""), f"{_WVA}/cmd", seconds, on_path=False
    )


PARTS = {
    part.name: part
    for part in (
        _helm("helm-4", "4.3.1", 73, oldest="4.0.0"),
        _helm("helm-3", "3.22.0", 36, oldest="3.18.0"),
        _helm("helm-3.18", "3.18.6", 36, oldest=None),
        Part("etcd", "etcd", "3.6.8", "etcd", "go.etcd.io/etcd/server/v3", 16),
        _kubernetes("kube-apiserver", 167),
        _kubernetes("kube-controller-manager", 58),
        _kubernetes("kube-scheduler", 3),
        _kubernetes("kubectl", 13, ("version", "--client")),
        _kubernetes("kubelet", 15),
        _kubernetes("kube-proxy", 8),
        _containerd("containerd", 28),
        _containerd("containerd-shim-runc-v2", 1, ("-v",)),
        _containerd("ctr", 2),
        _cni("bridge", "main"),
        _cni("host-local", "ipam"),
        Part(
            "coredns", "coredns", of_sources(FOLDER / "coredns", "1.14.3"), "coredns", ".", 78, on_path=False
        ),
        _program("test-engine", "vllm"),
        _program("pause", "pause"),
        Part(
            "llm-d-inference-sim",
            "llm-d-inference-sim",
            "0.10.2",
            "simulator",
            "github.com/llm-d/llm-d-inference-sim/cmd/llm-d-inference-sim",
            150,
            on_path=False,  # one on PATH may need libraries, and an image has none
        ),
        _beside("lws", "0.9.0", "lws", "sigs.k8s.io/lws/cmd", 57),
        _beside(
            "prometheus", "0.315.0", "prometheus", f"{_PROMETHEUS}/cmd/prometheus", 90, tags=_ONLY_KUBERNETES
        ),
        _beside("promtool", "0.315.0", "prometheus", f"{_PROMETHEUS}/cmd/promtool", 4, tags=_ONLY_KUBERNETES),
        _beside("prometheus-operator", "0.88.0", "prometheusoperator", f"{_OPERATOR}/cmd/operator", 64),
        _beside("prometheus-adapter", "0.12.0", "prometheusadapter", f"{_ADAPTER}/cmd/adapter", 68),
        _beside("keda-operator", "2.21.0", "keda", f"{_KEDA}/cmd/operator", 226),
        _beside("keda-adapter", "2.21.0", "keda", f"{_KEDA}/cmd/adapter", 34),
        _beside("keda-webhooks", "2.21.0", "keda", f"{_KEDA}/cmd/webhooks", 20),
        _wva("0.9.0", 64),
        _wva("0.7.0", 64),
        Part("kind", "kind", "0.33.0", "kind", "sigs.k8s.io/kind", 2, version_command=("version",)),
        Part("kwok", "kwok", "0.8.0", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 42),
    )
}

MODULES = {
    "sigs.k8s.io/kwok": "kwok",
    "sigs.k8s.io/gateway-api": "crds",
    "sigs.k8s.io/gateway-api-inference-extension": "crds",
    "sigs.k8s.io/lws": "lws",
    "istio.io/api": "crds",
    _KEDA: "keda",
    _OPERATOR: "prometheusoperator",
    _WVA: "wva07",
    "github.com/traefik/traefik/v3": "crds",
}
"""Modules whose files (not binaries) are used, by the family that pins them."""


def part(name: str) -> Part:
    """Return the component of that name; PartError for a name that is not in the table."""
    if name not in PARTS:
        raise PartError(f"{name!r} is not a component of charttest", f"name one of {', '.join(PARTS)}")
    return PARTS[name]


def pinned_module(module: str) -> tuple[Path, str]:
    """Return the folder of the go.mod that pins `module`, and the version in it; PartError if none does."""
    if module in MODULES:
        folder = FOLDER / MODULES[module]
        text = (folder / "go.mod").read_text()
        if found := re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", text, re.MULTILINE):
            return folder, found[1]
    raise PartError(f"{module!r} is not a pinned module of charttest", f"name one of {', '.join(MODULES)}")
