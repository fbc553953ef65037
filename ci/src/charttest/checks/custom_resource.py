"""Custom resources are held to their CustomResourceDefinition, with unknown fields refused."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema.validators import Draft202012Validator

from charttest.checks.model import Check, Manifest, Manifests
from charttest.checks.schema import describe, is_built_in
from charttest.parts import module_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where the modules pinned under charttest/parts keep the CRDs of a group.
_MODULES = {
    "gateway.networking.k8s.io": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    "inference.networking.k8s.io": ("sigs.k8s.io/gateway-api-inference-extension", "config/crd/bases"),
    "inference.networking.x-k8s.io": ("sigs.k8s.io/gateway-api-inference-extension", "config/crd/bases"),
    "networking.istio.io": ("istio.io/api", "kubernetes"),
    "traefik.io": (
        "github.com/traefik/traefik/v3",
        "docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml",
    ),
    "leaderworkerset.x-k8s.io": ("sigs.k8s.io/lws", "config/crd/bases"),
    "keda.sh": ("github.com/kedacore/keda/v2", "config/crd/bases"),
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd",
    ),
    "llmd.ai": ("github.com/llm-d/llm-d-workload-variant-autoscaler", "config/crd/bases"),
}


@cache
def _pinned(group: str) -> tuple[Path, ...]:
    module, folder = _MODULES.get(group, ("", ""))
    return (module_dir(module) / folder,) if module else ()


def _strict(schema: Any) -> Any:
    """The schema with unknown fields refused, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if strict.get("x-kubernetes-int-or-string"):
        strict = {"type": ["integer", "string"]}
    elif isinstance(schema.get("properties"), dict) and not (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    ):
        strict["additionalProperties"] = False
    return strict


def _root(schema: dict[str, Any]) -> dict[str, Any]:
    """A CRD may leave out what every object has: the API server owns it."""
    strict: dict[str, Any] = _strict(schema)
    text = {"type": "string"}
    common = {"apiVersion": text, "kind": text, "metadata": {"type": "object"}}
    return {**strict, "properties": {**strict.get("properties", {}), **common}}


@cache
def _definitions(path: Path) -> tuple[dict[str, Any], ...]:
    documents = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    return tuple(item for item in documents if item and item.get("kind") == "CustomResourceDefinition")


def _candidates(folder: Path, group: str, kind: str) -> list[Path]:
    """The files that can hold a CRD: those named by controller-gen for it, else every one."""
    if folder.is_file():
        return [folder]
    return sorted(folder.glob(f"{group}_{kind.lower()}*.y*ml")) or sorted(folder.glob("*.y*ml"))


@cache
def _validator(folders: tuple[Path, ...], api_version: str, kind: str) -> Draft202012Validator | None:
    group, _, version = api_version.partition("/")
    for path in (path for folder in folders for path in _candidates(folder, group, kind)):
        for definition in _definitions(path):
            spec = definition["spec"]
            if spec["group"] == group and spec["names"]["kind"] == kind:
                for served in spec["versions"]:
                    if served["name"] == version and served.get("served", True):
                        return Draft202012Validator(_root(served["schema"]["openAPIV3Schema"]))
    return None


def validator(manifests: Manifests, item: Manifest) -> Draft202012Validator | None:
    """The schema of a custom resource; None for a built-in kind, or one whose definition is not known."""
    if not item.get("apiVersion") or not item.get("kind") or is_built_in(item):
        return None
    own = _validator(manifests.crds, item["apiVersion"], item.kind)
    return own or _validator(_pinned(item.group), item["apiVersion"], item.kind)


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.objects:
        if not item.get("apiVersion") or not item.get("kind") or is_built_in(item):
            continue
        known = validator(manifests, item)
        if known is None:
            yield item, f"no CustomResourceDefinition of {item['apiVersion']} {item.kind} is known"
        else:
            for message in describe(known, item):
                yield item, message


CHECK = Check(
    id="custom-resource",
    sentence="Every custom resource is valid against its CustomResourceDefinition, without unknown fields.",
    fix="write the field as the CRD has it; a CRD that is not known is passed with --crds",
    run=_run,
)
