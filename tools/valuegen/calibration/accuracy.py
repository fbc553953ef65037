"""docs/accuracy.md: every prediction of a log beside what the log says.

A log is predicted with coefficients fitted without any log of its model.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import starts
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

NEWER = (0, 19)
MISS = 0.10  # an error from here on needs its explanation
WEIGHTS_MISS = 0.01
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


def document(records: Sequence[Record]) -> str:
    """The whole document."""
    held = Held(records)
    cache = kv_cache(records, held)
    newer = [one for one in cache if one.record.minor >= NEWER]
    older = [one for one in cache if one.record.minor < NEWER]
    peaks = part(records, held, "activation", lambda parts: parts.activation)
    outside = part(records, held, "non_torch", lambda parts: parts.non_torch)
    graphs = part(
        [record for record in records if not record.stated["settings"].get("enforce_eager")],
        held,
        "graphs",
        lambda parts: parts.graphs,
    )
    counted = weights(records)
    lines = [
        "# How near valuegen is to real servers",
        "",
        "Written by `python tools/valuegen/calibration/fit.py` from the start-up logs in",
        "`tools/valuegen/calibration/records.toml`; a test holds it to them. Every prediction is made with",
        "coefficients that were fitted without any log of the same model. An error is positive where valuegen",
        "predicts too much. The *range* is what `ranges` in the JSON says; the verdict of `fit` uses its safe end.",
        "",
        *_table(
            ["what", "logs", "median error", "mean error", "largest", "in the range"],
            [
                _summary("KV cache, vLLM 0.19 and newer", newer),
                _summary("KV cache, vLLM 0.10 to 0.18", older),
                _summary("KV cache, all", cache),
                _summary("weights", counted),
                _summary("activation peak", peaks),
                _summary("outside PyTorch", outside),
                _summary("CUDA graphs", graphs),
            ],
        ),
        "",
        "## KV cache",
        "",
        "Every log of the V1 engine that states version, `--gpu-memory-utilization`, tensor parallel size,",
        "context length, a GPU and the cache. The weights are the log's own where it states them.",
        "",
        *_compared(sorted(cache, key=lambda one: (-one.record.minor[1], one.record.id))),
        "",
        *_misses(cache),
        "",
        "### Left out",
        "",
        *_table(
            ["why", "logs"],
            [[reason, ", ".join(ids)] for reason, ids in sorted(_left_out(records).items())],
        ),
        "",
        "## Weights",
        "",
        f"{sum(1 for record in records if record.gib('weights') is not None)} logs state them; for "
        f"{len(counted)} of them valuegen has the model's family, its config and the quantization.",
        "",
        *_table(
            ["log", "vLLM", "model", "GPU", "logged GiB", "counted", "error", "why"],
            [
                [*_compared_row(one), one.record.stated.get("weights_explained", "**not explained**")]
                for one in sorted(counted, key=lambda one: -abs(one.error))
                if abs(one.error) > WEIGHTS_MISS
            ],
        ),
        "",
        f"All others are within {WEIGHTS_MISS:.0%}.",
        "",
        "## Activation peak",
        "",
        *_compared(sorted(peaks, key=lambda one: (-one.record.minor[1], one.record.id))),
        "",
        *_misses(peaks),
        "",
        "## CUDA graphs",
        "",
        "vLLM estimates them before it captures any, and its own estimate is off by up to 64 % in these logs;",
        "valuegen knows their number only. What counts is the range.",
        "",
        *_compared(sorted(graphs, key=lambda one: (-one.record.minor[1], one.record.id))),
        "",
        "## Servers that did not start",
        "",
        *_table(
            ["log", "vLLM", "model", "GPU", "valuegen"],
            [
                [
                    _link(record),
                    record.stated.get("vllm", ""),
                    record.stated["model"],
                    _gpu(record),
                    f"{result.verdict}: {result.reasons[0].message}",
                ]
                for record, result in failures(records)
            ],
        ),
    ]
    return "\n".join([*lines, *starts.section()]) + "\n"


def _misses(compared: Iterable[Comparison]) -> list[str]:
    rows = [
        [_link(one.record), f"{one.error:+.1%}", one.record.stated.get("explained", "**not explained**")]
        for one in compared
        if abs(one.error) > MISS
    ]
    return [f"### Misses over {MISS:.0%}", "", *_table(["log", "error", "why"], rows)]


def _left_out(records: Iterable[Record]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if (reason := left_out(record)) is not None:
            found[reason].append(record.id)
    return found


def _summary(what: str, compared: Sequence[Comparison]) -> list[str]:
    errors = [abs(one.error) for one in compared]
    inside = sum(one.inside for one in compared)
    return [
        what,
        str(len(errors)),
        f"{median(errors):.1%}",
        f"{mean(errors):.1%}",
        f"{max(errors):.1%}",
        f"{inside} of {len(errors)}",
    ]


def _compared(compared: Iterable[Comparison]) -> list[str]:
    return _table(
        ["log", "vLLM", "model", "GPU", "logged GiB", "predicted", "error", "range"],
        [
            [*_compared_row(one), f"{one.estimate.low / GIB:.2f} to {one.estimate.high / GIB:.2f}"]
            for one in compared
        ],
    )


def _compared_row(one: Comparison) -> list[str]:
    return [
        _link(one.record),
        str(one.record.stated.get("vllm", "")).split("+")[0],
        str(one.record.stated["model"]),
        _gpu(one.record),
        f"{one.logged / GIB:.2f}",
        f"{one.estimate.point / GIB:.2f}",
        f"{one.error:+.1%}",
    ]


def _gpu(record: Record) -> str:
    size = record.stated["settings"].get("tensor_parallel_size", 1)
    name = record.gpu.name if record.gpu else ""
    return f"{size} x {name}" if size > 1 else name


def _link(record: Record) -> str:
    return f"[{record.id}]({record.stated['source']})"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
