"""What the parts are: the family that pins each, its package, how it is linked and asked for its version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from charttest.errors import PartError, UsageError
from charttest.parts import modules

if TYPE_CHECKING:
    from pathlib import Path

Version = tuple[int, ...]

_KUBERNETES_LINK = (
    "-X k8s.io/component-base/version.gitVersion=v{version} "
    "-X k8s.io/component-base/version.gitMajor={major} "
    "-X k8s.io/component-base/version.gitMinor={minor}"
)


@dataclass(frozen=True)
class Part:
    """One binary; its version is the pin of `module` in the family's go.mod."""

    name: str
    family: str
    module: str
    package: str
    binary: str
    cold_seconds: int  # measured on 2 cores with an empty build cache
    version_args: tuple[str, ...]
    link: str = ""  # more linker flags; without them the binary does not know its version
    any_minor_from: int | None = None  # PATH: a later minor of the same major fits; None: the same minor only

    @property
    def directory(self) -> Path:
        """The folder of the family's go.mod."""
        return modules.FAMILIES / self.family

    @cached_property
    def version(self) -> str:
        """The pinned version without its leading v, as in 1.36.3."""
        return modules.pinned(self.directory)[self.module].removeprefix("v")

    @property
    def label(self) -> str:
        """Binary and version, for people."""
        return f"{self.binary} {self.version}"

    @property
    def file_name(self) -> str:
        """The name in the cache."""
        return f"{self.binary}-{self.version}"

    @property
    def linker_flags(self) -> str:
        """What `go build -ldflags` gets: no symbol table, and the version where the binary needs it."""
        major, minor, *_ = self.version.split(".")
        return f"-s -w {self.link}".strip().format(version=self.version, major=major, minor=minor)

    def fits(self, version: str) -> bool:
        """Say whether a binary of PATH with this version may stand in for the pinned one."""
        found, pinned = numbers(version), numbers(self.version)
        if self.any_minor_from is None:
            return found[:2] == pinned[:2]
        return found[:1] == pinned[:1] and found[1] >= self.any_minor_from


def numbers(version: str) -> Version:
    """Turn 1.36.3 into (1, 36, 3) to compare versions."""
    return tuple(int(number) for number in version.split("."))


def _kubernetes(binary: str, cold_seconds: int, *version_args: str) -> Part:
    return Part(
        name=binary,
        family="kubernetes",
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{binary}",
        binary=binary,
        cold_seconds=cold_seconds,
        version_args=version_args or ("--version",),
        link=_KUBERNETES_LINK,
    )


def _helm(major: int, cold_seconds: int, oldest_minor: int) -> Part:
    module = f"helm.sh/helm/v{major}"
    return Part(
        name=f"helm-{major}",
        family=f"helm{major}",
        module=module,
        package=f"{module}/cmd/helm",
        binary="helm",
        cold_seconds=cold_seconds,
        version_args=("version", "--short"),
        link=f"-X {module}/internal/version.version=v{{version}}",
        any_minor_from=oldest_minor,
    )


PARTS: tuple[Part, ...] = (
    Part(
        "etcd",
        "etcd",
        "go.etcd.io/etcd/server/v3",
        "go.etcd.io/etcd/server/v3",
        "etcd",
        16,
        ("--version",),
    ),
    _kubernetes("kube-apiserver", 170),
    _kubernetes("kube-controller-manager", 60),
    _kubernetes("kube-scheduler", 5),
    _kubernetes("kubectl", 15, "version", "--client"),
    Part("kwok", "kwok", "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok", 45, ("--version",)),
    _helm(4, 75, 0),
    _helm(3, 40, 18),  # the oldest Helm 3 that the chart supports
)


def select(name: str, version: str | None = None) -> Part:
    """Return the part called `name` (or the newest whose binary is called so), pinned at `version`.

    `version` may be a prefix: `find("helm", "3")`. UsageError: no such part; PartError: not in that version.
    """
    named = [part for part in PARTS if name in (part.name, part.binary)]
    if not named:
        names = ", ".join(part.name for part in PARTS)
        raise UsageError(f"{name!r} is no part that charttest knows", f"choose from: {names}")
    wanted = (version or "").removeprefix("v")
    for part in named:
        if not wanted or f"{part.version}.".startswith(f"{wanted}."):
            return part
    pins = " and ".join(part.version for part in named)
    raise PartError(
        f"{name} {version} is not pinned; the pins are {pins}",
        f"ask for {named[0].version}, or pin another one in {named[0].directory / 'go.mod'}",
    )
