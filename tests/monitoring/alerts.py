"""What Prometheus says about the alerts of a release, from its /api/v1/alerts and /api/v1/rules."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from charttest.errors import CharttestError

if TYPE_CHECKING:
    from types import TracebackType

    from charttest.controllers.prometheus import Prometheus
    from charttest.release import Release

LOOK_SECONDS = 0.5


def firing(prometheus: Prometheus, release: Release) -> list[dict[str, Any]]:
    """The alerts of the release that fire now: labels, annotations, value."""
    return [
        alert
        for alert in prometheus.data("alerts")["alerts"]
        if alert["state"] == "firing" and is_of(alert["labels"], release)
    ]


def is_of(labels: dict[str, str], release: Release) -> bool:
    """Whether an alert with these labels is one of the release."""
    return (labels.get("namespace"), labels.get("release")) == (release.namespace, release.name)


def rules(prometheus: Prometheus, release: Release) -> list[dict[str, Any]]:
    """The rules of the release that Prometheus runs, with their health."""
    groups = prometheus.data("rules")["groups"]
    prefix = f"vllm-stack.{release.name}."
    return [rule for group in groups if group["name"].startswith(prefix) for rule in group["rules"]]


class Watch:
    """Looks twice a second which alerts of a release fire, in a `with` statement; none that lasts longer escapes."""

    def __init__(self, prometheus: Prometheus, release: Release) -> None:
        """Of this release."""
        self._prometheus, self._release = prometheus, release
        self._stop = threading.Event()
        self._seen: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.looks = 0
        """How often it had an answer."""

    @property
    def seen(self) -> list[dict[str, Any]]:
        """Every alert that has fired at any time."""
        return list(self._seen.values())

    @property
    def names(self) -> set[str]:
        """The names of those."""
        return {alert["labels"]["alertname"] for alert in self.seen}

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                for alert in firing(self._prometheus, self._release):
                    self._seen.setdefault(frozenset(alert["labels"].items()), alert)
                self.looks += 1
            except CharttestError:  # busy
                pass
            time.sleep(LOOK_SECONDS)

    def __enter__(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
