"""`valuegen doctor` on real nodes: it names the cause of each mistake in its first line, and a healthy release in one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.doctors import doctor
from tests.node.mistakes import MISTAKES, values

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.node.mistakes import Made

    from charttest.release import Releases

CAUSES = {
    "the memory limit is too small": "the memory limit is too small: the container engine was killed at 256Mi",
    "`/dev/shm` is too small": "the shared memory /dev/shm is too small",
    "the cache cannot be written": "the cache cannot be written",
    "the image does not exist": "the image 127.0.0.1:1/vllm:none cannot be pulled: its registry does not answer",
    "a Secret is missing": "a Secret is missing: no-such-secret",
    "an engine flag is wrong": "an engine flag is wrong: vLLM has no --no-such-flag",
    "the start takes longer than its budget": "the start takes longer than its budget: no answer within 6 s",
    "the engine hangs": "the engine hangs: it did not answer its liveness probe for 60 s",
    "the engine crashes": "the engine crashes",
    "no node has enough free GPUs": "no node has enough free GPUs: a pod needs 64 nvidia.com/gpu, the largest node",
}


def test_every_mistake_has_its_cause() -> None:
    assert set(CAUSES) == set(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_first_line_names_the_cause_of_a_mistake(mistakes: dict[str, Future[Made]], mistake: str) -> None:
    said = mistakes[mistake].result().said
    assert CAUSES[mistake] in said.first_line
    assert said.code == 3


def test_a_healthy_release_is_one_line_and_answers_its_load_check(releases: Releases) -> None:
    release = releases(timeout_seconds=300)
    release.install(values())
    said = doctor(release, release.name)
    assert (said.stdout, said.stderr) == (f"{release.name}: healthy: 1 model, 1 pod ready, 0 restarts\n", "")
    before = release.get("pods")
    loaded = doctor(release, release.name, "--load", "--json")
    document = json.loads(loaded.stdout)
    (answers,) = document["load"]
    assert (loaded.code, document["findings"]) == (0, [])
    assert (answers["answered"], answers["asked"], answers["model"]) == (16, 16, "m")
    # The pod that asked is gone, or on its way.
    left = [each for each in release.get("pods") if "deletionTimestamp" not in each["metadata"]]
    assert [each["metadata"]["uid"] for each in left] == [each["metadata"]["uid"] for each in before]
    release.uninstall()
