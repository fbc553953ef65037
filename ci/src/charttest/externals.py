"""Stand-ins for what a release expects to exist: Secrets, claims, accounts, Services and sign-ins that it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charttest.checks import Manifests
from charttest.checks.references import references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from charttest.render import Rendered


def stand_ins(rendered: Rendered, external: Iterable[str]) -> list[dict[str, Any]]:
    """An object for every declared external one: Secrets and ConfigMaps have the keys that the pods read."""
    keys: dict[str, dict[str, str]] = {name: {} for name in external}
    for pod in Manifests(rendered.objects).pods:
        for reference in references(pod):
            name = f"{reference.kind}/{reference.name}"
            if name in keys and reference.key:
                keys[name][reference.key] = "stand-in"
    return [_object(name, data) for name, data in sorted(keys.items())]


def _object(external: str, data: dict[str, str]) -> dict[str, Any]:
    kind, _, name = external.partition("/")
    common: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    if kind == "Secret":
        return {**common, "stringData": data}
    if kind == "ConfigMap":
        return {**common, "data": data}
    if kind == "PersistentVolumeClaim":
        size = {"requests": {"storage": "1Gi"}}
        return {**common, "spec": {"accessModes": ["ReadWriteMany"], "resources": size}}
    if kind == "Service":
        return {**common, "spec": {"clusterIP": "None"}}
    if kind == "TriggerAuthentication":
        return {**common, "apiVersion": "keda.sh/v1alpha1", "spec": {}}
    return common
