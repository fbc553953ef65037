"""Doctor names the cause of what is wrong with a running release in its first line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.valuegen.cluster_objects import (
    ago,
    backoff,
    condition,
    container,
    deployment,
    ended,
    event,
    node,
    owned,
    pending,
    pod,
    replicaset,
    seen,
    thing,
)

from valuegen.doctor.findings import RULES, Finding, in_order
from valuegen.doctor.release import diagnose

if TYPE_CHECKING:
    from valuegen.doctor.findings import Report
    from valuegen.doctor.gathering import Seen

FLAG = "usage: vllm serve\nvllm: error: unrecognized arguments: --swap-space 4\n"
WELL = (deployment(), replicaset(), pod(ready=True), node())


def waiting(reason: str, message: str) -> dict[str, object]:
    return {"waiting": {"reason": reason, "message": message}}


def crashed(code: int, log: str, **fields: object) -> Seen:
    one = pod(state=backoff(), last=ended(code), restarts=4)
    return seen(one, replicaset(), node(), logs={("llm-m-1", "engine"): log}, **fields)


def killed(probe: str, log: str = "") -> Seen:
    one = pod(last=ended(137), restarts=1, ready=probe == "liveness")
    told = event(one, "Killing", f"Container engine failed {probe} probe, will be restarted", 3)
    return seen(one, told, replicaset(), node(), logs={("llm-m-1", "engine"): log})


def killed_before(code: int, log: str = "", minutes: float = 15.1, **times: str) -> Seen:
    """A container that was ended after so long, which left no time of its own among the kills of its probe."""
    one = pod(last=ended(code) | {"startedAt": ago(2 + minutes)}, restarts=9)
    told = event(one, "Killing", "Container engine failed startup probe, will be restarted", 40)
    return seen(one, told | times, replicaset(), node(), logs={("llm-m-1", "engine"): log})


def cut_off(minutes: float, *, warned: bool = True) -> Seen:
    """A container that was ended after so long, and whose kill nobody told."""
    end = ended(143) | {"startedAt": ago(2 + minutes)}
    one = pod(last=end, restarts=9)
    told = event(one, "Unhealthy" if warned else "Pulled", "Startup probe failed: connection refused", 3)
    return seen(one, told, replicaset(), node())


def sidecar_killed() -> Seen:
    """A native sidecar, which is an init container, hangs."""
    proxy = container(name="proxy", livenessProbe={"periodSeconds": 10, "failureThreshold": 3})
    one = pod(last=ended(137), restarts=1, spec={"initContainers": [proxy]})
    one["status"]["initContainerStatuses"] = [one["status"]["containerStatuses"].pop() | {"name": "proxy"}]
    told = event(one, "Killing", "Container proxy failed liveness probe, will be restarted", 3)
    return seen(one, told, replicaset(), node())


def claim(phase: str = "Pending", **spec: object) -> dict[str, object]:
    return thing("PersistentVolumeClaim", "cache", dict(spec), {"phase": phase})


def mounting(name: str = "cache") -> dict[str, object]:
    return {"volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": name}}]}


def storage_class(name: str = "fast", *, default: bool = False) -> dict[str, object]:
    marked = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {**thing("StorageClass", name, annotations=marked), "provisioner": "disk.example.com"}


def hpa(*conditions: object, target: str = "llm-m") -> dict[str, object]:
    reference = {"kind": "Deployment", "name": target}
    return thing(
        "HorizontalPodAutoscaler", "llm-m", {"scaleTargetRef": reference}, {"conditions": list(conditions)}
    )


def job(*conditions: object, **status: object) -> dict[str, object]:
    return thing("Job", "llm-m-download", {}, {"conditions": list(conditions), **status})


def download_pod(message: str, code: int = 3) -> dict[str, object]:
    end = {"terminated": ended(code, message=message)}
    return pod("llm-m-download-x", state=end, ownerReferences=owned("Job", "llm-m-download"), phase="Failed")


PULL = pod(
    state=waiting("ImagePullBackOff", 'Back-off pulling image "vllm/vllm-openai:v0.33.0"'), started=False
)
UNSCHEDULED = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1"
)
ROUTE = {
    "parentRef": {"name": "public"},
    "conditions": [condition("Accepted", "False", "NotAllowedByListeners")],
}

# What is read -> id, level, and the words of the first line.
CASES: dict[str, tuple[Seen, str, str, str]] = {
    "a wrong flag": (
        crashed(2, FLAG),
        "engine-flag",
        "error",
        "an engine flag is wrong: vLLM has no --swap-space",
    ),
    "an unknown exit code": (crashed(7, "bye"), "engine-error", "error", "the engine ends with exit code 7"),
    "a segmentation fault": (
        crashed(139, ""),
        "engine-crash",
        "error",
        "the engine crashes: a segmentation fault",
    ),
    "killed from outside": (crashed(137, "loading"), "engine-crash", "error", "was killed from outside"),
    "asked to end": (crashed(143, ""), "engine-crash", "error", "was asked to end"),
    "exit code 0": (
        crashed(0, "INFO ready"),
        "engine-crash",
        "error",
        "the engine crashes: it ended with exit code 0",
    ),
    "memory": (
        seen(pod(last=ended(137, "OOMKilled"), restarts=1, ready=True), replicaset(), node()),
        "memory-limit",
        "warning",
        "the memory limit is too small: the container engine was killed at 8Gi",
    ),
    "a slow start": (
        killed("startup", "Loading safetensors checkpoint shards: 10%"),
        "startup-budget",
        "error",
        "the start takes longer than its budget: no answer within 900 s",
    ),
    "a slow start, and the next one has just been cut off": (
        killed_before(143, "Loading safetensors", lastTimestamp=ago(0)),
        "startup-budget",
        "error",
        "the start takes longer than its budget: no answer within 900 s",
    ),
    "a slow start after the last event that the kubelet told": (
        killed_before(137),
        "startup-budget",
        "error",
        "the start takes longer than its budget: no answer within 900 s",
    ),
    "a slow start after the events of its kills are gone": (
        cut_off(15.1),
        "startup-budget",
        "error",
        "the start takes longer than its budget: no answer within 900 s",
    ),
    "asked to end long before its budget": (cut_off(3), "engine-crash", "error", "was asked to end"),
    "asked to end long after its budget": (cut_off(50), "engine-crash", "error", "was asked to end"),
    "asked to end at its budget, and it answered": (
        cut_off(15.1, warned=False),
        "engine-crash",
        "error",
        "was asked to end",
    ),
    "a sidecar that hangs": (
        sidecar_killed(),
        "engine-hang",
        "error",
        "the proxy hangs: it did not answer its liveness probe for 30 s",
    ),
    "a slow start once, and a wrong flag since": (
        killed_before(2, FLAG),
        "engine-flag",
        "error",
        "an engine flag is wrong: vLLM has no --swap-space",
    ),
    "a slow start once, and asked to end since": (
        killed_before(143, minutes=35),
        "engine-crash",
        "error",
        "was asked to end",
    ),
    "a slow start once, and a crash since": (
        killed_before(139),
        "engine-crash",
        "error",
        "the engine crashes: a segmentation fault",
    ),
    "a hanging engine": (killed("liveness"), "engine-hang", "warning", "the engine hangs: it did not answer"),
    "an image that is not there": (
        seen(
            PULL,
            event(PULL, "Failed", 'Failed to pull image "x": rpc error: code = NotFound: not found'),
            node(),
        ),
        "image",
        "error",
        "the image vllm/vllm-openai:v0.33.0 cannot be pulled: the registry has no such image",
    ),
    "an image that may not be pulled": (
        seen(
            PULL,
            event(PULL, "Failed", 'Failed to pull image "x": pull access denied, 401 Unauthorized'),
            node(),
        ),
        "image",
        "error",
        "the registry wants another sign-in",
    ),
    "a registry that does not answer": (
        seen(PULL, event(PULL, "Failed", 'Failed to pull image "x": dial tcp: connection refused'), node()),
        "image",
        "error",
        "its registry does not answer",
    ),
    "a missing Secret": (
        seen(pod(state=waiting("CreateContainerConfigError", 'secret "token" not found')), node()),
        "missing-secret",
        "error",
        "a Secret is missing: token",
    ),
    "a Secret without the key": (
        seen(
            pod(state=waiting("CreateContainerConfigError", "couldn't find key HF_TOKEN in Secret ns/token")),
            node(),
        ),
        "missing-secret",
        "error",
        "a Secret lacks a key: token has no HF_TOKEN",
    ),
    "an image that runs as root": (
        seen(
            pod(
                state=waiting(
                    "CreateContainerConfigError",
                    "container has runAsNonRoot and image will run as root (pod: x)",
                )
            ),
            node(),
        ),
        "container",
        "error",
        "the image runs as root",
    ),
    "a command that the image has not": (
        seen(
            pod(state=waiting("RunContainerError", 'exec: "vllm": executable file not found in $PATH')),
            node(),
        ),
        "container",
        "error",
        "the container cannot be started",
    ),
    "a volume of a missing Secret": (
        seen(
            starting := pod(state=waiting("ContainerCreating", ""), started=False),
            event(
                starting, "FailedMount", 'MountVolume.SetUp failed for volume "tls" : secret "tls" not found'
            ),
            node(),
        ),
        "missing-secret",
        "error",
        "a Secret is missing: tls, which a volume of the pod holds",
    ),
    "a volume that is elsewhere": (
        seen(
            starting,
            event(
                starting, "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used'
            ),
            node(),
        ),
        "mount",
        "error",
        "the volume is attached to another node",
    ),
    "a pod that still starts": (
        seen(pod(started=False), node()),
        "starting",
        "warning",
        "a pod is still starting, within its budget",
    ),
    "a pod that is not ready": (
        seen(unready := pod(), event(unready, "Unhealthy", "Readiness probe failed: HTTP 503"), node()),
        "not-ready",
        "error",
        "the engine does not answer its readiness probe",
    ),
    "a lost node": (
        seen(pod(), node(ready=False)),
        "node-lost",
        "error",
        "the node a does not answer",
    ),
    "an evicted pod": (
        seen(
            pod(phase="Failed")
            | {
                "status": {
                    "phase": "Failed",
                    "reason": "Evicted",
                    "message": 'Usage of EmptyDir volume "cache" exceeds the limit "10Gi".',
                    "startTime": ago(10),
                }
            },
            node(),
        ),
        "evicted",
        "warning",
        "a pod was evicted from its node: Usage of EmptyDir",
    ),
    "a pod that does not end": (
        seen(pod(deletionTimestamp=ago(10)), node()),
        "node-lost",
        "warning",
        "a pod does not end",
    ),
    "too many GPUs": (
        seen(
            pending(
                UNSCHEDULED, spec={"containers": [container(resources={"limits": {"nvidia.com/gpu": "8"}})]}
            ),
            node(),
        ),
        "node-room",
        "error",
        "no node has enough free GPUs: a pod needs 8 nvidia.com/gpu, the largest node that it selects has 4",
    ),
    "GPUs that others use": (
        seen(
            pending(
                UNSCHEDULED, spec={"containers": [container(resources={"limits": {"nvidia.com/gpu": "2"}})]}
            ),
            pod(
                "other",
                ready=True,
                spec={"containers": [container(resources={"limits": {"nvidia.com/gpu": "3"}})]},
            ),
            node(),
        ),
        "node-room",
        "error",
        "no node has enough free GPUs: a pod needs 2 nvidia.com/gpu, at most 1 free on one",
    ),
    "a GPU that no node has": (
        seen(
            pending(
                "0/1 nodes are available", spec={"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-Z9"}}
            ),
            node(),
        ),
        "node-label",
        "error",
        "no node has the label nvidia.com/gpu.product=NVIDIA-Z9",
    ),
    "a claim that does not exist": (
        seen(pending('0/1 nodes are available: persistentvolumeclaim "models" not found'), node()),
        "claim",
        "error",
        "the claim models does not exist",
    ),
    "pods that keep apart": (
        seen(pending("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules"), node()),
        "scheduling",
        "error",
        "the pod keeps away from pods",
    ),
    "words of the scheduler that are not known": (
        seen(pending("0/1 nodes are available: 1 node(s) had some plugin. preemption: none"), node()),
        "scheduling",
        "error",
        "no node takes the pod: 0/1 nodes are available: 1 node(s) had some plugin",
    ),
    "no scheduler": (
        seen(
            pod(
                node="",
                phase="Pending",
                spec={"schedulerName": "volcano"},
                conditions=[condition("Ready", "False")],
            )
        ),
        "scheduling",
        "error",
        "no scheduler named volcano has looked at the pod",
    ),
    "a scheduler that has not come to it yet": (
        seen(pod(node="", phase="Pending", conditions=[condition("Ready", "False")])),
        "starting",
        "warning",
        "the scheduler has not looked at a pod yet",
    ),
    "a scheduling gate": (
        seen(
            pod(
                node="",
                phase="Pending",
                spec={"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]},
                conditions=[condition("PodScheduled", "False", "SchedulingGated")],
            )
        ),
        "scheduling",
        "error",
        "the pod waits for its scheduling gate kueue.x-k8s.io/admission",
    ),
    "a class that does not exist": (
        seen(
            pending("pod has unbound immediate PersistentVolumeClaims", spec=mounting()),
            claim(storageClassName="nope"),
            storage_class(),
            node(),
        ),
        "storage-class",
        "error",
        "the StorageClass nope of the claim cache does not exist",
    ),
    "no default class": (
        seen(claim(), storage_class()),
        "storage-class",
        "error",
        "the claim cache names no StorageClass, and none is the default",
    ),
    "a driver that does not make the volume": (
        seen(
            slow := claim(storageClassName="fast"),
            storage_class(),
            event(slow, "ExternalProvisioning", "Waiting for a volume to be created"),
        ),
        "claim",
        "error",
        "the claim cache waits for disk.example.com to make its volume",
    ),
    "a volume that cannot be made": (
        seen(
            refused := claim(storageClassName="fast"),
            storage_class(),
            event(refused, "ProvisioningFailed", "failed to provision volume: quota of disks exceeded"),
        ),
        "claim",
        "error",
        "no volume can be made for the claim cache: failed to provision volume: quota of disks exceeded",
    ),
    "a volume that is gone": (seen(claim("Lost")), "claim", "error", "the volume of the claim cache is gone"),
    "a quota": (
        seen(
            deployment(1, 0),
            replicaset(
                condition(
                    "ReplicaFailure",
                    "True",
                    "FailedCreate",
                    'pods "x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=2, '
                    "used: requests.nvidia.com/gpu=3, limited: requests.nvidia.com/gpu=4",
                )
            ),
        ),
        "quota",
        "error",
        "the quota gpus has no room: asked requests.nvidia.com/gpu=2",
    ),
    "pods of a StatefulSet that are refused": (
        seen(
            several := thing("StatefulSet", "llm-m", {"replicas": 1}),
            event(
                several, "FailedCreate", 'pods "x" is forbidden: violates PodSecurity "restricted:latest": y'
            ),
        ),
        "admission",
        "error",
        "the namespace enforces Pod Security restricted:latest, which the pod breaks: y",
    ),
    "groups without their controller": (
        seen(thing("LeaderWorkerSet", "llm-m", {"replicas": 1})),
        "no-controller",
        "error",
        "no LeaderWorkerSet controller acts on the group",
    ),
    "a scaler without metrics": (
        seen(*WELL, hpa(condition("ScalingActive", "False", "FailedGetPodsMetric", "no custom metrics API"))),
        "scaler",
        "error",
        "the scaler llm-m has no metrics: FailedGetPodsMetric",
    ),
    "a scaler that cannot scale": (
        seen(*WELL, hpa(condition("AbleToScale", "False", "FailedGetScale", "not found"))),
        "scaler",
        "error",
        "the scaler llm-m cannot change its workload: not found",
    ),
    "a trigger that does not work": (
        seen(
            *WELL,
            thing("ScaledObject", "llm-m", {}, {"conditions": [condition("Ready", "False", "TriggerError")]}),
        ),
        "scaler",
        "error",
        "the scaler llm-m does not work: TriggerError",
    ),
    "a fallback": (
        seen(
            *WELL,
            thing(
                "ScaledObject",
                "llm-m",
                {},
                {"conditions": [condition("Ready", "True"), condition("Fallback", "True")]},
            ),
        ),
        "scaler",
        "error",
        "the scaler llm-m has no metrics and keeps its fallback",
    ),
    "no KEDA": (
        seen(*WELL, thing("ScaledObject", "llm-m")),
        "no-controller",
        "error",
        "no KEDA acts on the scaler",
    ),
    "a route that nobody takes": (
        seen(*WELL, thing("HTTPRoute", "llm")),
        "route",
        "error",
        "no gateway has taken the route llm",
    ),
    "a route that is refused": (
        seen(*WELL, thing("HTTPRoute", "llm", {}, {"parents": [ROUTE]})),
        "route",
        "error",
        "the gateway public does not take the route llm: NotAllowedByListeners",
    ),
    "an Ingress of no class": (
        seen(*WELL, thing("Ingress", "llm", {"ingressClassName": "nginx"}), thing("IngressClass", "traefik")),
        "route",
        "error",
        "the IngressClass nginx does not exist",
    ),
    "a budget that lets nobody go": (
        seen(
            *WELL,
            thing(
                "PodDisruptionBudget",
                "llm-m",
                {"minAvailable": 1},
                {"expectedPods": 1, "currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0},
            ),
        ),
        "disruption",
        "warning",
        "the budget llm-m lets no pod go (minAvailable 1 of 1)",
    ),
    "a download that failed": (
        seen(
            job(condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the limit"), failed=4),
            download_pod("fetching\nhf://org/model: 401, the token may not read it\n"),
        ),
        "download",
        "error",
        "the download of a model failed: hf://org/model: 401, the token may not read it",
    ),
    "a download that is tried again": (
        seen(job(active=1), download_pod("the store does not answer", code=1)),
        "download",
        "warning",
        "the download of a model fails and is tried again: the store does not answer",
    ),
    "an install that stopped halfway": (
        replace(seen(*WELL), revision="pending-install"),
        "release",
        "warning",
        "Helm has not finished installing",
    ),
    "too few replicas": (
        seen(deployment(3, 1), replicaset(), pod(ready=True), node()),
        "replicas",
        "warning",
        "1 of 3 replicas of llm-m are ready",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_line_names_the_cause(case: str) -> None:
    read, rule, level, words = CASES[case]
    report = diagnose(read)
    first = report.findings[0]
    assert (first.id, first.level) == (rule, level)
    assert words in report.first_line
    assert report.first_line.startswith("llm: ")
    assert len(report.findings) == 1
    assert all((first.object, first.seen, first.why, first.fix))


def test_a_healthy_release_says_so() -> None:
    healthy = seen(*WELL, claim("Bound"), hpa(condition("ScalingActive", "True")), job(succeeded=1))
    assert diagnose(healthy).first_line == "llm: healthy: 1 model, 1 pod ready, 0 restarts"


@pytest.mark.parametrize(
    "quiet",
    [
        pod(last=ended(137, "OOMKilled", minutes=90), restarts=1, ready=True),
        pod(ready=True, deletionTimestamp=ago(-1)),
        claim(storageClassName="fast"),
        thing(
            "PersistentVolumeClaim",
            "another",
            {},
            {"phase": "Pending"},
            labels={"app.kubernetes.io/instance": "x"},
        ),
        hpa(condition("ScalingActive", "False", "FailedGetPodsMetric"), target="of-someone-else"),
        thing(
            "PodDisruptionBudget",
            "llm-m",
            {},
            {"expectedPods": 2, "currentHealthy": 1, "disruptionsAllowed": 0},
        ),
        job(active=1),
    ],
    ids=[
        "a restart that was more than an hour ago",
        "a pod that is on its way out",
        "a claim that waits for its first pod",
        "a claim of another release",
        "a scaler of another workload",
        "a budget that holds pods back while one is away",
        "a download that runs",
    ],
)
def test_what_is_as_it_should_be_is_no_finding(quiet: dict[str, object]) -> None:
    report = diagnose(seen(quiet, replicaset(), node(), storage_class()))
    assert report.findings == ()


def test_a_missing_default_class_is_none_where_one_is_marked() -> None:
    assert diagnose(seen(claim(), storage_class(default=True))).findings == ()


def test_pods_of_one_workload_say_the_same_thing_once() -> None:
    pods = [pod(f"llm-m-{number}", state=backoff(), last=ended(2), restarts=4) for number in range(3)]
    logs = {(f"llm-m-{number}", "engine"): FLAG for number in range(3)}
    report = diagnose(seen(*pods, deployment(3, 0), replicaset(), node(), logs=logs))
    assert [finding.object for finding in report.findings] == [
        "Pod/llm-m-0, container engine and 2 more of Deployment/llm-m"
    ]


def test_a_cause_stands_before_what_follows_from_it() -> None:
    read = seen(
        pending("pod has unbound immediate PersistentVolumeClaims", spec=mounting()),
        claim(storageClassName="nope"),
        storage_class(),
        deployment(1, 0),
        replicaset(),
        node(),
    )
    report = diagnose(replace(read, revision="failed"))
    assert [finding.id for finding in report.findings] == ["storage-class"]


def test_errors_stand_before_warnings_and_every_id_has_its_place() -> None:
    findings = [Finding(rule, "warning", "a", "b", "c", "d") for rule in RULES]
    findings.append(Finding("load", "error", "a", "b", "c", "d"))
    assert [finding.id for finding in in_order(findings)] == ["load", *RULES]


def test_what_may_not_be_read_is_left_out_of_the_judgement() -> None:
    read = seen(pending(UNSCHEDULED), node())
    objects = {
        key: items for key, items in read.objects.items() if key not in ("nodes", "pods of all namespaces")
    }
    report: Report = diagnose(replace(read, objects=objects, denied=("nodes (what nodes offer)",)))
    assert (
        "no node takes the pod: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu" in report.first_line
    )
    assert report.not_asked == ("nodes (what nodes offer)",)


def test_the_json_says_what_the_text_says() -> None:
    document = diagnose(crashed(2, FLAG)).to_dict()
    assert document["schema"] == 1
    assert document["summary"] == "llm: an engine flag is wrong: vLLM has no --swap-space 4"
    (finding,) = document["findings"]
    assert set(finding) == {"id", "level", "object", "seen", "why", "fix"}
    assert finding["object"] == "Pod/llm-m-1, container engine"
    assert "CrashLoopBackOff, restarted 4 times, exit code 2" in finding["seen"]
    assert "kv-offloading-size" in finding["fix"]  # today's way
