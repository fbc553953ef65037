"""What the state of a container means: it waits, was killed, or ended by itself, and what its log says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valuegen.doctor.engine_errors import last_words, translate
from valuegen.doctor.findings import Finding, Level, translated
from valuegen.doctor.gathering import ended
from valuegen.doctor.objects import Object, declared, moment, name, newest, one_line, title
from valuegen.doctor.probes import ended_by_probe, likely_ended_by_probe
from valuegen.errors import Reason

if TYPE_CHECKING:
    from valuegen.doctor.gathering import Seen

IMAGE_REASONS = (
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
START_REASONS = ("CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun")
# Read in this order: a registry that refuses also says "not found" of what it does not want to show.
PULL_PROBLEMS = (
    (
        r"401|403|[Uu]nauthorized|[Dd]enied|authorization failed",
        "the registry wants another sign-in",
        "set image.pullSecrets to a Secret that may pull it",
    ),
    (
        r"no such host|connection refused|i/o timeout|dial tcp|x509|TLS",
        "its registry does not answer",
        "correct image.repository, or let the nodes reach it",
    ),
    (
        r"not found|manifest unknown|404",
        "the registry has no such image",
        "correct image.repository and image.tag",
    ),
    (r"no space left", "the node's disk is full", "free space on the node"),
    (
        r"ErrImageNeverPull|not present with pull policy",
        "it is not on the node and may not be pulled",
        "load it onto the nodes, or set image.pullPolicy",
    ),
    (
        r"InvalidImageName|couldn't parse",
        "that is no name of an image",
        "correct image.repository and image.tag",
    ),
)
SIGNALS = {132: "an illegal instruction", 134: "an abort", 135: "a bus error", 139: "a segmentation fault"}


def container_finding(seen: Seen, pod: Object, status: Object) -> Finding | None:
    """What is wrong with one container of a pod; None when nothing is, or only that it waits for its turn."""
    state = status.get("state", {})
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in IMAGE_REASONS:
        return _image(seen, pod, status, waiting)
    if reason == "CreateContainerConfigError":
        return _configuration(seen, pod, status, waiting)
    if reason in START_REASONS:
        return _made(seen, pod, status, reason, one_line(waiting.get("message", "")))
    end = ended(status)
    if not end or (end.get("exitCode") == 0 and not status.get("restartCount")):
        return None
    if not seen.is_recent(moment(end.get("finishedAt"))):
        return None
    return _ended(seen, pod, status, end)


def _image(seen: Seen, pod: Object, status: Object, waiting: Object) -> Finding:
    event = newest([e for e in seen.events(pod) if "Failed to pull" in e.get("message", "")], "Failed")
    said = one_line(event["message"] if event else waiting.get("message", ""))
    image = declared(pod, status["name"]).get("image", status.get("image"))
    detail, fix = "it cannot be pulled", "correct image; for a private registry set image.pullSecrets"
    for pattern, problem, remedy in PULL_PROBLEMS:
        if re.search(pattern, f"{waiting['reason']} {said}"):
            detail, fix = problem, remedy
            break
    why = f"the image {image} cannot be pulled: {detail}"
    return _finding(seen, pod, status, Reason("image", why, fix), f"{waiting['reason']}: {said}")


def _configuration(seen: Seen, pod: Object, status: Object, waiting: Object) -> Finding:
    said = one_line(waiting.get("message", ""))
    reason = Reason("container", f"the container cannot be made: {said}", "correct what it names")
    if found := re.search(r'(?P<kind>secret|configmap) "(?P<name>[^"]+)" not found', said):
        kind = "Secret" if found["kind"] == "secret" else "ConfigMap"
        fix = f"create the {kind} {found['name']}, or correct existingSecret; the pod goes on by itself"
        reason = Reason("missing-secret", f"a {kind} is missing: {found['name']}", fix)
    elif found := re.search(
        r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) (?P<name>\S+)", said
    ):
        where = found["name"].partition("/")[2] or found["name"]
        why = f"a {found['kind']} lacks a key: {where} has no {found['key']}"
        reason = Reason("missing-secret", why, "add the key; the pod goes on by itself")
    elif "runAsNonRoot" in said:
        why = "the image runs as root, which the pod does not allow"
        reason = Reason("container", why, "set podSecurityContext.runAsUser to a user of the image")
    return _finding(seen, pod, status, reason, f"{waiting['reason']}: {said}")


def _made(seen: Seen, pod: Object, status: Object, state: str, said: str) -> Finding:
    why, fix = f"the container cannot be started: {said}", "correct what it names"
    if "executable file not found" in said or "no such file or directory" in said:
        fix = "does the image have the engine? correct image, or engine and its command"
    elif "nvidia" in said.lower():
        fix = "look at the NVIDIA container toolkit of that node; set scheduling.runtimeClassName if it needs one"
    return _finding(seen, pod, status, Reason("container", why, fix), f"{state}: {said}")


def _ended(seen: Seen, pod: Object, status: Object, end: Object) -> Finding:
    """Why a container ended: killed for memory, by a probe, or by what its log says."""
    log = seen.logs.get((name(pod), status["name"]), "") or end.get("message", "")
    code, words = end.get("exitCode", 0), last_words(log)
    text = _state(status, end)
    if end.get("reason") == "OOMKilled":
        return _finding(seen, pod, status, _memory(pod, status), text)
    said = f'{text}; its last line: "{one_line(words)}"' if words else f"{text}; its log is empty"
    if probe := ended_by_probe(seen, pod, status["name"], end):
        return _finding(seen, pod, status, probe, said)
    if end.get("reason") in START_REASONS:
        return _made(seen, pod, status, end["reason"], one_line(end.get("message", "")))
    found = translate(log, failed=code != 0)
    if found is not None:
        return _finding(seen, pod, status, _spelled(found.reason), f'{text}; log: "{one_line(found.line)}"')
    if probe := likely_ended_by_probe(seen, pod, status["name"], end):
        return _finding(seen, pod, status, probe, said)
    return _finding(seen, pod, status, _by_code(code, status["name"]), said)


def _state(status: Object, end: Object) -> str:
    waiting = (status.get("state", {}).get("waiting") or {}).get("reason")
    now = waiting or ("running again" if "running" in status.get("state", {}) else "ended")
    times = status.get("restartCount", 0)
    why = end.get("reason", "")
    how = f"{why}, " if why not in ("", "Error", "Completed") else ""
    return f"{now}, restarted {times} time{'' if times == 1 else 's'}, {how}exit code {end.get('exitCode')}"


def _memory(pod: Object, status: Object) -> Reason:
    limit = (declared(pod, status["name"]).get("resources", {}).get("limits") or {}).get("memory")
    why = f"the memory limit is too small: the container {status['name']} was killed at " + (
        limit or "the node's limit"
    )
    return Reason("memory-limit", why, "raise resources.limits.memory; what /dev/shm holds counts against it")


def _by_code(code: int, container: str) -> Reason:
    """What is left when the log says nothing that is known."""
    read = "read the whole log: `kubectl logs POD --previous`"
    if code == 0:
        why = f"the {container} crashes: it ended with exit code 0, as vLLM does when its engine dies"
        return Reason("engine-crash", why, f"it is started again; if it happens again, {read}")
    if code in SIGNALS:
        return Reason(
            "engine-crash",
            f"the {container} crashes: {SIGNALS[code]}",
            f"{read}; is the image made for this GPU and driver?",
        )
    if code == 137:
        why = f"the {container} was killed from outside, not for its own memory limit"
        return Reason("engine-crash", why, "is the node short of memory? `kubectl describe node`")
    if code in (130, 143):
        return Reason("engine-crash", f"the {container} was asked to end", read)
    return Reason("engine-error", f"the {container} ends with exit code {code}", read)


def _spelled(reason: Reason) -> Reason:
    """The same, with today's spelling of a flag that vLLM does not have."""
    found = re.search(r"vLLM has no (--[\w.-]+)", reason.message)
    if reason.code != "engine-flag" or not found:
        return reason
    from valuegen.catalog.names import nearest  # noqa: PLC0415  (only where a flag is wrong)
    from valuegen.serve.table import flag_table, removed_flags  # noqa: PLC0415

    flag = found[1].removeprefix("--").replace("_", "-")
    removed = removed_flags().get(flag)
    if removed is not None:
        return Reason(
            reason.code, reason.message, f"{removed.today}; `valuegen check values.yaml` knows every flag"
        )
    close = nearest(flag, flag_table().kinds)
    return Reason(reason.code, reason.message, f"did you mean --{close}? {reason.fix}") if close else reason


def _finding(seen: Seen, pod: Object, status: Object, reason: Reason, text: str) -> Finding:
    ready: Level = "warning" if status.get("ready") else "error"
    return translated(reason, ready, f"{title(pod)}, container {status['name']}", text, seen.group(pod))
