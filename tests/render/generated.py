"""Values files as people write them: any mix of the keys below, several of each key's shapes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# Per key of a model's body: what it may hold. None unsets, zero and empty are values too.
BODY: dict[str, list[Any]] = {
    "enabled": [True, True, True, False],
    "engine": ["vllm", "vllm", "vllm", "sglang", "tgi", "triton"],
    "image": [
        {"tag": "v1"},
        {"digest": "sha256:" + "a" * 64},
        {"repository": "r.example.com/a/b", "tag": "1"},
    ],
    "servedNames": [[], ["one"], ["one", "org/two"]],
    "args": [
        {},
        {"max-model-len": 1_000_000_000},
        {"enable-prefix-caching": False, "gpu-memory-utilization": 0.9},
        {"override-generation-config": {"temperature": 0}, "seed": None},
    ],
    "extraArgs": [[], ["--seed", "1"]],
    "env": [{}, {"A": 0, "B": False, "C": "", "D": None}, {"HF_HOME": "/elsewhere"}],
    "accelerator": [
        {"product": "NVIDIA-L40S"},
        {"product": ["NVIDIA-L40S", "NVIDIA-L4"]},
        {"resource": ""},
        {"resource": "amd.com/gpu"},
        {"resource": "nvidia.com/mig-1g.10gb"},
        {"count": 2},
    ],
    "parallelism": [
        {"tensor": 2},
        {"tensor": 2, "pipeline": 2},
        {"data": 2, "expert": True},
        {"tensor": None},
    ],
    "replicas": [0, 1, 2, 17],
    "resources": [
        {},
        {"requests": {"cpu": 4, "memory": "16Gi"}, "limits": {"memory": "16Gi"}},
        {"requests": {"cpu": "500m"}},
        None,
    ],
    "sharedMemory": [{"size": "0"}, {"size": "4Gi"}, {"size": None}],
    "cache": [
        {"type": "emptyDir", "size": "10Gi"},
        {"type": "claim", "size": "10Gi"},
        {"type": "claim", "size": "10Gi", "accessModes": ["ReadWriteMany"], "storageClassName": "fast"},
        {"type": "existingClaim", "claimName": "mine"},
        {"mountPath": "/data"},
    ],
    "startup": [{"budgetSeconds": 60}, {"budgetSeconds": None}],
    "shutdown": [{"preStopSeconds": 0}, {"drainSeconds": 0}, {"preStopSeconds": None, "drainSeconds": None}],
    "rollout": [{"maxSurge": "25%"}, {"maxUnavailable": 0}, {"restartedAt": "now"}, {"minReadySeconds": 5}],
    "disruption": [{"enabled": False}, {"minAvailable": 0}, {"maxUnavailable": "50%"}],
    "scheduling": [
        {"nodeSelector": {"a/b": "c"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"spread": "zone", "priorityClassName": "high"},
        {
            "topologySpreadConstraints": [
                {"topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
    ],
    "service": [{"type": "NodePort"}, {"port": 80}, {"annotations": {"a": "b: c # d"}}],
    "podAnnotations": [{"a": "1"}, {"b/c": "{{ not a template }}"}],
    "podLabels": [{"team": "x"}, {"app.kubernetes.io/part-of": "y"}],
    "chatTemplate": ["", "{{ messages }}\n---\n# x\n", "/in/the/image.jinja"],
    "cost": ["0", "12.5"],
}
ROOT: dict[str, list[Any]] = {
    "secrets": [
        {"huggingFace": {"existingSecret": "tokens"}},
        {"huggingFace": {"token": "a"}, "apiKey": {"value": "b"}},
    ],
    "serviceAccount": [{"create": False}, {"name": "engines"}, {"annotations": {"a": "b"}}],
    "tests": [{"enabled": False}, {"image": "python:3.13-slim"}],
    "extraObjects": [
        ["{{ if false }}{{ end }}"],
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}],
    ],
}
SOURCES = ["hf://org/model", "hf://org/model", "pvc://mine/a", "/in/the/image"]
# What the values above refer to, and no render makes.
EXTERNAL = {
    "PersistentVolumeClaim/mine",
    "Secret/tokens",
    "ServiceAccount/default",
    "ServiceAccount/engines",
}


def some(pools: dict[str, list[Any]], most: int) -> st.SearchStrategy[dict[str, Any]]:
    """At most that many keys of the pools, each with one of its values."""
    pairs = {key: st.sampled_from(pool) for key, pool in pools.items()}
    keys = st.lists(st.sampled_from(sorted(pools)), max_size=most, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: pairs[key] for key in chosen}))


def models() -> st.SearchStrategy[dict[str, Any]]:
    """One to three models, some with variants."""
    own = {key: pool for key, pool in BODY.items() if key not in ("servedNames", "service")}
    variants = st.dictionaries(st.sampled_from(["main", "b", "c"]), some(own, 3), max_size=2)
    source = st.sampled_from(SOURCES).map(lambda uri: {"uri": uri})
    body = st.builds(
        lambda body, uri, more: {**body, "source": uri, **({"variants": more} if more else {})},
        some(BODY, 5),
        source,
        variants,
    )
    return st.dictionaries(st.sampled_from(["a", "qwen3-8b", "m" * 63]), body, min_size=1, max_size=3)


def values_files() -> st.SearchStrategy[dict[str, Any]]:
    """Whole values files."""
    return st.builds(
        lambda defaults, root, models: {"defaults": defaults, **root, "models": models},
        some(BODY, 2),
        some(ROOT, 2),
        models(),
    )
