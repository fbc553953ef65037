"""A judgement or a plan as an SVG picture: shapes and text, nothing to load."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from valuegen.errors import UsageError
from valuegen.files import replace_file
from valuegen.words import gib, gpus, requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valuegen.fit import FitResult, Rank
    from valuegen.plan import Candidate, Plan

WIDTH, MARGIN, LABEL = 820, 24, 250
ROW, BAR, LEGEND = 30, 20, 22
MOST_CANDIDATES = 20
# Hues that differ also for people who do not see all colours (Okabe and Ito).
COLOURS = {
    "weights": "#0072b2",
    "activation peak": "#e69f00",
    "CUDA graphs": "#cc79a7",
    "outside PyTorch": "#d55e00",
    "KV cache": "#009e73",
    "not for vLLM": "#d9d9d9",
}
BEST, OTHER = "#009e73", "#9ecae1"


def write_fit(path: Path, result: FitResult) -> None:
    """Draw where the memory of a GPU goes; UsageError or OutputError leaves the file as it was."""
    _write(path, fit_picture(result))


def write_plan(path: Path, plan: Plan) -> None:
    """Draw the candidates by cost, and the memory of the first; errors as in `write_fit`."""
    _write(path, plan_picture(plan))


def fit_picture(result: FitResult) -> str:
    """The memory of the fullest GPU of each pipeline stage."""
    title = f"{result.model.name} on {gpus(result)}, vLLM {result.vllm_version}"
    body, height = _memory(result, top=70)
    return _document([_text(MARGIN, 36, title, size=17, weight="bold"), *body], height)


def plan_picture(plan: Plan) -> str:
    """The cost of the best configuration of every GPU, and the memory of the cheapest."""
    best: dict[str, Candidate] = {}
    for candidate in plan.ranked:
        best.setdefault(candidate.fit.gpu.name, candidate)
    shown = list(best.values())[:MOST_CANDIDATES]
    load = f"{requests(plan.request.concurrency)} of {plan.request.max_model_len:,} tokens at once"
    hidden = len(best) - len(shown)
    parts = [
        _text(MARGIN, 36, f"{plan.model.name}: {load}", size=17, weight="bold"),
        _text(
            MARGIN,
            60,
            f"USD per hour for the whole load{f', the {len(shown)} cheapest GPUs' if hidden else ''}",
        ),
    ]
    top, room = 74, WIDTH - 2 * MARGIN - LABEL - 60
    dearest = max((candidate.cost_per_hour for candidate in shown), default=0) or 1
    for number, candidate in enumerate(shown):
        y = top + number * ROW
        replicas = f"{candidate.replicas} x " if candidate.replicas > 1 else ""
        length = max(1.0, room * candidate.cost_per_hour / dearest)
        parts += [
            _text(MARGIN, y + 15, f"{replicas}{gpus(candidate.fit)}"),
            _bar(
                MARGIN + LABEL,
                y,
                length,
                BEST if number == 0 else OTHER,
                f"{candidate.cost_per_hour:.2f} USD",
            ),
            _text(MARGIN + LABEL + length + 6, y + 15, f"{candidate.cost_per_hour:.2f}"),
        ]
    y = top + len(shown) * ROW + 30
    if shown:
        parts.append(
            _text(MARGIN, y, f"Memory of each GPU of the first: {gpus(shown[0].fit)}", weight="bold")
        )
        memory, y = _memory(shown[0].fit, top=y + 16)
        parts += memory
    return _document(parts, y)


def _memory(result: FitResult, *, top: int) -> tuple[list[str], int]:
    """A bar for each pipeline stage, a scale below them, and what the colours mean; where it ends."""
    whole, room = result.gpu.memory_bytes, WIDTH - 2 * MARGIN - LABEL
    parts = []
    for number, rank in enumerate(result.ranks):
        y = top + number * ROW
        stage = f", stage {rank.pipeline_stage}" if len(result.ranks) > 1 else ""
        parts.append(_text(MARGIN, y + 15, f"{result.gpu.name}{stage}, {gib(whole)}"))
        x = float(MARGIN + LABEL)
        for name, size in _parts(rank, whole):
            parts.append(_bar(x, y, room * size / whole, COLOURS[name], f"{name}: {gib(size)}"))
            x += room * size / whole
        edge = MARGIN + LABEL + room * rank.budget_bytes / whole
        parts.append(f'<line x1="{edge:.1f}" y1="{y - 3}" x2="{edge:.1f}" y2="{y + BAR + 3}" stroke="#222"/>')
    y = top + len(result.ranks) * ROW + 14
    share = f"{result.settings.gpu_memory_utilization:.0%}"
    parts.append(_text(MARGIN + LABEL, y, f"the line: {share} of the memory, which vLLM may use", size=12))
    fullest = min(result.ranks, key=lambda rank: rank.kv_cache.low)
    for number, (name, size) in enumerate(_parts(fullest, whole)):
        row = y + 16 + number * LEGEND
        parts += [
            _bar(MARGIN + LABEL, row, 14, COLOURS[name], name, height=14),
            _text(MARGIN + LABEL + 22, row + 12, name),
            _text(MARGIN + LABEL + 250, row + 12, gib(size), anchor="end"),
            _text(MARGIN + LABEL + 310, row + 12, f"{size / whole:.1%}", anchor="end"),
        ]
    return parts, y + 16 + len(COLOURS) * LEGEND + 12


def _parts(rank: Rank, whole: int) -> Iterator[tuple[str, int]]:
    """Bytes of each part of a GPU; together they are the whole."""
    sizes = {
        "weights": rank.weights_bytes,
        "activation peak": rank.activation.point,
        "CUDA graphs": rank.cuda_graphs.point,
        "outside PyTorch": rank.non_torch.point,
        "KV cache": max(0, rank.kv_cache.point),
    }
    yield from sizes.items()
    yield "not for vLLM", max(0, whole - sum(sizes.values()))


def _bar(x: float, y: float, width: float, colour: str, title: str, *, height: int = BAR) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _text(
    x: float, y: float, text: str, *, size: int = 13, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _document(parts: list[str], height: int) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" fill="#222">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _write(path: Path, picture: str) -> None:
    if path.suffix.lower() != ".svg":
        raise UsageError(f"--plot {path}: is no name of an SVG picture", "let it end in .svg")
    replace_file(path, picture)
