"""What pods and their containers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.charttest.check_cases.objects import (
    NAMED,
    SECRET,
    SLEEP,
    SLOW,
    SURGE,
    container,
    core,
    deployment,
    group,
    mounted,
    probe,
)

if TYPE_CHECKING:
    from tests.charttest.check_cases.objects import Case

CASES: list[Case] = [
    (
        "rollout",
        [
            group(
                rolloutStrategy={
                    "type": "RollingUpdate",
                    "rollingUpdateConfiguration": SURGE["rollingUpdate"],
                }
            )
        ],
        "both 0, so no pod can ever be replaced",
        [group()],
    ),
    ("rollout", [deployment(strategy=SURGE)], "both 0, so no pod can ever be replaced", [deployment()]),
    (
        "probes",
        [deployment(container(livenessProbe=probe()))],
        "the liveness probe kills a start longer than 30 s",
        [deployment(container(livenessProbe=probe(), startupProbe=probe()))],
    ),
    (
        "probes",
        [deployment(container(startupProbe=SLOW))],
        "may take 900 s to start, but the rollout fails after 600 s",
        [deployment(container(startupProbe=SLOW), progressDeadlineSeconds=960)],
    ),
    ("probes", [deployment(container(readinessProbe=probe(), ports=[]))], "asks the port 'http'", []),
    (
        "shutdown",
        [deployment(container(**SLEEP))],
        "the preStop hook sleeps 30 s, the grace period is 30 s",
        [deployment(container(**SLEEP), pod={"terminationGracePeriodSeconds": 60})],
    ),
    (
        "pod-security",
        [group(container(securityContext={}))],
        "main does not drop the capabilities ALL",
        [group()],
    ),
    (
        "pod-security",
        [deployment(container(securityContext={}))],
        "main does not drop the capabilities ALL",
        [deployment()],
    ),
    ("pod-security", [deployment(pod={"securityContext": {}})], "main runAsNonRoot is not true", []),
    ("pod-security", [deployment(pod={"hostIPC": True})], "hostIPC shares the node's namespace", []),
    ("pod-security", [mounted({"hostPath": {"path": "/"}})], "the volume data is of the type hostPath", []),
    (
        "pod-security",
        [deployment(pod={"initContainers": [{"name": "init", "image": "a"}]})],
        "container init allowPrivilegeEscalation is not false",
        [deployment(pod={"initContainers": [container(name="init")]})],
    ),
    (
        "service-links",
        [deployment(pod={"enableServiceLinks": None})],
        "variables made from every Service",
        [deployment()],
    ),
    (
        "api-token",
        [deployment(pod={"automountServiceAccountToken": None})],
        "carry a token of the API server",
        [
            deployment(pod={"automountServiceAccountToken": None, "serviceAccountName": "a"}),
            core("ServiceAccount", automountServiceAccountToken=False),
        ],
    ),
    (
        "secrets",
        [deployment(container(env=[{**NAMED, "value": "abc"}]))],
        "the variable HF_TOKEN holds a secret",
        [deployment(container(env=[{**NAMED, **SECRET}])), core("Secret", data={"token": "YQ=="})],
    ),
    (
        "secrets",
        [deployment(container(args=["--api-key", "abc"]))],
        "the argument --api-key holds a secret",
        [deployment(container(args=["--max-num-seqs", "8"]))],
    ),
    (
        "secrets",
        [deployment(container(env=[{"name": "DB_PASSWORD", "value": "123"}]))],
        "DB_PASSWORD holds",
        [],
    ),
    (
        "secrets",
        [deployment(container(env=[{"name": "A_TOKEN_VALUE", "value": "x"}]))],
        "A_TOKEN_VALUE holds",
        [],
    ),
    ("secrets", [core("ConfigMap", data={"a": "token: hf_" + "x" * 30})], "the key a holds a secret", []),
]
