"""The coefficients of calibration.toml: medians over the logs that show one part by itself.

A part's range is what its logs span. Where no log shows a part, the value stands below with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from records import Record, Run, predicted
from valuegen.calibration import EXPERTS_KEEP_WORKSPACE_SINCE, Minor
from valuegen.overhead import (
    expert_workspace,
    graph_count,
    has_custom_all_reduce,
    images,
    kind_of,
    layer_pass,
    sampler_pass,
)
from valuegen.split import padded_vocab
from valuegen.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valuegen.overhead import Kind

Known = tuple[Record, Run]
Three = tuple[float, float, float]  # likely, low, high

# Where the profiled sampler changed. 0.10 sorts all logits (v1/sample/ops/topk_topp_sampler.py):
# float32 values, int64 indices and the sort's own copies. 0.17 masks them in place with a Triton kernel.
SAMPLER_SINCE: tuple[Minor, ...] = ((0, 10), (0, 17), (0, 25), (0, 33))
# No log shows many rows on the V2 runner, so its bytes are counted in v1/worker/gpu: since 0.25 it may
# keep 4.1 bytes of penalty state (sample/penalties.py) beside logits that it no longer copies; 0.33
# also profiles the float32 pipeline: 2 for the logits, 4 for the copy, and with FlashInfer 4 for masked
# logits and 4 for probabilities.
COUNTED_SAMPLER = {(0, 25): (14.7, 6.1, 18.8), (0, 33): (18.1, 10.1, 20.2)}

# What grows outside PyTorch changed with 0.18: on one H100 from 0.13 to 0.25 GiB.
GROWTH_SINCE: tuple[Minor, ...] = ((0, 10), (0, 18))
# FULL_AND_PIECEWISE is the default since 0.11 (config/compilation.py).
TWO_KINDS_OF_GRAPHS_SINCE: Minor = (0, 11)
# Copies of the hidden states that a vision tower's layer holds: its images are profiled with the rest,
# so logs bound it only. 6.3 would show in Gemma 3's, 2.4 is too little for Qwen3-VL on one T4.
ENCODER_COPIES = (4.5, 2.4, 6.3)

# Builds of one version differ: Red Hat's 0.19.1 took 0.5 GiB more than vLLM's own on one H200, 1.2 in a
# group of two. A range reaches at least that far; on small GPUs, where libraries load less, half of it.
AT_LEAST = {
    "hopper": {"alone": 0.5, "group": 1.2, "plain_group": 1.2},
    "other": {"alone": 0.25, "group": 0.25, "plain_group": 0.25},
    "unified": {"alone": 0.6, "group": 0.6, "plain_group": 0.6},
}

# Where the rounds of _pass start: copies in a layer, bytes per logit.
GUESS = (4.2, {since: 14.7 if since >= (0, 17) else 38.0 for since in SAMPLER_SINCE})
ROUNDS = 4

KINDS: tuple[Kind, ...] = ("other", "hopper", "unified")
PARTS = ("alone", "group", "plain_group")
NOTHING = {kind: dict.fromkeys(PARTS, (0.0, 0.0, 0.0)) | {"per_peer": 0.0} for kind in KINDS} | {
    "since": [0, 0]
}


def fit(records: Sequence[Record]) -> dict[str, Any]:
    """The calibration document for these logs."""
    usable = [(record, record.run) for record in records if record.run is not None]
    residual, sampler = _pass(usable)
    document: dict[str, Any] = {
        "forward": {"residual_copies": residual, "encoder_copies": ENCODER_COPIES},
        "sampler": sampler,
        "graphs": _graphs(usable),
    }
    document["growth"] = _growth(usable, document)
    return document


def _pass(records: Iterable[Known]) -> tuple[Three, list[dict[str, Any]]]:
    """(copies of the hidden states in a layer, sampler bytes by version).

    A log states one peak; which of the two passes made it follows from the coefficients, so a few
    rounds settle both.
    """
    unclear = {"settings_unknown", "cpu_offload", "draft"}
    shown = [
        (record, run, stated * GIB)
        for record, run in records
        if (stated := record.gib("activation")) is not None and not unclear & record.stated.keys()
    ]
    copies, per_logit = GUESS
    layers: list[float] = []
    logits: dict[Minor, list[float]] = {}
    for _ in range(ROUNDS):
        layers, logits = [], defaultdict(list)
        for record, run, peak in shown:
            since = _since(SAMPLER_SINCE, record.minor)
            keeps = record.minor >= EXPERTS_KEEP_WORKSPACE_SINCE
            is_sampler, value = _explained(run, peak, keeps, copies, per_logit[since])
            (logits[since] if is_sampler else layers).append(value)
        copies = median(layers)
        per_logit = per_logit | {since: median(found) for since, found in logits.items()}
    newest = {_since(SAMPLER_SINCE, minor): minor for minor in sorted({r.minor for r, _, _ in shown})}
    return _spread(layers), [
        {
            "since": list(since),
            "measured_on": _name(newest.get(since) or max(newest.values())),
            "counted": since not in logits,
            "bytes": _spread(logits[since]) if since in logits else COUNTED_SAMPLER[since],
        }
        for since in SAMPLER_SINCE
    ]


def _explained(run: Run, peak: float, keeps: bool, copies: float, per_logit: float) -> tuple[bool, float]:
    """Whether the sampler made the stated peak, and the bytes per logit or copies that explain it."""
    shape, settings = run.shape, run.settings
    held = 0.0
    if shape.encoder is not None:
        seen = images(shape.encoder, settings, shape.hidden_size)
        held += seen.pixels + seen.embeddings
    experts = expert_workspace(shape.routed, shape.hidden_size, settings) if shape.routed else 0
    layer = held + experts + layer_pass(shape, settings, copies)
    logits = held + (experts if keeps else 0) + sampler_pass(shape, settings, per_logit)
    if run.samples and shape.computes_logits and logits >= layer:
        rows = min(settings.max_num_batched_tokens, settings.max_num_seqs)
        return True, per_logit + (peak - logits) / (rows * padded_vocab(shape.vocab_size))
    return False, copies + (peak - layer) / (2 * settings.max_num_batched_tokens * shape.hidden_size)


def _growth(records: Sequence[Known], document: dict[str, Any]) -> list[dict[str, Any]]:
    """GiB outside PyTorch, by version and kind of GPU."""
    observed = [(known, seen) for known in records if (seen := _seen_growth(known, document)) is not None]
    cells = {since: {kind: _cell(observed, since, kind) for kind in KINDS} for since in GROWTH_SINCE}
    return [
        {"since": list(since)}
        | {
            kind: {part: _reaching(kind, part, _nearest(cells, since, kind, part)) for part in PARTS}
            | {"per_peer": cells[since][kind]["per_peer"]}
            for kind in KINDS
        }
        for since in GROWTH_SINCE
    ]


def _cell(observed: list[tuple[Known, float]], since: Minor, kind: Kind) -> dict[str, Any]:
    alone: list[float] = []
    groups: dict[str, list[tuple[int, float]]] = {"group": [], "plain_group": []}
    for (record, run), seen in observed:
        if kind_of(run.gpu) != kind or _since(GROWTH_SINCE, record.minor) != since:
            continue
        size = run.settings.tensor_parallel_size
        if size == 1:
            alone.append(seen)
        else:
            own = has_custom_all_reduce(run.gpu, size)
            groups["group" if own else "plain_group"].append((size - 2, seen))
    per_peer = _slope(groups["group"])
    parts = {part: [seen - per_peer * peers for peers, seen in found] for part, found in groups.items()}
    return {part: _spread(found) if found else None for part, found in (parts | {"alone": alone}).items()} | {
        "per_peer": per_peer
    }


def _nearest(cells: dict[Minor, dict[Kind, dict[str, Any]]], since: Minor, kind: Kind, part: str) -> Three:
    """What logs show, or else those of the other versions, of other GPUs, of a GPU alone."""
    places = [
        (when, what) for what in (kind, *(k for k in KINDS if k != kind)) for when in (since, *GROWTH_SINCE)
    ]
    found: list[Three | None] = [cells[when][what][part] for when, what in places]
    found += [cells[when][what]["alone"] for when, what in places]
    return next(spread for spread in found if spread is not None)


def _reaching(kind: Kind, part: str, spread: Three) -> Three:
    point, low, high = spread
    margin = AT_LEAST[kind][part]
    return max(0.0, point), max(0.0, min(low, point - margin)), max(high, point + margin)


def _seen_growth(known: Known, document: dict[str, Any]) -> float | None:
    """GiB: stated, or what a log that states the rest leaves for it."""
    record, run = known
    if not run.samples:
        return None
    if (stated := record.gib("non_torch")) is not None:
        return stated
    unclear = {"settings_unknown", "draft", "lora", "sampler", "cpu_offload", "images", "failed"}
    if unclear & record.stated.keys() or record.weights is None or record.kv_bytes is None:
        return None
    parts = predicted(record, document | {"growth": [NOTHING]})
    if parts is None:
        return None
    return (run.budget - record.weights - record.kv_bytes - parts.total("point")) / GIB


def _slope(points: list[tuple[int, float]]) -> float:
    """Of the line through points of several sizes; 0 where all have one."""
    sizes = {x for x, _ in points}
    if len(sizes) < 2:
        return 0.0
    by_size = sorted((x, median(y for at, y in points if at == x)) for x in sizes)
    (first, low), (final, high) = by_size[0], by_size[-1]
    return max(0.0, (high - low) / (final - first))


def shows_graphs(record: Record) -> bool:
    """Whether a log states the pool of both kinds of graphs, each size captured once."""
    eager = record.stated["settings"].get("enforce_eager", False)
    unclear = {"lora", "draft", "version_inferred"} & record.stated.keys()
    return not eager and not unclear and record.minor >= TWO_KINDS_OF_GRAPHS_SINCE


def _graphs(records: Sequence[Known]) -> dict[str, Three]:
    """Bytes of a captured graph for one layer, by kind of GPU.

    Capture can free memory: logs that gained some say nothing, nor do those that state the change of the
    free memory instead of the pool. LoRA captures every size twice.
    """
    sizes: dict[bool, list[float]] = {True: [], False: []}
    for record, run in records:
        if (held := record.gib("graphs")) is not None and held > 0 and shows_graphs(record):
            graphs = graph_count(run.shape, run.settings, run.gpu) * run.shape.layers
            sizes[kind_of(run.gpu) == "unified"].append(held * GIB / graphs)
    unified = sizes[True] or sizes[False]
    return {kind: _around(unified if kind == "unified" else sizes[False]) for kind in KINDS}


def _around(sizes: list[float]) -> Three:
    """Their spread, at least a third to both sides: the logs are few."""
    point, low, high = _spread(sizes)
    return point, min(low, point / 1.33), max(high, point * 1.33)


def _spread(values: list[float]) -> Three:
    return median(values), min(values), max(values)


def _since(changes: tuple[Minor, ...], minor: Minor) -> Minor:
    return max(change for change in changes if change <= minor)


def _name(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}"


def written(document: dict[str, Any]) -> str:
    """The document as calibration.toml."""
    lines = [
        "# Written by calibration/fit.py from calibration/records.toml; overhead.py says what each number is.",
        "# Ranges are [likely, low, high].",
        "",
        "[forward]",
        *(f"{key} = {_list(value)}" for key, value in document["forward"].items()),
        "",
        "[graphs]",
        *(f"{kind} = {_list(value, 0)}" for kind, value in document["graphs"].items()),
    ]
    for entry in document["sampler"]:
        lines += [
            "",
            "[[sampler]]",
            f"since = {entry['since']}",
            f'measured_on = "{entry["measured_on"]}"',
            f"counted = {str(entry['counted']).lower()}",
            f"bytes = {_list(entry['bytes'])}",
        ]
    for entry in document["growth"]:
        lines += ["", "[[growth]]", f"since = {entry['since']}"]
        for kind in KINDS:
            lines += [f"{kind}.{part} = {_list(entry[kind][part])}" for part in PARTS]
            lines += [f"{kind}.per_peer = {entry[kind]['per_peer']:.2f}"]
    return "\n".join(lines) + "\n"


def _list(values: Iterable[float], digits: int = 2) -> str:
    return "[" + ", ".join(f"{value:.{digits}f}" for value in values) + "]"
