"""Built-in kinds are held to the API's own JSON schema, strictly: a misspelt field is a finding."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jsonschema.validators import Draft202012Validator
from referencing import Registry, Resource

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER = files("kubernetes_validate") / "kubernetes-json-schema"
# Groups of the API server itself end so, or have no dot at all; every other group is a custom resource's.
_BUILT_IN = re.compile(
    r"^[a-z]*$|^(admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates"
    r"|coordination|discovery|events|flowcontrol\.apiserver|internal\.apiserver|networking|node"
    r"|rbac\.authorization|resource|scheduling|storage|storagemigration)\.k8s\.io$"
)


def is_built_in(item: Manifest) -> bool:
    """Whether the API server knows this kind without a CustomResourceDefinition."""
    return _BUILT_IN.match(item.group) is not None


@cache
def versions() -> tuple[str, ...]:
    """The Kubernetes minor versions whose schemas are at hand, oldest first."""
    found = {
        match[1] for path in _FOLDER.iterdir() if (match := re.match(r"v(\d+\.\d+)\.\d+-local$", path.name))
    }
    return tuple(sorted(found, key=lambda version: tuple(map(int, version.split(".")))))


@cache
def _definitions(version: str) -> Registry[Any]:
    path = _FOLDER / f"v{version}.0-local-strict" / "_definitions.json"
    registry: Registry[Any] = Registry()
    return Resource.from_contents(json.loads(path.read_text())) @ registry


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    # rbac.authorization.k8s.io/v1 Role is in role-rbac-v1.json
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    path = _FOLDER / f"v{version}.0-local-strict" / f"{kind.lower()}-{group}.json"
    if not path.is_file():
        return None
    schema = json.loads(path.read_text())
    registry = Resource.from_contents(schema) @ _definitions(version)
    return Draft202012Validator(schema, registry=registry)


def validator(manifests: Manifests, item: Manifest) -> Draft202012Validator | None:
    """The schema of a built-in kind; None for another one, or one that this Kubernetes does not have."""
    if not item.get("apiVersion") or not item.get("kind") or not is_built_in(item):
        return None
    return _validator(manifests.kube_version, item["apiVersion"], item.kind)


# What such an error says of a field: another check that looks into it would fail.
_UNREADABLE = ("type", "required", "anyOf", "oneOf")


def readable(
    manifests: Manifests, other: Callable[[Manifests, Manifest], Draft202012Validator | None]
) -> bool:
    """Whether every field of every object has its type; `other` knows the schemas of custom resources."""
    for item in manifests.objects:
        known = validator(manifests, item) or other(manifests, item)
        if known and any(error.validator in _UNREADABLE for error in known.iter_errors(item)):
            return False
    return True


def describe(known: Draft202012Validator, item: Manifest) -> Iterator[str]:
    """The schema's complaints about an object, each with the path of the field."""
    for error in known.iter_errors(item):
        path = ".".join(str(part) for part in error.absolute_path) or "(root)"
        yield f"{path}: {error.message[:200]}"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.objects:
        if not item.get("apiVersion") or not item.get("kind"):
            yield item, "has no apiVersion or no kind"
        elif is_built_in(item):
            known = validator(manifests, item)
            if known is None:
                yield item, f"Kubernetes {manifests.kube_version} has no {item['apiVersion']} {item.kind}"
            else:
                for message in describe(known, item):
                    yield item, message


CHECK = Check(
    id="schema",
    sentence="Every object of a built-in kind is valid against the schema of that Kubernetes version.",
    fix="write the field as the Kubernetes API reference has it, or remove it",
    run=_run,
)
