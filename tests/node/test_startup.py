"""How long a start may take, and how soon it is noticed that it is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.node.pods import engine, logs, pod

if TYPE_CHECKING:
    from charttest.release import Release, Releases

LOAD_SECONDS = 30


def ready_after(release: Release, **body: Any) -> float:
    """Seconds from the creation of the only pod until it is ready."""
    model = {"source": {"uri": "hf://Qwen/Qwen3-8B"}, "accelerator": {"product": "NVIDIA-L40S"}, **body}
    release.install({"models": {"m": model}})
    found = pod(release)
    ready = next(each for each in found["status"]["conditions"] if each["type"] == "Ready")
    times = (ready["lastTransitionTime"], found["metadata"]["creationTimestamp"])
    end, begin = (datetime.fromisoformat(time) for time in times)
    return (end - begin).total_seconds()


def test_an_engine_that_loads_for_long_is_left_alone_within_its_budget(releases: Releases) -> None:
    release = releases(timeout_seconds=300)
    slow = {"TEST_ENGINE_LOAD_SECONDS": str(LOAD_SECONDS)}
    assert ready_after(release, env=slow, startup={"budgetSeconds": 60}) >= LOAD_SECONDS
    assert engine(pod(release))["restartCount"] == 0
    assert "Application startup complete" in logs(release)
    release.uninstall()
