"""What a pod refers to is rendered, or the caller says that it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from charttest.checks.model import Check, Manifest, Manifests, Pod, claim_templates

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reference(NamedTuple):
    """A ConfigMap, Secret, PersistentVolumeClaim or ServiceAccount that a pod needs, and the key in it."""

    kind: str
    name: str
    key: str | None = None


def _reference(
    kind: str, source: dict[str, Any] | None, name: str = "name", key: str | None = None
) -> Iterator[Reference]:
    if source and not source.get("optional"):
        yield Reference(kind, str(source.get(name)), key)


def _of_volume(volume: dict[str, Any]) -> Iterator[Reference]:
    claim = volume.get("persistentVolumeClaim")
    if claim:
        yield Reference("PersistentVolumeClaim", str(claim.get("claimName")))
    for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        for kind, field, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            source = part.get(field)
            if not source:
                continue
            field_of_name = name if name in source else "name"
            yield from _reference(kind, source, field_of_name)
            for item in source.get("items") or []:
                yield from _reference(kind, source, field_of_name, item.get("key"))


def _of_container(container: dict[str, Any]) -> Iterator[Reference]:
    for variable in container.get("env") or []:
        origin = variable.get("valueFrom") or {}
        for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            source = origin.get(field)
            yield from _reference(kind, source, key=(source or {}).get("key"))
    for origin in container.get("envFrom") or []:
        yield from _reference("ConfigMap", origin.get("configMapRef"))
        yield from _reference("Secret", origin.get("secretRef"))


def references(pod: Pod) -> Iterator[Reference]:
    """Everything of the namespace that this pod needs to start."""
    for volume in pod.spec.get("volumes") or []:
        yield from _of_volume(volume)
    for container in pod.containers:
        yield from _of_container(container)
    for secret in pod.spec.get("imagePullSecrets") or []:
        yield from _reference("Secret", secret)
    if account := pod.spec.get("serviceAccountName"):
        yield Reference("ServiceAccount", str(account))


def _claims_of_stateful_sets(manifests: Manifests) -> set[Reference]:
    """The claims that StatefulSets make, TEMPLATE-NAME-ORDINAL, which other pods may mount too."""
    return {
        Reference("PersistentVolumeClaim", f"{claim['metadata']['name']}-{item.name}-{ordinal}")
        for item in manifests.of("StatefulSet")
        for claim in item.spec.get("volumeClaimTemplates") or []
        for ordinal in range(int(item.spec.get("replicas", 1)))
    }


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for pod in manifests.pods:
        templates = claim_templates(pod.owner)
        made = {Reference("PersistentVolumeClaim", claim["metadata"]["name"]) for claim in templates}
        made |= _claims_of_stateful_sets(manifests)
        made.add(Reference("ServiceAccount", "default"))  # every namespace has it
        for reference in dict.fromkeys(references(pod)):
            kind, name, key = reference
            if reference in made or manifests.is_external(kind, name):
                continue
            target = manifests.get(kind, name)
            if target is None:
                yield pod.owner, f"refers to {kind}/{name}, which is neither rendered nor declared external"
            elif key and not any(
                key in (target.get(part) or {}) for part in ("data", "stringData", "binaryData")
            ):
                yield pod.owner, f"refers to the key {key} of {kind}/{name}, which has no such key"


CHECK = Check(
    id="references",
    sentence="Every object a pod refers to is rendered or declared external.",
    fix="render it, correct the name, or declare it with --external KIND/NAME",
    run=_run,
)
