"""What is told to Prometheus beside the engines: replayed series, and kube-state-metrics' for the objects that there are.

kube-state-metrics itself is no part of charttest. These few series are made as its documentation has them
(docs/metrics/workload of its repository), from the same objects.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.monitoring.courses import AFTER, BEFORE, FAULT, IDLE, Course, Entry, sample, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from charttest.cluster.api import Api

ENGINES = "app.kubernetes.io/component=engine"
LABELS = {
    "release": "app.kubernetes.io/instance",
    "model": "vllm-stack.io/model",
    "variant": "vllm-stack.io/variant",
    "role": "vllm-stack.io/role",
    "llm_d_ai_variant": "llm-d.ai/variant",
}


@dataclass
class Told:
    """Of one release: its objects, and what is replayed for the engines of one model, or of all."""

    api: Api
    namespace: str
    model: str | None = None
    """With it the faults are that model's."""
    phase: str = IDLE
    _entries: list[Entry] = field(default_factory=table)
    _courses: dict[tuple[int, str], Course] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin_load(self) -> None:
        """From now on as in health."""
        self.phase = BEFORE

    def begin_fault(self) -> None:
        """From now on as in the fault."""
        self.phase = FAULT

    def end_fault(self) -> None:
        """From now on as after it."""
        self.phase = AFTER

    def replayed(self) -> str:
        """The page of the replayed series."""
        pods = [pod for pod in self._items("api/v1", "pods", ENGINES) if _runs(pod)]
        if self.model:
            pods = [pod for pod in pods if pod["metadata"]["labels"][LABELS["model"]] == self.model]
        with self._lock:  # Prometheus may ask again before it has the answer
            return _page(self._replayed(pods, time.monotonic()))

    def _replayed(self, pods: list[dict[str, Any]], now: float) -> Iterator[tuple[str, str, str]]:
        for number, entry in enumerate(self._entries):
            if entry.faulty and not self.model:
                continue
            for name, labels in _whom(entry, pods):
                course = self._courses.setdefault((number, name), Course(entry, now))
                named = {
                    key: labels["model"] if text == "MODEL" else text for key, text in entry.labels.items()
                }
                for line in course.lines({**labels, **named}, self.phase, now):
                    yield entry.name, entry.kind, line

    def objects(self) -> str:
        """The page of kube-state-metrics, of the kinds that the chart's queries ask for."""
        return _page(
            (name, kind, sample(name, {"namespace": self.namespace, **labels}, value))
            for name, kind, labels, value in (
                *self._deployments(),
                *self._scalers(),
                *self._containers(),
            )
        )

    def _deployments(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        for found in self._items("apis/apps/v1", "deployments"):
            labels = {"deployment": found["metadata"]["name"]}
            yield "kube_deployment_spec_replicas", "gauge", labels, found["spec"]["replicas"]
            available = found["status"].get("availableReplicas", 0)
            yield "kube_deployment_status_replicas_available", "gauge", labels, available

    def _scalers(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        prefix = "kube_horizontalpodautoscaler_"
        for found in self._items("apis/autoscaling/v2", "horizontalpodautoscalers"):
            labels = {"horizontalpodautoscaler": found["metadata"]["name"]}
            status = found.get("status", {})
            yield f"{prefix}spec_max_replicas", "gauge", labels, found["spec"]["maxReplicas"]
            yield f"{prefix}spec_min_replicas", "gauge", labels, found["spec"].get("minReplicas", 1)
            yield f"{prefix}status_current_replicas", "gauge", labels, status.get("currentReplicas", 0)
            yield f"{prefix}status_desired_replicas", "gauge", labels, status.get("desiredReplicas", 0)
            for condition in status.get("conditions") or ():
                for answer in ("true", "false", "unknown"):
                    which = {**labels, "condition": condition["type"], "status": answer}
                    holds = condition["status"].lower() == answer
                    yield f"{prefix}status_condition", "gauge", which, int(holds)

    def _containers(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        for found in self._items("api/v1", "pods"):
            of_pod = {"pod": found["metadata"]["name"], "uid": found["metadata"]["uid"]}
            for container in found["status"].get("containerStatuses") or ():
                labels = {**of_pod, "container": container["name"]}
                yield (
                    "kube_pod_container_status_restarts_total",
                    "counter",
                    labels,
                    container["restartCount"],
                )

    def _items(self, group: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        found = self.api.get(f"/{group}/namespaces/{self.namespace}/{kind}?labelSelector={selector}")
        if found is None:
            raise OSError(f"no answer about {kind} of {self.namespace}")
        items: list[dict[str, Any]] = found["items"]
        return items


def _runs(pod: dict[str, Any]) -> bool:
    return bool(pod["status"].get("podIP")) and pod["status"]["phase"] == "Running"


def _whom(entry: Entry, pods: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each of whom an entry has a series: a name and the labels that tell it apart."""
    makes: dict[str, Callable[[dict[str, Any]], dict[str, str] | None]] = {
        "engine": _engine,
        "gpu": _gpu,
        "variant": _variant,
        "controller": lambda pod: _variant(pod) and {"namespace": "wva"},
    }
    seen = set()
    for pod in pods:
        labels = makes[entry.of](pod)
        if labels is not None and (told := str(labels)) not in seen:  # several pods are of one variant
            seen.add(told)
            yield told, labels


def _engine(pod: dict[str, Any]) -> dict[str, str]:
    """What the relabelling of the PodMonitor makes of it."""
    own: Mapping[str, str] = pod["metadata"]["labels"]
    named = {label: own[key] for label, key in LABELS.items() if key in own}
    named["role"] = own.get("llm-d.ai/role", named["role"])
    return {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"], **named}


def _gpu(pod: dict[str, Any]) -> dict[str, str]:
    """As dcgm-exporter has them with DCGM_EXPORTER_KUBERNETES, scraped with honorLabels."""
    name = pod["metadata"]["name"]
    return {
        "gpu": "0",
        "UUID": f"GPU-{pod['metadata']['uid']}",
        "device": "nvidia0",
        "modelName": "NVIDIA L40S",
        "Hostname": pod["spec"]["nodeName"],
        "container": "engine",
        "namespace": pod["metadata"]["namespace"],
        "pod": name,
    }


def _variant(pod: dict[str, Any]) -> dict[str, str] | None:
    variant = pod["metadata"]["labels"].get(LABELS["llm_d_ai_variant"])
    if variant is None:
        return None
    return {
        "namespace": "wva",
        "exported_namespace": pod["metadata"]["namespace"],
        "variant_name": variant,
    }


def _page(lines: Iterator[tuple[str, str, str]]) -> str:
    """The lines under a heading for each name, as the format wants them: all of one name together."""
    names: dict[str, tuple[str, list[str]]] = {}
    for name, kind, line in lines:
        names.setdefault(name, (kind, []))[1].append(line)
    return "".join(
        f"# TYPE {name} {kind}\n" + "".join(f"{line}\n" for line in found)
        for name, (kind, found) in names.items()
    )
