"""The command: what it asks kubectl and helm for, what it prints, and how it ends when they do not help."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from tests.valuegen.cluster_objects import backoff, deployment, ended, node, pod, replicaset

from valuegen.doctor import load
from valuegen.doctor.asking import Kubectl
from valuegen.doctor.gathering import Seen, read_release
from valuegen.doctor.load_client import REQUESTS
from valuegen.doctor.release import diagnose
from valuegen.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# kubectl that answers from files: the path that it is asked for, without the query, names one.
KUBECTL = """\
#!/bin/sh
for word in "$@"; do
  case "$word" in
    /*) path="$word";;
    --label-columns*) cat "$ANSWERS/revisions" 2>/dev/null; exit 0;;
    config) echo team-a; exit 0;;
  esac
done
[ -f "$ANSWERS/failure" ] && { cat "$ANSWERS/failure" >&2; exit 1; }
file="$ANSWERS/$(echo "${path%%\\?*}" | tr / _)"
[ -f "$file" ] && exec cat "$file"
[ -f "$file.denied" ] && { echo "Error from server (Forbidden): may not list" >&2; exit 1; }
echo "Error from server (NotFound): the server could not find the requested resource" >&2
exit 1
"""


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of answers of a kubectl that is alone on PATH but for the system's own programs."""
    programs, folder = tmp_path / "bin", tmp_path / "answers"
    for each in (programs, folder):
        each.mkdir()
    program = programs / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("ANSWERS", str(folder))
    return folder


def say(answers: Path, path: str, *items: dict[str, Any], kind: str = "Pod") -> None:
    document = {
        "kind": f"{kind}List",
        "items": [{k: v for k, v in item.items() if k != "kind"} for item in items],
    }
    (answers / path.replace("/", "_")).write_text(json.dumps(document))


@pytest.fixture
def healthy(answers: Path) -> Path:
    say(answers, "/api/v1/namespaces/team-a/pods", pod(ready=True))
    say(answers, "/api/v1/namespaces/team-a/events", kind="Event")
    say(answers, "/apis/apps/v1/namespaces/team-a/deployments", deployment(), kind="Deployment")
    say(answers, "/apis/apps/v1/namespaces/team-a/replicasets", replicaset(), kind="ReplicaSet")
    return answers


@pytest.mark.usefixtures("healthy")
def test_a_healthy_release_is_one_line_and_the_namespace_is_the_contexts(
    valuegen: Callable[..., Any],
) -> None:
    outcome = valuegen("doctor", "llm")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (
        0,
        "llm: healthy: 1 model, 1 pod ready, 0 restarts\n",
        "",
    )


def test_a_finding_is_printed_in_80_columns_and_exits_with_3(
    valuegen: Callable[..., Any], healthy: Path
) -> None:
    say(healthy, "/api/v1/namespaces/team-a/pods", pod(state=backoff(), last=recently_ended(), restarts=4))
    say(healthy, "/api/v1/nodes", node(), kind="Node")
    (healthy / "_api_v1_namespaces_team-a_pods_llm-m-1_log").write_text(
        "vllm: error: unrecognized arguments: --swap-space=4"
    )
    outcome = valuegen("doctor", "llm")
    lines = outcome.stdout.splitlines()
    assert outcome.code == 3
    assert lines[0] == "llm: an engine flag is wrong: vLLM has no --swap-space=4"
    assert all(len(line) <= 80 for line in lines[1:])
    assert [line[:8].strip() for line in lines if line.startswith("  ") and line[2] != " "] == [
        "Seen:",
        "Why:",
        "Next:",
    ]
    assert "1 error" in outcome.stderr
    document = json.loads(valuegen("doctor", "llm", "--json").stdout)
    assert (document["schema"], document["summary"]) == (1, lines[0])
    assert document["findings"][0]["object"] == "Pod/llm-m-1, container engine"


def recently_ended() -> dict[str, Any]:
    """An end that is recent by the clock of this machine, which the command goes by."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    finished = datetime.now(UTC) - timedelta(minutes=1)
    return {
        **ended(2),
        "startedAt": (finished - timedelta(minutes=1)).isoformat(),
        "finishedAt": finished.isoformat(),
    }


def test_what_may_not_be_read_is_said_in_the_last_line(valuegen: Callable[..., Any], healthy: Path) -> None:
    (healthy / "_apis_batch_v1_namespaces_team-a_jobs.denied").touch()
    outcome = valuegen("doctor", "llm")
    assert outcome.code == 0
    assert outcome.stdout.splitlines()[-1] == "not judged, since you may not read them: jobs"


def test_without_pods_nothing_can_be_said(valuegen: Callable[..., Any], answers: Path) -> None:
    (answers / "_api_v1_namespaces_team-a_pods.denied").touch()
    outcome = valuegen("doctor", "llm")
    assert outcome.code == 2
    assert (
        "pods of namespace team-a: you may not list them; docs/doctor.md has the role it needs"
        in outcome.stderr
    )


def test_the_state_of_helms_newest_revision_is_read(healthy: Path) -> None:
    (healthy / "revisions").write_text(
        "sh.helm.release.v1.llm.v9   helm.sh/release.v1   1   2d   9    superseded\n"
        "sh.helm.release.v1.llm.v10  helm.sh/release.v1   1   1d   10   pending-upgrade\n"
    )
    seen = read_release(Kubectl.find(None, None), "llm", "team-a")
    assert seen.revision == "pending-upgrade"
    assert "Helm has not finished upgrading" in diagnose(seen).first_line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "doctor: needs a release, or --preflight -f values.yaml; `helm list` shows releases"),
        (["--preflight"], "--preflight: needs the values to install; add -f values.yaml"),
        (["--preflight", "-f", "v.yaml", "--load"], "--load: needs a running release"),
        (["llm", "-f", "v.yaml"], "--values: is read by --preflight"),
        (["llm", "--set", "a=1"], "--set: is read by --preflight"),
        (["llm", "--set-json", "a=1"], "--set-json: is read by --preflight"),
        (["llm", "--chart", "x"], "--chart: is read by --preflight"),
    ],
    ids=[
        "nothing",
        "preflight of nothing",
        "load before an install",
        "values of a release",
        "a setting of a release",
        "a document of a release",
        "chart of a release",
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    valuegen: Callable[..., Any], arguments: list[str], words: str
) -> None:
    outcome = valuegen("doctor", *arguments)
    assert outcome.code == 2
    assert words in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.usefixtures("answers")
def test_programs_that_are_missing_are_named(
    valuegen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "helm: is not on PATH; install it" in valuegen("doctor", "--preflight", "-f", "v.yaml").stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = valuegen("doctor", "llm")
    assert outcome.code == 2
    assert "kubectl: is not on PATH; install it" in outcome.stderr


def test_a_cluster_that_does_not_answer_is_an_error_with_kubectls_words(
    valuegen: Callable[..., Any], answers: Path
) -> None:
    (answers / "failure").write_text("The connection to the server localhost:8080 was refused\n")
    outcome = valuegen("doctor", "llm")
    assert outcome.code == 2
    assert (
        "the cluster: kubectl says: The connection to the server localhost:8080 was refused" in outcome.stderr
    )


@pytest.mark.usefixtures("answers")
def test_a_chart_is_needed_where_none_lies(
    valuegen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "helm").symlink_to("/bin/true")
    monkeypatch.chdir(tmp_path)
    outcome = valuegen("doctor", "--preflight", "-f", "v.yaml")
    assert outcome.code == 2
    assert "--chart: is not given, and charts/vllm-stack is not here" in outcome.stderr


SERVICE = {
    "kind": "Service",
    "metadata": {"name": "llm-m", "labels": {}},
    "spec": {
        "clusterIP": "10.0.0.1",
        "selector": {"vllm-stack.io/model": "m"},
        "ports": [{"name": "http", "port": 8000}],
    },
}


def with_services(*services: dict[str, Any]) -> Seen:
    from tests.valuegen.cluster_objects import seen  # noqa: PLC0415

    return seen(pod(ready=True), *services)


def test_the_load_check_asks_the_service_of_every_model_once() -> None:
    selector = {"vllm-stack.io/model": "m", "vllm-stack.io/variant": "a"}
    alone = {**SERVICE, "spec": {**SERVICE["spec"], "selector": selector}}  # type: ignore[dict-item]
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}  # type: ignore[dict-item]
    ports = [{"name": "http", "port": 443, "appProtocol": "https"}]
    secured = {**SERVICE, "metadata": {"name": "llm-s"}, "spec": {**SERVICE["spec"], "ports": ports}}  # type: ignore[dict-item]
    assert load.urls(with_services(SERVICE, alone, headless, secured)) == [
        "http://llm-m:8000",
        "https://llm-s:443",
    ]


def test_the_pod_of_the_load_check_is_restricted_and_has_the_engines_image_and_key() -> None:
    engine = pod(
        ready=True, spec={"securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000}}
    )
    key = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "key"}}}
    engine["spec"]["containers"][0]["env"] = [key, {"name": "HF_TOKEN", "value": "x"}]
    made = load.client_pod(with_services(SERVICE), engine, ["http://llm-m:8000"])
    (container,) = made["spec"]["containers"]
    assert container["image"] == "vllm/vllm-openai:v0.33.0"
    assert [entry["name"] for entry in container["env"]] == ["SERVICES", "VLLM_API_KEY"]
    assert made["spec"]["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert "nvidia.com/gpu" not in json.dumps(container["resources"])
    compile(container["command"][2], "load_client.py", "exec")


def test_requests_that_are_not_answered_are_a_finding() -> None:
    measured = {
        "url": "http://llm-m:8000",
        "model": "m",
        "asked": REQUESTS,
        "answered": 0,
        "error": "HTTP 401: {}",
    }
    (finding,) = load.failed(measured)
    assert (finding.id, finding.level) == ("load", "error")
    assert "does not answer every request: HTTP 401" in finding.why
    assert load.failed({**measured, "error": ""}) == []


def test_a_pod_that_cannot_be_made_ends_the_load_check(answers: Path) -> None:
    (answers / "failure").write_text('pods is forbidden: cannot create resource "pods"')
    read = with_services(SERVICE)
    with pytest.raises(ClusterError, match="--load: its pod cannot be made"):
        load.with_load(Kubectl.find(None, None), read, diagnose(read))
