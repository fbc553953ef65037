"""Renders a chart once and validates everything it returns, so that no test can forget to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from charttest.checks import Finding, Manifest, Manifests, run_checks
from charttest.checks.schema import versions
from charttest.errors import CharttestError, FindingError
from charttest.helm import Helm, Values
from charttest.helm import helm as find_helm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SOURCE = re.compile(r"^# Source: (\S+)$", re.M)
_SEPARATOR = re.compile(r"^---\s*$", re.M)


class FindingsError(FindingError):
    """A chart rendered, and what it rendered breaks rules; `findings` holds every one."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Keep the findings; the message lists all of them."""
        self.findings = tuple(findings)
        lines = "".join(f"\n  {finding}" for finding in self.findings)
        message = f"{len(self.findings)} finding(s) in what was rendered:{lines}"
        super().__init__(message, "correct the template, or ignore a check by its id")


class UnknownVersionError(CharttestError):
    """There are no schemas for the Kubernetes version that was asked for."""


def known_minor(version: str) -> str:
    """The minor version, 1.30, of a version such as v1.30.4; UnknownVersionError without schemas for it."""
    minor = ".".join(version.removeprefix("v").split(".")[:2])
    if minor not in versions():
        known = f"{versions()[0]} to {versions()[-1]}"
        raise UnknownVersionError(
            f"--kube-version {version}: no schemas of it are at hand", f"take one of {known}"
        )
    return minor


@dataclass(frozen=True)
class Rendered:
    """The objects of one render, all validated."""

    objects: tuple[Manifest, ...]

    def find(self, kind: str, name: str | None = None) -> list[Manifest]:
        """Every object of this kind, and of this name when one is given."""
        return [item for item in self.objects if item.kind == kind and name in (None, item.name)]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        """The only such object; LookupError, with what there is, when there are none or several."""
        found = self.find(kind, name)
        if len(found) != 1:
            there = ", ".join(f"{item.kind}/{item.name}" for item in self.objects) or "nothing"
            raise LookupError(f"{len(found)} objects are {kind}/{name or '*'}; rendered: {there}")
        return found[0]

    def names(self) -> set[str]:
        """Kind/name of every object."""
        return {f"{item.kind}/{item.name}" for item in self.objects}


class _Loader(yaml.CSafeLoader):
    """Reads YAML as Helm does, but refuses a key that is there twice: Helm keeps the last one."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is there twice", key_node.start_mark
            )
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse(stream: str) -> tuple[Manifest, ...]:
    """The objects of a stream of YAML documents, each with the template that `# Source:` names."""
    return tuple(_objects(stream))


def _objects(stream: str) -> Iterator[Manifest]:
    source = ""
    for document in _SEPARATOR.split(stream):
        match = _SOURCE.search(document)
        source = match[1] if match else source
        try:
            content = yaml.load(document, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
        except yaml.YAMLError as error:
            fix = "correct the template"
            raise FindingsError(
                [Finding("yaml", source or "?", f"is no valid YAML: {error}", fix, source)]
            ) from error
        if content is None:
            continue
        if not isinstance(content, dict):
            what = f"is a {type(content).__name__}, no object"
            raise FindingsError([Finding("yaml", source or "?", what, "correct the template", source)])
        items = content["items"] if content.get("kind") == "List" else [content]
        for item in items:
            manifest = Manifest(item)
            manifest.source = source
            yield manifest


def render(
    chart: Path,
    *values: Values,
    release: str = "r",
    namespace: str = "default",
    kube_version: str | None = None,
    helm: Helm | None = None,
    external: Iterable[str] = (),
    crds: Iterable[Path] = (),
    ignore: Iterable[str] = (),
) -> Rendered:
    """The objects that `helm template` makes of a chart, validated by every check.

    `values` are files and at most one dictionary, which wins. `kube_version` is a minor version such as 1.30
    (default: the newest known). `external` names objects that exist outside of the release, as Kind/name;
    `crds` are files or folders of CustomResourceDefinitions; `ignore` are ids of checks.
    Raises HelmError when the chart does not render and FindingsError with every finding.
    """
    version = kube_version or versions()[-1]
    minor = known_minor(version)
    stream = (helm or find_helm()).template(
        chart, values, release=release, namespace=namespace, kube_version=version
    )
    objects = parse(stream)
    own = (chart / "crds",) if (chart / "crds").is_dir() else ()
    manifests = Manifests(objects, minor, frozenset(external), (*crds, *own))
    if findings := run_checks(manifests, frozenset(ignore)):
        raise FindingsError(findings)
    return Rendered(objects)
