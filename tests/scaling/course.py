"""A model under load: what was offered, how long its queue was, how many replicas were wanted and ready."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from charttest.load import LoadPod, Recorder, Timeline, write_plot
from charttest.load.sources import DESIRED, QUEUE, READY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.scaling.controllers import Controllers

    from charttest.load.recorder import Source
    from charttest.load.shapes import Shape
    from charttest.release import Release
    from charttest.scaling import ScalingCluster

SECONDS = 300  # that any change may take here: both cores are busy
TOKENS = 11
# TIME_TO_FIRST_TOKEN and ten times INTER_TOKEN_LATENCY: long, so that a busy machine changes little.
REQUEST_SECONDS = 7
STEADY_SECONDS = 30  # replicas are steady when they did not change for so long

# An engine that answers eight requests at a time.
ENGINE: dict[str, Any] = {
    "source": {"uri": "hf://org/model"},
    "accelerator": {"product": "NVIDIA-L40S"},
    "args": {"max-num-seqs": 8, "max-model-len": 2048},
    "env": {"TEST_ENGINE_TIME_TO_FIRST_TOKEN": "4s", "TEST_ENGINE_INTER_TOKEN_LATENCY": "300ms"},
    "startup": {"budgetSeconds": 120},
    "shutdown": {"drainSeconds": 5},
}
# A course takes minutes, not hours: down as soon as the load was low for 20 s, two pods every five seconds.
BEHAVIOR = {
    "scaleDown": {
        "stabilizationWindowSeconds": 20,
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 5}],
    }
}
SCRAPED = {"podMonitor": {"enabled": True, "interval": "2s"}}


@dataclass(frozen=True)
class Course:
    """What came of a load; place N of a series is the second N after it began."""

    timeline: Timeline
    series: Mapping[str, list[float | None]]
    notes: Mapping[str, float]
    """When the load ended (`end`), and other things happened, in seconds after the beginning."""

    def known(self, name: str, begin: float = 0, end: float = 100_000) -> list[float]:
        """The values of a series within these seconds, where it is known."""
        found = self.series[name][int(begin) : int(end)]
        return [value for value in found if value is not None]

    def changes(self, name: str, begin: float = 0, end: float = 100_000) -> int:
        """How often a series changed within these seconds."""
        return sum(before != after for before, after in pairwise(self.known(name, begin, end)))


@dataclass(frozen=True)
class Driver:
    """Runs courses in one cluster and draws each."""

    scaling: ScalingCluster
    controllers: Controllers
    plots: Path

    def replicas(self, release: Release, deployment: str) -> tuple[int, int]:
        """How many are wanted, and how many are ready."""
        path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments/{deployment}"
        found = self.scaling.cluster.api.get(path)
        if found is None:
            raise LookupError(f"no answer: {path}")
        return found["spec"]["replicas"], found["status"].get("readyReplicas", 0)

    def settle(self, release: Release, deployment: str, count: int) -> None:
        """Wait until that many are wanted and ready."""
        wait_for(f"{deployment} at {count}", lambda: self.replicas(release, deployment) == (count, count))

    def hold(self, release: Release, deployment: str, count: int) -> float:
        """Wait until so many were wanted and ready for STEADY_SECONDS; since when, in time.monotonic()."""
        since, held = time.monotonic(), False

        def steady() -> bool:
            nonlocal since, held
            holds = self.replicas(release, deployment) == (count, count)
            if not (held and holds):
                # Not when the last other answer came: the next one may have taken long, on a busy machine.
                since = time.monotonic()
            held = holds
            return time.monotonic() - since > STEADY_SECONDS

        wait_for(f"{deployment} to stay at {count}", steady)
        return since

    def run(
        self,
        name: str,
        release: Release,
        shape: Shape,
        *,
        model: str = "m",
        variants: Mapping[str, str] | None = None,
        until: Mapping[str, int] | None = None,
        own_words: int = 0,
        more: Sequence[Source] = (),
        during: Callable[[float], Mapping[str, float]],
    ) -> Course:
        """Offer a load to a model that is ready as long as `during` runs, then watch until it is back at `until`.

        `variants` are the Deployments by what their series are called after; by default the model's own alone.
        `more` is recorded, too. `during` is told the load's begin and gives notes.
        """
        watched = variants or {"": f"{release.name}-{model}"}
        least = until or dict.fromkeys(watched, 1)
        sources = [self._replicas(release, label, deployment) for label, deployment in watched.items()]
        sources += [self._queue(release), *more]
        service = f"{release.name}-{model}"
        with LoadPod(release.kubectl, release.namespace, ready_seconds=SECONDS) as pod:
            load = pod.offer(
                service,
                shape,
                model=model,
                stream="none",
                max_tokens=TOKENS,
                timeout_seconds=SECONDS,
                own_words=own_words,
            )
            with load, Recorder(sources, begin=load.begin) as recorder:
                notes = {**during(load.begin), "end": time.monotonic() - load.begin}
                timeline = load.stop()
                for label, deployment in watched.items():
                    self.settle(release, deployment, least[label])
                wanted = {
                    f"{label}: {DESIRED}" if label else DESIRED: count for label, count in least.items()
                }
                wait_for("the recorder to see it", lambda: _last(recorder, wanted) == wanted)
        course = Course(timeline, recorder.series, notes)
        write_plot(self.plots, name, timeline, course.series)
        return course

    def watch(self, release: Release, deployments: Mapping[str, str]) -> Recorder:
        """A recorder of Deployments without a load, by what their series are called after."""
        sources = [self._replicas(release, label, deployment) for label, deployment in deployments.items()]
        return Recorder(sources, begin=time.monotonic())

    def watch_all(self, release: Release) -> Recorder:
        """A recorder of what all Deployments of a release have ready together."""
        path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments"

        def read() -> dict[str, float]:
            found = self.scaling.cluster.api.get(path)
            if found is None:
                raise OSError(f"no answer: {path}")
            return {READY: sum(each["status"].get("readyReplicas", 0) for each in found["items"])}

        return Recorder([read], begin=time.monotonic())

    def _replicas(self, release: Release, label: str, deployment: str) -> Source:
        prefix = f"{label}: " if label else ""

        def read() -> dict[str, float]:
            try:
                wanted, ready = self.replicas(release, deployment)
            except LookupError:  # not there yet, or no longer
                return {}
            return {prefix + DESIRED: wanted, prefix + READY: ready}

        return read

    def _queue(self, release: Release) -> Source:
        query = f'sum(vllm:num_requests_waiting{{namespace="{release.namespace}"}})'

        def read() -> dict[str, float]:
            found = self.scaling.prometheus.query(query)
            return {QUEUE: float(found[0]["value"][1])} if found else {}

        return read


def _last(recorder: Recorder, names: Iterable[str]) -> dict[str, float | None]:
    """The last value of each of these series."""
    return {name: recorder.series[name][-1] for name in names}


def wait_for(what: str, condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition; AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while not _holds(condition):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.5)


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (LookupError, OSError):  # not there yet, or the API server is busy
        return False
