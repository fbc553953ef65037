"""Values files as people write them: any mix of the keys below, several of each key's shapes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.render.routing_kinds import KINDS, settings

CRON = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "1"},
}
# Per key of a model's body: what it may hold. None unsets, zero and empty are values too.
BODY: dict[str, list[Any]] = {
    "enabled": [True, True, True, False],
    "engine": ["vllm", "vllm", "vllm", "sglang", "tgi", "triton"],
    "image": [
        {"tag": "v1"},
        {"digest": "sha256:" + "a" * 64, "pullSecrets": ["pull"]},
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
        {"tensor": 4, "pipeline": 2, "nodes": 2},
        {"data": 16, "nodes": 2, "expert": True, "balancing": "hybrid"},
        {"data": 4, "nodes": 2, "balancing": "external"},
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
        {"type": "existingClaim", "claimName": "shared"},
        {"type": "perReplica", "size": "10Gi"},
        {"type": "perReplica", "size": "10Gi", "retention": {"whenScaled": "Delete"}},
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
        {"spread": "none", "antiAffinity": "zone", "runtimeClassName": "nvidia"},
        {"spot": {"noticeSeconds": 150}, "schedulerName": "other"},
        {"affinity": {"podAffinity": {}}, "exclusiveTopology": ""},
        {
            "topologySpreadConstraints": [
                {"topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
    ],
    "service": [
        {"type": "NodePort"},
        {"port": 80, "labels": {"a": "b"}},
        {"annotations": {"a": "b: c # d"}},
    ],
    "podAnnotations": [{"a": "1"}, {"b/c": "{{ not a template }}"}],
    "podLabels": [{"team": "x"}, {"app.kubernetes.io/part-of": "y"}],
    "chatTemplate": ["", "{{ messages }}\n---\n# x\n", "/in/the/image.jinja"],
    "cost": ["0", "12.5"],
    "lora": [
        {"enabled": True},
        {"enabled": True, "maxRank": 32, "maxLoras": 2, "maxCpuLoras": 4},
        {"enabled": True, "adapters": {"legal": {"uri": "hf://org/legal"}, "b.c": {"uri": "pvc://mine/b"}}},
        {"enabled": True, "dynamic": True},
        None,
    ],
    "speculative": [
        {"method": "ngram", "numTokens": 4, "config": {"prompt_lookup_max": 4}},
        {"method": "draft_model", "model": "hf://org/draft", "numTokens": 2},
        {"method": "eagle3", "model": "pvc://mine/eagle", "numTokens": 3},
        None,
    ],
    "kvOffload": [
        {"backend": "native", "sizeGiB": 8},
        {"backend": "native", "sizeGiB": 0.5},
        {"backend": "lmcache", "server": "lmcache:5555"},
        None,
    ],
    "warmup": [
        {"prompts": ["You are {{ kind }}."]},
        {"prompts": [{"messages": [{"role": "user", "content": "'\"\n"}]}], "timeoutSeconds": 5},
        {"prompts": None},
    ],
    "tls": [{"existingSecret": "certificate"}, {"existingSecret": None}],
    "tracing": [
        {"enabled": True, "endpoint": "http://tempo:4317", "sampling": 0},
        {
            "enabled": True,
            "endpoint": "http://tempo:4318/v1/traces",
            "protocol": "http/protobuf",
            "detailed": ["all"],
        },
        None,
    ],
    "logging": [{"format": "json", "level": "DEBUG"}, {"quietPaths": ["/health"], "format": None}, None],
    "autoscaling": [
        {"mode": "hpa", "metrics": {"waitingRequests": 5, "gpuUtilization": 90}},
        {"mode": "keda", "minReplicas": 2, "metrics": {"kvCacheUsage": 0.8, "timeToFirstTokenSeconds": 2}},
        {"mode": "keda", "metrics": {"waitingRequests": 5}, "fallback": None, "behavior": None},
        {"mode": "keda", "metrics": {"runningRequests": 5}, "paused": 0, "annotations": {"a": "b"}},
        {"mode": "keda", "minReplicas": 0, "metrics": {"waitingRequests": 5}, "triggers": [CRON]},
        {"mode": "wva"},
        {"mode": "wva", "actuator": "hpa", "maxReplicas": 8},
        None,
    ],
    "workload": ["auto", "deployment", "statefulset", "leaderworkerset"],
    "extraContainers": [[], [{"name": "beside", "image": "i"}]],
    "initContainers": [[], [{"name": "before", "image": "i", "restartPolicy": "Always"}]],
    "envFrom": [[], [{"secretRef": {"name": "tokens"}}], None],
    "podSpec": [{}, {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}, None],
    "podSecurityContext": [{"supplementalGroups": [2000]}, {"fsGroup": None}],
    "securityContext": [{"capabilities": {"add": ["NET_BIND_SERVICE"]}}],
    "workloadLabels": [{"team": "x"}],
    "workloadAnnotations": [{"a": "1"}],
}
ROUTINGS: list[dict[str, Any]] = [
    {"inferencePool": {"endpointPickers": {"a": "picker"}}, "routes": {"public": {"models": {"a": {}}}}},
    {
        "inferencePool": {"endpointPickers": {"a": "picker", "qwen3-8b": "picker"}, "tiers": {"chat": 10}},
        "routes": {"public": {"hosts": ["h.example.com"], "models": {"a": {}, "qwen3-8b": {"prefix": "/q"}}}},
    },
    {
        "inferencePool": {"endpointPickers": {"a": "picker"}},
        "defaults": {
            "timeouts": {"requestSeconds": 60},
            "annotations": {"a": "b"},
            "hosts": ["h.example.com"],
        },
        "routes": {"public": {"models": {"a": {"variants": {"main": 90, "b": 10}}}}},
    },
    {
        "inferencePool": {"endpointPickers": {"a": "picker"}},
        "defaults": None,
        "routes": {"p": {"models": {"a": None}}},
    },
]
ROOT: dict[str, list[Any]] = {
    "secrets": [
        {"huggingFace": {"existingSecret": "tokens"}},
        {"huggingFace": {"token": "a"}, "apiKey": {"value": "b"}},
    ],
    "mesh": ["istio", "linkerd", "none"],
    "networkPolicy": [
        {"enabled": True, "from": [{"podSelector": {}}]},
        {
            "enabled": True,
            "from": [{"namespaceSelector": {}}],
            "scrapeFrom": [{"podSelector": {}}],
            "egress": [{"ports": [{"port": 4317}]}],
            "internet": False,
            "annotations": {"a": "b"},
        },
        None,
    ],
    "routing": [settings(kind, **more) for kind in KINDS for more in ROUTINGS],
    "commonLabels": [{"team": "y"}, None],
    "commonAnnotations": [{"example.com/owner": "y"}, None],
    "serviceAccount": [{"create": False}, {"name": "engines"}, {"annotations": {"a": "b"}}],
    "tests": [{"enabled": False}, {"image": "python:3.13-slim"}],
    "extraObjects": [
        ["{{ if false }}{{ end }}"],
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}],
    ],
}
# Every model may be served by a scaler or read one of these claims.
ALWAYS: dict[str, Any] = {
    "scaling": {"prometheus": {"serverAddress": "http://prometheus:9090"}},
    "storage": {
        "claims": {
            "models": {"size": "1Ti"},
            "nfs": {"size": "1Ti", "nfs": {"server": "nfs", "path": "/models"}},
            "juicefs": {"size": "1Ti", "juicefs": {"existingSecret": "tokens"}},
            "shared": {"existing": "mine"},
        }
    },
}
SOURCES: list[dict[str, Any]] = [
    {"uri": "hf://org/model"},
    {"uri": "hf://org/model"},
    {"uri": "hf://org/model", "revision": "v2"},
    {"uri": "hf://org/model", "download": "job", "job": {"claim": "models"}},
    {"uri": "hf://org/model", "download": "job", "job": {"claim": "shared", "hook": False}},
    {"uri": "pvc://mine/a"},
    {"uri": "pvc://nfs/a"},
    {"uri": "pvc://juicefs/a"},
    {"uri": "oci://example.com/model:1", "path": "model"},
    {"uri": "s3://bucket/model", "objectStorage": {"region": "eu", "existingSecret": "tokens"}},
    {
        "uri": "s3://bucket/model",
        "download": "job",
        "job": {"claim": "nfs", "hook": False, "resources": None},
    },
    {"uri": "/in/the/image"},
]
# Keys that only make sense together.
TOGETHER: list[dict[str, Any]] = [
    {},
    {},
    {},
    {
        "extraVolumes": [{"name": "logs", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "logs", "mountPath": "/logs"}],
    },
    {"role": "decode", "variants": {"p": {"role": "prefill", "replicas": 2}}},
]
# What the values above refer to, and no render makes.
EXTERNAL = {
    "PersistentVolumeClaim/mine",
    "Secret/certificate",
    "Secret/public-tls",
    "Secret/pull",
    "Secret/tokens",
    "Service/picker",
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
    body = st.builds(
        lambda body, source, more, together: {
            **body,
            "source": source,
            **({"variants": more} if more else {}),
            **together,
        },
        some(BODY, 4),
        st.sampled_from(SOURCES),
        variants,
        st.sampled_from(TOGETHER),
    )
    return st.dictionaries(st.sampled_from(["a", "qwen3-8b", "m" * 63]), body, min_size=1, max_size=3)


def values_files() -> st.SearchStrategy[dict[str, Any]]:
    """Whole values files."""
    return st.builds(
        lambda defaults, root, models: {**ALWAYS, "defaults": defaults, **root, "models": models},
        some(BODY, 2),
        some(ROOT, 2),
        models(),
    )
