"""A rollout can move: at least one pod may be missing or added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charttest.checks.model import Check, Manifest, Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator


# Where the two numbers are.
_ROLLING = {
    "Deployment": ("strategy", "rollingUpdate"),
    "LeaderWorkerSet": ("rolloutStrategy", "rollingUpdateConfiguration"),
}


def _is_zero(value: object) -> bool:
    return str(value).rstrip("%") == "0"


def _run(manifests: Manifests) -> Iterator[tuple[Manifest, str]]:
    for item in manifests.of(*_ROLLING):
        strategy, rolling_update = _ROLLING[item.kind]
        rolling = (item.spec.get(strategy) or {}).get(rolling_update) or {}
        if _is_zero(rolling.get("maxSurge")) and _is_zero(rolling.get("maxUnavailable")):
            yield item, "maxSurge and maxUnavailable are both 0, so no pod can ever be replaced"


CHECK = Check(
    id="rollout",
    sentence="A workload's maxSurge and maxUnavailable are not both 0.",
    fix="set maxUnavailable: 1, or maxSurge: 1 where there is room for one more pod",
    run=_run,
)
