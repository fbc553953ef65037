"""What kwok plays and what the cluster starts with: stages, the default StorageClass, CRDs, nodes."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts
from charttest.node.configuration import VOLUMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from charttest.cluster.nodepools import NodePool

STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "volume/fast/pv-bind.yaml",
    "volume/fast/pv-delete.yaml",
    "volume/fast/pvc-delete.yaml",
)
EVERY_NODE = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
PROVISION = "volume/fast/pvc-provision.yaml"
CRD_FOLDERS = (
    ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    ("sigs.k8s.io/gateway-api-inference-extension", "config/crd/bases"),
    ("istio.io/api", "kubernetes"),
    (
        "github.com/traefik/traefik/v3",
        "docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml",
    ),
    ("sigs.k8s.io/lws", "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml"),
    ("github.com/kedacore/keda/v2", "config/crd/bases"),
    ("github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd"),
)
# The CRDs that charts use, where a module has many more.
CRD_NAMES = {
    "istio.io/api": "(virtualservices|destinationrules)",
    "github.com/prometheus-operator/prometheus-operator": "(podmonitors|servicemonitors|prometheusrules)",
}


def stages() -> str:
    """kwok's configuration: its own fast stages, and those that differ here."""
    folder = parts.module_dir("sigs.k8s.io/kwok") / "kustomize" / "stage"
    documents = [(folder / name).read_text(encoding="utf-8") for name in STAGES]
    changed: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
        ("pod/fast/pod-complete.yaml", _completes_bare_pods),
        ("pod/fast/pod-delete.yaml", _deletes_once),
        (PROVISION, _provisions_local_volumes),
        (PROVISION, _plays_juicefs),
    ]
    for name, change in changed:
        stage = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        documents.append(yaml.safe_dump(change(stage), sort_keys=False))
    return "\n---\n".join(documents)


def _completes_bare_pods(stage: dict[str, Any]) -> dict[str, Any]:
    """kwok completes the pods of Jobs only; `helm test` and hooks run bare pods that must end too."""
    stage["metadata"]["name"] = "bare-pod-complete"
    expressions = stage["spec"]["selector"]["matchExpressions"]
    owner = next(e for e in expressions if "ownerReferences" in e["key"])
    owner["key"], owner["operator"] = ".spec.restartPolicy", "In"
    owner["values"] = ["Never"]
    return stage


def _deletes_once(stage: dict[str, Any]) -> dict[str, Any]:
    """kwok deletes by name, and once more when it sees its own deletion: by then a StatefulSet has a new pod of it."""
    only = {"key": ".metadata.deletionGracePeriodSeconds == 0", "operator": "In", "values": ["false"]}
    stage["spec"]["selector"]["matchExpressions"].append(only)
    return stage


def _plays_juicefs(stage: dict[str, Any]) -> dict[str, Any]:
    """The driver of JuiceFS cannot run here: kwok provisions for every class whose name begins so."""
    stage = _provisions_local_volumes(stage)
    stage["metadata"]["name"] = "juicefs-provision"
    condition = stage["spec"]["selector"]["matchExpressions"][0]["cel"]
    assert "storageClassName ==" in condition["expression"], "the stage of the pinned kwok"  # noqa: S101
    condition["expression"] = (
        "has(self.spec.storageClassName) && self.spec.storageClassName.startsWith('juicefs-')"
    )
    return stage


def _provisions_local_volumes(stage: dict[str, Any]) -> dict[str, Any]:
    """kwok provisions host paths, which Kubernetes gives to root alone; a local volume honours fsGroup."""
    apply = next(step["apply"] for step in stage["spec"]["steps"] if "apply" in step)
    before, found, _ = apply["template"].partition("  hostPath:")
    assert found, "the stage of the pinned kwok"  # noqa: S101
    volume = {
        "local": {"path": VOLUMES + "/pvc-{{ .metadata.uid }}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [EVERY_NODE]}]}},
    }
    apply["template"] = before + textwrap.indent(yaml.safe_dump(volume), "  ")
    return stage


def initial_objects(pools: Iterable[NodePool]) -> str:
    """Nodes, the default StorageClass and the custom resource definitions, as one stream of YAML."""
    pools = list(pools)
    objects: list[dict[str, Any]] = [node for pool in pools for node in pool.nodes()]
    objects += [item for pool in pools for item in pool.device_objects()]
    # The name of kwok's class is the one that its volume stages look for.
    storage_class = parts.module_dir("sigs.k8s.io/kwok") / "kustomize/stage/volume/fast/storage-class.yaml"
    streams = [yaml.safe_dump_all(objects, sort_keys=False), storage_class.read_text(encoding="utf-8")]
    return "\n---\n".join([*streams, *custom_resources()])


def custom_resources() -> list[str]:
    """The CustomResourceDefinitions, each as YAML."""
    return [
        document
        for module, folder in CRD_FOLDERS
        for document in _definitions(parts.module_dir(module) / folder, CRD_NAMES.get(module, ".*"))
    ]


def _definitions(folder: Path, names: str) -> list[str]:
    wanted = re.compile(rf"^kind: CustomResourceDefinition$[\s\S]*^  name: {names}\..*$", re.M)
    files = [folder] if folder.is_file() else sorted(folder.glob("*.y*ml"))
    texts = [path.read_text(encoding="utf-8") for path in files]
    documents = [part for text in texts for part in re.split(r"^---\s*$", text, flags=re.M)]
    return [document for document in documents if wanted.search(document)]
