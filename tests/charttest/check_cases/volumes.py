"""What pods mount and refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.charttest.check_cases.objects import (
    CLAIM,
    MEMORY,
    SECRET,
    claim,
    container,
    core,
    deployment,
    group,
    grouped,
    makes_claims,
    mounted,
    scaler,
    unscaled,
)

if TYPE_CHECKING:
    from tests.charttest.check_cases.objects import Case

CASES: list[Case] = [
    (
        "references",
        [group(container(env=[{"name": "A", **SECRET}]))],
        "refers to Secret/a, which is neither rendered nor declared external",
        [],
    ),
    (
        "references",
        [deployment(container(env=[{"name": "A", **SECRET}]))],
        "refers to Secret/a, which is neither rendered nor declared external",
        [deployment(container(env=[{"name": "A", **SECRET}])), core("Secret", data={"token": "YQ=="})],
    ),
    (
        "references",
        [deployment(container(env=[{"name": "A", **SECRET}])), core("Secret", data={"other": "YQ=="})],
        "refers to the key token of Secret/a",
        [],
    ),
    (
        "references",
        [mounted(CLAIM)],
        "refers to PersistentVolumeClaim/a",
        [mounted(CLAIM), claim("ReadWriteOnce")],
    ),
    (
        "references",
        [mounted({"persistentVolumeClaim": {"claimName": "data-b-1"}}), makes_claims("b", replicas=1)],
        "refers to PersistentVolumeClaim/data-b-1",
        [mounted({"persistentVolumeClaim": {"claimName": "data-b-1"}}), makes_claims("b", replicas=2)],
    ),
    ("references", [deployment(pod={"serviceAccountName": "a"})], "refers to ServiceAccount/a", []),
    (
        "claims",
        [grouped(CLAIM), claim("ReadWriteOnce")],
        "2 pods mount it",
        [grouped(CLAIM), claim("ReadWriteMany")],
    ),
    (
        "claims",
        [mounted(CLAIM, replicas=2), claim("ReadWriteOnce")],
        "2 pods mount it",
        [mounted(CLAIM, replicas=2), claim("ReadWriteMany")],
    ),
    (
        "claims",
        [unscaled(mounted(CLAIM)), claim("ReadWriteOnce"), scaler()],
        "2 pods mount it",
        [unscaled(mounted(CLAIM)), claim("ReadWriteMany"), scaler()],
    ),
    ("mounts", [grouped({})], "mounts data, which is no volume", [grouped({}, claims=True)]),
    (
        "mounts",
        [deployment(container(volumeMounts=[{"name": "data", "mountPath": "/data"}]))],
        "mounts data, which is no volume",
        [mounted({"emptyDir": {}})],
    ),
    (
        "mounts",
        [deployment(pod={"volumes": [{"name": "a", "emptyDir": {}}]})],
        "no container mounts the volume a",
        [],
    ),
    (
        "memory-volumes",
        [mounted({"emptyDir": {"medium": "Memory"}})],
        "the volume data in memory has no sizeLimit",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})],
    ),
    (
        "memory-volumes",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}, resources=MEMORY)],
        "holds 2Gi, above the memory limit 1Gi of container main",
        [mounted({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, resources=MEMORY)],
    ),
]
