"""Claims of the release's pods that are not bound: no class, no driver, no volume, lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.doctor.findings import Finding, translated
from valuegen.doctor.objects import Object, labels, name, newest, one_line, title
from valuegen.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from valuegen.doctor.gathering import Seen

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def claims_of(spec: Object) -> list[str]:
    """The claims that a pod mounts by name."""
    found = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in spec.get("volumes") or ()]
    return [claim for claim in found if claim]


def default_class(classes: Iterable[Object]) -> str:
    """The class of claims that name none; empty without one."""
    for item in classes:
        if (item["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true":
            return name(item)
    return ""


def unbound(seen: Seen) -> Iterator[Finding]:
    """Claims that the release made or its pods mount, and that have no volume for a reason of their own."""
    mounted = {claim for pod in seen.all("pods") for claim in claims_of(pod["spec"])}
    for claim in seen.all("persistentvolumeclaims"):
        own = labels(claim).get("app.kubernetes.io/instance") == seen.release
        phase = claim["status"].get("phase")
        if phase == "Bound" or not (own or name(claim) in mounted):
            continue
        reason = _why(seen, claim, phase)
        if reason is not None:
            event = newest(seen.events(claim), "ProvisioningFailed", "FailedBinding", "ExternalProvisioning")
            said = one_line(event["message"]) if event else ""
            yield translated(reason, "error", title(claim), f"{phase}: {said}".strip(": "))


def _why(seen: Seen, claim: Object, phase: str) -> Reason | None:
    """None while a claim waits for its first pod, as it should."""
    if phase == "Lost":
        return Reason(
            "claim", f"the volume of the claim {name(claim)} is gone", "restore it, or delete the claim"
        )
    wanted = claim["spec"].get("storageClassName")
    classes = seen.all("storageclasses")
    if seen.knows("storageclasses"):
        problem = class_problem(name(claim), wanted, classes, bool(claim["spec"].get("volumeName")))
        if problem is not None:
            return problem
    events = seen.events(claim)
    event = newest(
        events, "ProvisioningFailed", "FailedBinding", "ExternalProvisioning", "WaitForFirstConsumer"
    )
    if event is None or event["reason"] == "WaitForFirstConsumer":
        return None
    if event["reason"] == "ExternalProvisioning":
        provisioner = next(
            (item["provisioner"] for item in classes if name(item) == wanted), "its provisioner"
        )
        return Reason(
            "claim",
            f"the claim {name(claim)} waits for {provisioner} to make its volume",
            "do the pods of that driver run? their logs say more",
        )
    fix = "`kubectl describe pvc` has all of it; correct the class, size or access mode"
    return Reason(
        "claim", f"no volume can be made for the claim {name(claim)}: {one_line(event['message'])}", fix
    )


def class_problem(
    claim: str, wanted: str | None, classes: Iterable[Object], has_volume: bool = False
) -> Reason | None:
    """What is wrong with the class of a claim that is not bound; None stands for the default class, "" for none."""
    there = list(classes)
    known = ", ".join(sorted(name(item) for item in there)) or "none"
    if wanted is None:
        if default_class(there) or has_volume:
            return None
        why = f"the claim {claim} names no StorageClass, and none is the default"
        return Reason("storage-class", why, f"name one of: {known}; or mark one as the default")
    if wanted and not has_volume and wanted not in {name(item) for item in there}:
        why = f"the StorageClass {wanted} of the claim {claim} does not exist"
        return Reason("storage-class", why, f"name one of: {known}")
    return None
