"""What people see: tables and bars, 80 columns, no colour outside a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from valuegen.catalog.gpus import price_date
from valuegen.explain import explain
from valuegen.words import GIB, gib, gpus, requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valuegen.catalog.gpus import Gpu
    from valuegen.fit import FitResult
    from valuegen.overhead import Estimate
    from valuegen.plan import Candidate, Plan

WIDTH = 80
BAR = 24
VERDICTS = {
    "fits": ("fits", "bold green"),
    "too-big": ("does not fit", "bold red"),
    "invalid": ("vLLM refuses this", "bold red"),
}


def console() -> Console:
    """Standard output at a fixed width; plain text when it is no terminal."""
    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else WIDTH, no_color=not terminal, highlight=False, soft_wrap=False)


def show_fit(result: FitResult) -> None:
    """One configuration: where the memory of a GPU goes, and what the KV cache holds."""
    out = console()
    words, style = VERDICTS[result.verdict]
    out.print(
        Text.assemble((words, style), f": {result.model.name} on {gpus(result)}, vLLM {result.vllm_version}")
    )
    for reason in result.reasons:
        out.print(f"  {reason.message}", soft_wrap=False)
        out.print(f"    -> {reason.fix}")
    if not result.ranks or result.capacity is None or result.layout is None or result.host is None:
        return
    out.print()
    out.print(_memory_table(result, "#" if out.options.ascii_only else "\u2588"))
    out.print()
    for line in _facts(result):
        out.print(line)


def show_explanation(result: FitResult) -> None:
    """Every number with its formula, inputs and source."""
    out = console()
    for entry in explain(result):
        out.print()
        out.print(Text.assemble((entry.name, "bold"), f" = {entry.value}  [{entry.kind}]"))
        out.print(f"  {entry.formula}")
        out.print(f"  source: {entry.source}", style="dim")


def show_plan(plan: Plan, *, show_all: bool) -> None:
    """The ranked configurations as one table, then what is not possible and why."""
    out = console()
    request = plan.request
    out.print(
        f"{plan.model.name}: {requests(request.concurrency)} of {request.max_model_len:,} tokens at once"
        f" (vLLM {plan.candidates[0].fit.vllm_version})"
    )
    shown = plan.ranked if show_all else _best_of_each_gpu(plan.ranked)
    if shown:
        out.print()
        out.print(_plan_table(shown))
    rejected = _rejections(plan, show_all=show_all)
    if rejected:
        out.print()
        out.print("Not possible:")
        for name, why in rejected:
            out.print(_hanging(f"  {name}", why, 24))
    if shown:
        best = shown[0]
        out.print()
        out.print(
            f"USD per hour: on-demand list prices of {price_date()}, an assumption; set yours with --price.",
            style="dim",
        )
        out.print(
            f"Next: valuegen values {plan.model.name} --gpu {best.fit.gpu.name} -o values.yaml", style="dim"
        )


def show_models(rows: Iterable[dict[str, Any]]) -> None:
    """The model catalogue."""
    table = _table("name", "parameters", "checkpoint", "max length", "quantization", right=(1, 2, 3))
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['parameters'] / 1e9:.2f} B",
            gib(row["checkpoint_bytes"]),
            f"{row['max_model_len']:,}",
            row["quantization"] or "-",
        )
    console().print(table)


def show_gpus(catalogue: Sequence[Gpu], date: str) -> None:
    """The GPU catalogue."""
    table = _table(
        "name", "nvidia.com/gpu.product", "memory", "capability", "per node", "USD/h", right=(2, 3, 4, 5)
    )
    for gpu in catalogue:
        table.add_row(
            gpu.name,
            "\n".join(gpu.products),
            gib(gpu.memory_bytes),
            f"{gpu.compute_capability[0]}.{gpu.compute_capability[1]}",
            str(gpu.max_per_node),
            f"{gpu.usd_per_hour:.2f}",
        )
    out = console()
    out.print(table)
    out.print(f"Memory: what CUDA reports. USD/h: list prices of {date}, an assumption.", style="dim")


def _memory_table(result: FitResult, block: str) -> Table:
    tightest = min(result.ranks, key=lambda rank: rank.kv_cache.low)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)

    def row(label: str, size: int, note: str = "") -> None:
        share = max(0, size) / result.gpu.memory_bytes
        table.add_row(label, gib(size), block * round(BAR * share), note)

    stage = f", stage {tightest.pipeline_stage}" if len(result.ranks) > 1 else ""
    row(f"{result.gpu.name}{stage}", result.gpu.memory_bytes, "what CUDA reports")
    row("  granted to vLLM", tightest.budget_bytes, f"{result.settings.gpu_memory_utilization:.0%} of it")
    row("  weights", tightest.weights_bytes)
    row("  activation peak", tightest.activation.point, _range(tightest.activation))
    row("  CUDA graphs", tightest.cuda_graphs.point, _range(tightest.cuda_graphs))
    row("  outside PyTorch", tightest.non_torch.point, _range(tightest.non_torch))
    row("  KV cache", tightest.kv_cache.point, _range(tightest.kv_cache))
    return table


def _facts(result: FitResult) -> list[Text]:
    settings, host = result.settings, result.host
    if result.capacity is None or result.capacity_range is None or host is None:
        return []
    capacity, (low, high) = result.capacity, result.capacity_range
    return [
        _hanging(
            "KV cache",
            f"{capacity.tokens:,} tokens in {capacity.num_blocks:,} blocks: "
            f"{capacity.max_concurrency:.1f} requests of {settings.max_model_len:,} tokens at once "
            f"({low.max_concurrency:.1f} to {high.max_concurrency:.1f})",
            11,
        ),
        _hanging(
            "Settings",
            f"--max-model-len {settings.max_model_len} --max-num-seqs {settings.max_num_seqs} "
            f"--max-num-batched-tokens {settings.max_num_batched_tokens} --dtype {settings.dtype} "
            f"--kv-cache-dtype {settings.kv_cache_dtype}",
            11,
        ),
        _hanging(
            "Host",
            f"memory {_whole_gib(host.memory_request_bytes)} to {_whole_gib(host.memory_limit_bytes)}, "
            f"shared memory {host.shared_memory_bytes / GIB:.1f} GiB, {host.cpu} CPUs, "
            f"model cache {_whole_gib(host.model_cache_bytes)}, "
            f"start within {host.startup_seconds} s, drain {host.drain_seconds} s",
            11,
        ),
    ]


def _plan_table(candidates: Sequence[Candidate]) -> Table:
    table = _table(
        "#", "each replica", "replicas", "GPUs", "USD/h", "at once", "KV cache each", right=(0, 2, 3, 4, 5, 6)
    )
    for candidate in candidates:
        result = candidate.fit
        per_replica = gpus(result)
        tokens = result.capacity.tokens if result.capacity else 0
        table.add_row(
            str(candidate.rank),
            per_replica,
            str(candidate.replicas),
            str(candidate.gpus),
            f"{candidate.cost_per_hour:.2f}",
            str(candidate.replicas * candidate.requests_per_replica),
            f"{tokens:,} tokens",
            style="bold" if candidate is candidates[0] else "",
        )
    return table


def _best_of_each_gpu(ranked: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.fit.gpu.name, candidate)
    return list(best.values())


def _rejections(plan: Plan, *, show_all: bool) -> list[tuple[str, str]]:
    """GPUs that no configuration can use, with the reason of the one that came closest."""
    if show_all:
        return [(gpus(entry.fit), entry.rejected.message) for entry in plan.rejected if entry.rejected]
    usable = {candidate.fit.gpu.name for candidate in plan.ranked}
    # The last one of a GPU is its largest split, so the one that came closest.
    reasons = {
        entry.fit.gpu.name: entry.rejected.message
        for entry in plan.rejected
        if entry.rejected and entry.fit.gpu.name not in usable
    }
    return list(reasons.items())


def _table(*headers: str, right: tuple[int, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, header in enumerate(headers):
        table.add_column(header, justify="right" if number in right else "left", no_wrap=True)
    return table


def _hanging(label: str, text: str, indent: int) -> Text:
    """A label, and text wrapped beside it."""
    from textwrap import wrap  # noqa: PLC0415

    lines = wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return Text(f"{label:<{indent}}" + ("\n" + " " * indent).join(lines))


def _range(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return ""
    return f"{max(0, estimate.low) / GIB:.2f} to {max(0, estimate.high) / GIB:.2f}"


def _whole_gib(size: int) -> str:
    return f"{size // GIB} GiB"
