"""What a rule sees and what it says: one workload with its judgement, and findings about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from valuegen.frozen import dataclass
from valuegen.units import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from valuegen.fit import FitResult
    from valuegen.host import HostNeeds
    from valuegen.model import Model
    from valuegen.serve.words import Flag
    from valuegen.workload import Workload
    from valuegen.yamledit import KeyPath

# error: the chart or vLLM refuses it, or it cannot work. warning: it rests on an estimate, or is risky.
# unknown: it could not be judged.
Level = Literal["error", "warning", "unknown"]


@dataclass(frozen=True)
class Found:
    """What a rule says about one key of a workload."""

    at: KeyPath  # below the body
    message: str
    fix: str
    level: Level | None = None  # None: the rule's own


@dataclass(frozen=True)
class Subject:
    """One workload, what its flags say, and how `fit` judges it on each GPU it may get."""

    workload: Workload
    flags: tuple[Flag, ...]
    model: Model | None
    results: tuple[FitResult, ...]  # empty: it could not be judged
    missing: Mapping[str, tuple[Found, ...]]  # by rule: what stood in the way of a judgement
    bytes_per_second: int  # with which the weights are read or downloaded

    @property
    def result(self) -> FitResult | None:
        """The judgement on the GPU that is worst for it."""
        return min(self.results, key=_quality, default=None)

    @property
    def host(self) -> HostNeeds | None:
        """What its pod needs outside the GPU; None when that could not be computed."""
        return next((result.host for result in self.results if result.host is not None), None)

    @property
    def ranks(self) -> int:
        """GPUs of a replica."""
        sizes = self.workload.section("parallelism")
        return (sizes.get("tensor") or 1) * (sizes.get("pipeline") or 1) * (sizes.get("data") or 1)

    @property
    def nodes(self) -> int:
        """Nodes of a replica, each with one pod."""
        return self.workload.section("parallelism").get("nodes") or 1

    @property
    def gpus(self) -> int:
        """GPUs that the chart gives a pod."""
        return ceil_div(self.ranks, self.nodes)

    def last(self, name: str) -> Flag | None:
        """The use of a flag that counts, if it is used with a value."""
        uses = [flag for flag in self.flags if flag.name == name and not flag.key and flag.value is not None]
        return uses[-1] if uses else None


def _quality(result: FitResult) -> tuple[bool, float]:
    return result.fits, result.capacity.max_concurrency if result.capacity else 0.0


@dataclass(frozen=True)
class Rule:
    """One rule: a stable id, what it holds values to, and what to do when they break it."""

    id: str
    sentence: str
    fix: str
    look: Callable[[Subject], Iterator[Found]] | None  # None: it looks at the file, not at workloads
    level: Level = "error"


@dataclass(frozen=True)
class Finding:
    """One broken rule: where, what is wrong, what to do."""

    id: str
    level: Level
    path: str
    message: str
    fix: str
    file: str
    line: int

    def to_dict(self) -> dict[str, str]:
        """The shape of `findings` in the JSON output."""
        return {
            "id": self.id,
            "level": self.level,
            "path": self.path,
            "message": self.message,
            "fix": self.fix,
        }
