"""docs/accuracy.md: every prediction of a log beside what the log says."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean, median
from typing import TYPE_CHECKING

import starts
from coefficients import shows_graphs
from predictions import Comparison, Held, failures, kv_cache, left_out, part, weights
from valuegen.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from records import Record

NEWER = (0, 19)
MISS = 0.10  # an error from here on needs its explanation
WEIGHTS_MISS = 0.01


def document(records: Sequence[Record]) -> str:
    """The whole document."""
    held = Held(records)
    cache = kv_cache(records, held)
    newer = [one for one in cache if one.record.minor >= NEWER]
    older = [one for one in cache if one.record.minor < NEWER]
    peaks = part(records, held, "activation", lambda parts: parts.activation)
    outside = part(records, held, "non_torch", lambda parts: parts.non_torch)
    shown = [record for record in records if shows_graphs(record)]
    graphs = part(shown, held, "graphs", lambda parts: parts.graphs)
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
        "A graph holds about as much for every layer of a model. vLLM's own estimate, made before it captures any,",
        "is off by up to 64 % in these logs; what counts is the range. Left out: 0.10, which captured one kind of",
        "graph, LoRA, which captures every size twice, and logs that state the change of the free memory.",
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
