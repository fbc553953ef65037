"""Predictions of logs with coefficients fitted without any log of the same model, and which logs count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from coefficients import fit
from records import Parts, Record, predicted
from valuegen.calibration import DEFAULT_VLLM_VERSION, OLDEST
from valuegen.engine import EngineSettings
from valuegen.fit import judge
from valuegen.model import Model
from valuegen.overhead import Estimate
from valuegen.units import GIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from valuegen.fit import FitResult

REQUIRED = {
    "gpu_memory_utilization": "--gpu-memory-utilization",
    "tensor_parallel_size": "the tensor parallel size",
    "max_model_len": "the context length",
}


@dataclass(frozen=True)
class Comparison:
    """A figure of a log and its prediction, in bytes."""

    record: Record
    logged: float
    estimate: Estimate

    @property
    def error(self) -> float:
        """Relative; positive where too much is predicted."""
        return self.estimate.point / self.logged - 1

    @property
    def inside(self) -> bool:
        """Whether the log lies in the predicted range, give or take what two digits hide."""
        return self.estimate.low - 0.01 * GIB <= self.logged <= self.estimate.high + 0.01 * GIB


class Held:
    """Fits without one model at a time, each made once."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._without = cache(self._fit)

    def _fit(self, model: object) -> dict[str, Any]:
        return fit([record for record in self._records if record.model != model])

    def out(self, record: Record) -> dict[str, Any]:
        """The calibration that has not seen the model of this log."""
        return self._without(record.model)


def left_out(record: Record) -> str | None:
    """Why a log cannot judge the KV cache; None if it can."""
    stated, settings = record.stated, record.stated["settings"]
    figures = {"kv_gib", "tokens", "blocks"} & stated.keys()
    missing = [name for key, name in REQUIRED.items() if key not in settings]
    reasons = {
        "it is of the V0 engine": stated.get("engine") == "V0",
        "it states no version of vLLM": "vllm" not in stated or "version_inferred" in stated,
        f"its vLLM is before 0.{OLDEST[1]}": record.minor < OLDEST,
        "it names no GPU": record.gpu is None,
        f"it does not state {missing[0] if missing else ''}": bool(missing),
        "it states no KV cache": not figures,
        "its model is not known": record.shape is None,
        "its server did not start (see the end)": "failed" in stated,
        "it leaves out settings that decide it": "settings_unknown" in stated,
        "a draft model shares the GPU": "draft" in stated,
        "its weights are neither stated nor of a family that valuegen counts": record.weights is None,
        "its cache is in tokens of a family that valuegen does not count": record.kv_bytes is None,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def kv_cache(records: Sequence[Record], held: Held) -> list[Comparison]:
    """The KV cache of every log that can judge it."""
    found = []
    for record in records:
        if left_out(record) or record.weights is None or record.kv_bytes is None:
            continue
        parts = predicted(record, held.out(record))
        if parts is not None and record.run is not None:
            free = record.run.budget - record.weights
            ends = [free - parts.total(end) for end in ("point", "high", "low")]
            found.append(Comparison(record, record.kv_bytes, Estimate.of(*ends)))
    return found


def weights(records: Iterable[Record]) -> list[Comparison]:
    """The weights of every log that states them and whose model valuegen counts."""
    return [
        Comparison(record, stated * GIB, Estimate.of(*(record.counted_weights,) * 3))
        for record in records
        if (stated := record.gib("weights")) is not None and record.counted_weights is not None
    ]


def part(
    records: Iterable[Record], held: Held, key: str, of: Callable[[Parts], Estimate]
) -> list[Comparison]:
    """One part of every log that states it."""
    return [
        Comparison(record, stated * GIB, of(parts))
        for record in records
        if (stated := record.gib(key)) is not None
        and stated > 0
        and "settings_unknown" not in record.stated
        and record.stated.get("engine") == "V1"
        and (parts := predicted(record, held.out(record))) is not None
    ]


def failures(records: Iterable[Record]) -> list[tuple[Record, FitResult]]:
    """Logs of servers that did not start, and what `valuegen fit` says; 0.33 where no version is known."""
    found = []
    for record in records:
        settings = record.stated["settings"]
        if "failed" not in record.stated or record.stated.get("engine") == "V0":
            continue
        if record.config is None or record.gpu is None or "tensor_parallel_size" not in settings:
            continue
        model = Model(record.config.name, record.config, "config", "a log", "")
        version = record.stated["vllm"] if record.minor >= OLDEST else DEFAULT_VLLM_VERSION
        found.append((record, judge(model, record.gpu, EngineSettings(**settings), vllm_version=version)))
    return found
