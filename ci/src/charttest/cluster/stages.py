"""What kwok plays: its own module's stages for nodes, pods and volumes, and one more for bare pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from charttest.parts import module_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = ("node/fast", "node/heartbeat-with-lease", "pod/fast", "volume/fast")
_OWN_STAGE = "bare-pod-complete"


def stages() -> list[dict[str, Any]]:
    """Return every Stage for kwok's configuration."""
    upstream = [item for item in _objects() if item["kind"] == "Stage"]
    complete = next(stage for stage in upstream if stage["metadata"]["name"] == "pod-complete")
    return [*upstream, _bare_pods_complete(complete)]


def storage_classes() -> list[dict[str, Any]]:
    """Return the default StorageClass, whose claims kwok binds."""
    return [item for item in _objects() if item["kind"] == "StorageClass"]


def _objects() -> Iterator[dict[str, Any]]:
    root = module_dir("sigs.k8s.io/kwok") / "kustomize" / "stage"
    for folder in _FOLDERS:
        for path in _resources(root / folder):
            yield from yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _resources(folder: Path) -> list[Path]:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    return [folder / name for name in listed if (folder / name).is_file()]


def _bare_pods_complete(job_stage: dict[str, Any]) -> dict[str, Any]:
    """Upstream completes pods of Jobs only; the pods of `helm test` have no owner and must end too."""
    selector = [
        rule
        for rule in job_stage["spec"]["selector"]["matchExpressions"]
        if rule["key"] != ".metadata.ownerReferences.[].kind"
    ]
    selector += [
        {"key": ".metadata.ownerReferences", "operator": "DoesNotExist"},
        {"key": ".spec.restartPolicy", "operator": "In", "values": ["Never", "OnFailure"]},
    ]
    return {
        **job_stage,
        "metadata": {"name": _OWN_STAGE},
        "spec": {**job_stage["spec"], "selector": {"matchExpressions": selector}},
    }
